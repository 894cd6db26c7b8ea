import { formatIPv4, POD_GATEWAY } from '@infra-offload/net';
import type { NetworkNamespace } from '@infra-offload/testbed';
import {
  type Actor,
  type Endpoint,
  OTHERS,
  POD_NAMES,
  type PodName,
  type Policy,
  type ServiceAddress,
  type ServiceSettings,
} from './scenario.js';
import { PodSockets } from './sockets/pod-sockets.js';
import type { Peer, Protocol, SocketCommand, SocketEvent } from './sockets/protocol.js';

/** What every pod, the node and the machine outside serve; at `UNSERVED` there is nobody. */
export const SERVED = { tcp: 8080, udp: 8081, sctp: 8082 } as const;
export const UNSERVED = 9;
/** Of the service, by protocol. Other ports of its address are nobody's. */
export const SERVICE_PORT = { tcp: 80, udp: 81, sctp: SERVED.sctp } as const;
export const PROTOCOLS: readonly Protocol[] = ['tcp', 'udp', 'sctp'];

export const NODE_ADDRESS = '172.31.255.1';
export const GATEWAY = formatIPv4(POD_GATEWAY);
export const POD_CIDR = '10.244.0.0/24';
/** Of pods of another node. */
export const FAR_POD_CIDR = '10.244.1.0/24';
export const SERVICE_CIDR = '10.96.0.0/16';

/** Where a lane's service is reached, and the machines beside the node. */
export interface LaneAddresses {
  readonly clusterIP: string;
  readonly externalIP: string;
  readonly balancer: string;
  readonly nodePorts: Readonly<Record<Protocol, number>>;
  /** Each with the node's address on the wire to it. */
  readonly outside: Machine;
  readonly far: Machine;
}

export interface Machine {
  readonly address: string;
  readonly gateway: string;
}

export function addressesOf(lane: number): LaneAddresses {
  return {
    clusterIP: `10.96.1.${lane + 1}`,
    externalIP: `203.0.113.${lane + 1}`,
    balancer: `203.0.113.${lane + 101}`,
    nodePorts: { tcp: 32_500 + lane, udp: 32_600 + lane, sctp: 32_700 + lane },
    outside: { address: `192.0.2.${lane + 101}`, gateway: `192.0.2.${lane + 1}` },
    far: { address: `10.244.1.${lane + 101}`, gateway: `198.51.100.${lane + 1}` },
  };
}

/** Address and port at which a lane's service is reached. */
export function reachedAt(addresses: LaneAddresses, at: ServiceAddress, protocol: Protocol): Peer {
  const nodePort = addresses.nodePorts[protocol];
  if (at === 'nodePort') return { address: NODE_ADDRESS, port: nodePort };
  if (at === 'outerNodePort') return { address: addresses.outside.gateway, port: nodePort };
  return { address: addresses[at], port: SERVICE_PORT[protocol] };
}

/** The service of a lane as it is to be. */
export interface ServiceState extends Required<ServiceSettings> {
  readonly endpoints: readonly Endpoint[];
  /** Whether netfilter masquerades all that kube-proxy does, or only what must be. */
  readonly masqueradesAll: boolean;
}

/** What a socket saw, and whose it is. */
export type WorldEvent = SocketEvent & { readonly actor: Actor };

/**
 * Pods, a service and policies, of one scenario at a time: one of several lanes of a world, which notice nothing of each
 * other. What a method changes is in force when it resolves.
 */
export interface Lane {
  readonly addresses: LaneAddresses;
  readonly sockets: Sockets;
  address(actor: Actor): string;
  setService(service: ServiceState): Promise<void>;
  setPolicies(policies: readonly Policy[], change: 'cut' | 'keep'): Promise<void>;
  replace(pod: PodName): Promise<void>;
}

/** Whose address it is; undefined if nobody of the lane has it. */
export function actorAt(lane: Pick<Lane, 'address' | 'addresses'>, address: string): Actor | undefined {
  const { outside, far } = lane.addresses;
  if ([NODE_ADDRESS, outside.gateway, far.gateway].includes(address)) return 'node';
  return [...POD_NAMES, ...OTHERS].find((actor) => lane.address(actor) === address);
}

/** Where scenarios are played. */
export interface World {
  readonly name: string;
  readonly lanes: readonly Lane[];
  stop(): Promise<void>;
}

/** Waits for all, and throws if one of them failed: so that nothing is begun any more when whoever waits cleans up. */
export async function allDone(work: readonly Promise<void>[]): Promise<void> {
  for (const done of await Promise.allSettled(work)) if (done.status === 'rejected') throw done.reason;
}

/** Sockets behave the same in all worlds, and the ports of connections that are over are free at once. */
const SYSCTLS = [
  'net.ipv4.tcp_max_tw_buckets=0',
  'net.ipv4.tcp_fin_timeout=120',
  'net.ipv6.conf.all.disable_ipv6=1',
  'net.ipv4.icmp_ratelimit=0',
];

/** Processes with sockets, by who they are. */
export class Sockets {
  readonly #processes = new Map<Actor, PodSockets>();
  #listener: (event: WorldEvent) => void = () => undefined;

  /** Has a listener hear what they see from now on, instead of who heard it before. */
  listen(listener: (event: WorldEvent) => void): void {
    this.#listener = listener;
  }

  /** Starts the process of an actor, which then serves. Of the processes of one namespace, only the first can. */
  async start(actor: Actor, namespace: NetworkNamespace, serves = true): Promise<void> {
    await namespace.must('sysctl', ['-q', ...SYSCTLS]);
    const sockets = new PodSockets(namespace, (event) => this.#listener({ ...event, actor }));
    this.#processes.set(actor, sockets);
    for (const protocol of serves ? PROTOCOLS : [])
      await sockets.command({ kind: 'listen', protocol, port: SERVED[protocol] });
  }

  command(actor: Actor, command: SocketCommand): Promise<void> {
    const sockets = this.#processes.get(actor);
    return sockets ? sockets.command(command) : Promise.reject(new Error(`there is no ${actor}`));
  }

  async stop(actor: Actor): Promise<void> {
    await this.#processes.get(actor)?.stop();
    this.#processes.delete(actor);
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#processes.keys()].map((actor) => this.stop(actor)));
  }
}
