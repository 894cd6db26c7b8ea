import { endpointSlice, service } from '@infra-offload/testbed';
import type { Actor, Peer, PodName, Policy } from '../scenario.js';
import { type LaneAddresses, NODE_ADDRESS, SERVED, SERVICE_PORT, type ServiceState } from '../world.js';

export const SERVICE = 'web';

export interface LaneState {
  readonly lane: number;
  readonly addresses: LaneAddresses;
  /** Their addresses. */
  readonly pods: ReadonlyMap<PodName, string>;
  readonly service: ServiceState;
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
  addresses,
  pods,
  service: { endpoints, externalTrafficPolicy, internalTrafficPolicy, sources },
  policies,
  revision,
}: LaneState): readonly object[] {
  const namespace = namespaceOf(lane);
  const addressOf = (actor: Actor) => {
    if (actor === 'node') return NODE_ADDRESS;
    if (actor === 'outside' || actor === 'far') return addresses[actor].address;
    const address = pods.get(actor);
    if (address === undefined) throw new Error(`there is no address of ${actor}`);
    return address;
  };
  const { nodePorts } = addresses;
  const options = {
    namespace,
    name: SERVICE,
    clusterIp: addresses.clusterIP,
    ports: [
      {
        name: 'tcp',
        protocol: 'TCP',
        port: SERVICE_PORT.tcp,
        targetPort: SERVED.tcp,
        nodePort: nodePorts.tcp,
      },
      {
        name: 'udp',
        protocol: 'UDP',
        port: SERVICE_PORT.udp,
        targetPort: SERVED.udp,
        nodePort: nodePorts.udp,
      },
      // Of services with external addresses and the same port of SCTP, only one is reached from outside.
      ...(lane > 0
        ? []
        : [
            {
              name: 'sctp',
              protocol: 'SCTP',
              port: SERVICE_PORT.sctp,
              targetPort: SERVED.sctp,
              nodePort: nodePorts.sctp,
            } as const,
          ]),
    ] as const,
    spec: {
      type: 'LoadBalancer',
      externalIPs: [addresses.externalIP],
      externalTrafficPolicy,
      internalTrafficPolicy,
      loadBalancerSourceRanges: sources.map((source) => `${addressOf(source)}/32`),
    },
  };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: namespace } },
    { ...service(options), status: { loadBalancer: { ingress: [{ ip: addresses.balancer }] } } },
    endpointSlice(
      options,
      endpoints.map((endpoint) => ({
        ip: addressOf(endpoint),
        nodeName: endpoint === 'far' ? 'node-2' : 'node-1',
      })),
    ),
    ...[...pods].map(([name, ip]) => podObject(namespace, name, ip)),
    ...policies.map((policy, index) =>
      networkPolicy(namespace, nameOfPolicy(revision, index), policy, addressOf),
    ),
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

function networkPolicy(
  namespace: string,
  name: string,
  { pod, direction, allow }: Policy,
  addressOf: (actor: Actor) => string,
): object {
  const peerObject = (peer: Peer) =>
    peer === 'outside' || peer === 'far'
      ? { ipBlock: { cidr: `${addressOf(peer)}/32` } }
      : { podSelector: { matchLabels: { role: peer } } };
  const rules = allow.map(({ peers, protocol }) => ({
    [direction === 'ingress' ? 'from' : 'to']: peers.map(peerObject),
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
