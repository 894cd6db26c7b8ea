import { endpointSlice, service } from '@infra-offload/testbed';
import type { PodName, Policy } from '../scenario.js';
import { SERVED, SERVICE_PORT } from '../world.js';

export const SERVICE = 'web';

export interface LaneState {
  readonly lane: number;
  readonly clusterIp: string;
  /** Their addresses. */
  readonly pods: ReadonlyMap<PodName, string>;
  readonly endpoints: readonly PodName[];
  readonly policies: readonly Policy[];
  /** Another for every set of policies. */
  readonly revision: number;
}

/** Kubernetes namespace of a lane. */
export function namespaceOf(lane: number): string {
  return `lane-${lane}`;
}

export function nameOfPolicy(revision: number, index: number): string {
  return `policy-${revision}-${index}`;
}

/** A lane as Kubernetes objects. */
export function laneObjects({
  lane,
  clusterIp,
  pods,
  endpoints,
  policies,
  revision,
}: LaneState): readonly object[] {
  const namespace = namespaceOf(lane);
  const options = {
    namespace,
    name: SERVICE,
    clusterIp,
    ports: [
      { name: 'tcp', protocol: 'TCP', port: SERVICE_PORT.tcp, targetPort: SERVED.tcp },
      { name: 'udp', protocol: 'UDP', port: SERVICE_PORT.udp, targetPort: SERVED.udp },
      { name: 'sctp', protocol: 'SCTP', port: SERVICE_PORT.sctp, targetPort: SERVED.sctp },
    ] as const,
  };
  const addresses = endpoints.map((pod) => {
    const ip = pods.get(pod);
    if (ip === undefined) throw new Error(`there is no ${pod}`);
    return { ip };
  });
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    service(options),
    endpointSlice(options, addresses),
    ...[...pods].map(([name, ip]) => podObject(namespace, name, ip)),
    ...policies.map((policy, index) => networkPolicy(namespace, nameOfPolicy(revision, index), policy)),
  ];
}

function podObject(namespace: string, name: PodName, ip: string): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { namespace, name, labels: { role: name } },
    spec: { nodeName: 'node-1', containers: [{ name: 'main' }] },
    status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
  };
}

function networkPolicy(namespace: string, name: string, { pod, direction, allow }: Policy): object {
  const rules = allow.map(({ peers, protocol }) => ({
    [direction === 'ingress' ? 'from' : 'to']: peers.map((peer) => ({
      podSelector: { matchLabels: { role: peer } },
    })),
    ...(protocol === undefined
      ? {}
      : { ports: [{ protocol: protocol.toUpperCase(), port: SERVED[protocol] }] }),
  }));
  return {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { namespace, name },
    spec: {
      podSelector: { matchLabels: { role: pod } },
      policyTypes: [direction === 'ingress' ? 'Ingress' : 'Egress'],
      [direction]: rules,
    },
  };
}
