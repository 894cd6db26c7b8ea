import type { Protocol, Side } from './sockets/protocol.js';

export type { Protocol, Side };

/** The pods of a scenario. All of them serve, and any may be a client. */
export const POD_NAMES = ['client', 'friend', 'web-1', 'web-2'] as const;
export type PodName = (typeof POD_NAMES)[number];

/** The node that the pods are on, a machine outside of the cluster that the node routes to, and a pod of another node. */
export const OTHERS = ['node', 'outside', 'far'] as const;
export type Actor = PodName | (typeof OTHERS)[number];

/** Who may be behind the service. */
export type Endpoint = PodName | 'far';

/**
 * Where the service is reached, beside its ClusterIP: at a port of the node, of its address or of the one that it has towards
 * the outside; at its external address, or at that of its load balancer.
 */
export const EXTERNALS = ['nodePort', 'outerNodePort', 'externalIP', 'balancer'] as const;
export type ServiceAddress = 'clusterIP' | (typeof EXTERNALS)[number];

/** At which port: one that somebody serves, or one that nobody does. */
type AtPort = { readonly port?: 'served' | 'unserved' };
export type Destination = (
  | { readonly pod: Actor }
  /** At its ClusterIP if `at` is left out. */
  | { readonly service: true; readonly at?: ServiceAddress }
) &
  AtPort;

export type TrafficPolicy = 'Cluster' | 'Local';

export interface ServiceSettings {
  /** `Cluster` if left out. */
  readonly externalTrafficPolicy?: TrafficPolicy;
  readonly internalTrafficPolicy?: TrafficPolicy;
  /** Whom the load balancer's address is for; everybody if left out. */
  readonly sources?: readonly Actor[];
}

/** What a pod is isolated from: new flows in this direction pass if one of the rules allows them. */
export interface Policy {
  readonly pod: PodName;
  readonly direction: 'ingress' | 'egress';
  readonly allow: readonly PolicyRule[];
}

/** Pods by their labels, others by their addresses. */
export type Peer = PodName | 'outside' | 'far';

export interface PolicyRule {
  readonly peers: readonly Peer[];
  /** Only to the port that this protocol is served at; everything if left out. */
  readonly protocol?: Protocol;
}

interface OnFlow {
  /** As `open` named it. */
  readonly flow: string;
  readonly side: Side;
}

export type Step =
  /**
   * A client opens a flow. TCP: connects, and is greeted by the server. UDP: sends a datagram. SCTP: sends INIT.
   * `port` is the client's: a small number that stands for one which no scenario before has used.
   */
  | {
      readonly do: 'open';
      readonly flow: string;
      readonly protocol: Protocol;
      readonly from: Actor;
      readonly to: Destination;
      readonly port: number;
      /** Bytes of the first datagram. */
      readonly size?: number;
    }
  /** One side sends a message; 32 bytes if `size` does not say otherwise. */
  | ({ readonly do: 'send'; readonly size?: number } & OnFlow)
  /** TCP: one side sends FIN, and goes on receiving. */
  | ({ readonly do: 'end' } & OnFlow)
  | ({ readonly do: 'close' } & OnFlow)
  /** TCP: one side ends the connection with RST. */
  | ({ readonly do: 'reset' } & OnFlow)
  /** TCP: one side's socket is gone, and no packet says so. */
  | ({ readonly do: 'vanish' } & OnFlow)
  /** The service has these endpoints from now on. */
  | { readonly do: 'endpoints'; readonly pods: readonly Endpoint[] }
  /** These policies are in force from now on, and no others. */
  | { readonly do: 'policies'; readonly policies: readonly Policy[] }
  /** A pod's server gives its port up, or takes it again. */
  | { readonly do: 'unserve' | 'serve'; readonly pod: PodName; readonly protocol: Protocol }
  /** A pod is gone without a word to anybody, and a new one gets its address and its labels. */
  | { readonly do: 'replace'; readonly pod: PodName };

/**
 * What happens, one step after the other. At the beginning there are all pods and no policies. Everything is said so that
 * the result is certain: where a service with several pods as endpoints is opened first, whichever is chosen is called by the
 * first of their names from then on.
 */
export interface Scenario {
  readonly name: string;
  /** Of the service, at the beginning. */
  readonly endpoints: readonly Endpoint[];
  readonly service?: ServiceSettings;
  /** What becomes of flows that a new policy denies; `cut` if left out, as is the pipeline's default. */
  readonly policyChange?: 'cut' | 'keep';
  /**
   * Tells the node's address and the gateway's apart; else both are the node's. And netfilter gives whoever comes for
   * `externalTrafficPolicy: Cluster` the node's address; else only where the answer would not come back.
   */
  readonly exactAddresses?: true;
  readonly steps: readonly Step[];
}

/** A scenario as its source text, so that it can be played again. */
export function formatScenario({ steps, ...rest }: Scenario): string {
  const head = JSON.stringify(rest).slice(0, -1);
  return [`${head},"steps":[`, steps.map((step) => `  ${JSON.stringify(step)}`).join(',\n'), ']}'].join('\n');
}
