import { PROTOCOL_NUMBERS, parseIPAddress, parsePrefix, prefixContains } from '@infra-offload/net';
import { matchesLabels } from '../objects/labels.js';
import {
  type LabelSelector,
  type Namespace,
  type NetworkPolicy,
  type Node,
  objectName,
  type Pod,
  type PolicyPeer,
  type PolicyPort,
  type PolicyRule,
} from '../objects/types.js';
import { NAMESPACE_NAME_LABEL } from './well-known.js';

/** A cluster, as far as NetworkPolicies ask. */
export interface PolicyWorld {
  readonly policies: readonly NetworkPolicy[];
  readonly pods: readonly Pod[];
  /** One that is missing here has the label kubernetes.io/metadata.name only, as the API server gives it to all. */
  readonly namespaces?: readonly Namespace[];
  /** What they send to their own pods is always allowed; without them, nothing is known to come from a node. */
  readonly nodes?: readonly Node[];
}

/** The first packet of a connection: replies follow its verdict. Behind a service it is the endpoint that counts. */
export interface Connection {
  readonly source: string;
  readonly destination: string;
  /** IANA protocol number. */
  readonly protocol: number;
  /** Of the destination; absent for protocols that have none. */
  readonly port?: number;
}

export interface NetworkPolicyVerdict {
  /** Both directions allow it. */
  readonly allowed: boolean;
  /** As the source's policies have it. */
  readonly egress: DirectionVerdict;
  /** As the destination's policies have it. */
  readonly ingress: DirectionVerdict;
}

export interface DirectionVerdict {
  readonly allowed: boolean;
  /** "namespace/name" of the policies that isolate the pod in this direction; without any, everything is allowed. */
  readonly isolatedBy: readonly string[];
  /** Those of them that allow the connection. */
  readonly allowedBy: readonly string[];
}

type Direction = NetworkPolicy['policyTypes'][number];

/**
 * What the NetworkPolicies of a cluster say of a connection, read straight off the objects: slow and plain, to compare
 * everything else with. What the API leaves to implementations is decided like this:
 *
 * - An address is that of the pods that have it in their status, without those that have ended, those with hostNetwork,
 *   and those that are being deleted while another one has it.
 * - `ipBlock` counts for addresses of pods, too. Named ports never match what is no pod.
 * - Protocols other than TCP, UDP and SCTP are allowed by rules without ports only.
 * - A pod reaches itself, and its node reaches it.
 */
export function networkPolicyVerdict(world: PolicyWorld, connection: Connection): NetworkPolicyVerdict {
  const sources = podsAt(world, connection.source);
  const destinations = podsAt(world, connection.destination);
  if (sources.some((pod) => destinations.includes(pod))) {
    const open = { allowed: true, isolatedBy: [], allowedBy: [] };
    return { allowed: true, egress: open, ingress: open };
  }
  const egress = judge(world, connection, 'Egress', sources);
  const ingress = judge(world, connection, 'Ingress', destinations);
  return { allowed: egress.allowed && ingress.allowed, egress, ingress };
}

/** Should several pods have one address, then each of them must allow it. */
function judge(
  world: PolicyWorld,
  connection: Connection,
  direction: Direction,
  subjects: readonly Pod[],
): DirectionVerdict {
  let allowed = true;
  const isolatedBy = new Set<string>();
  const allowedBy = new Set<string>();
  for (const subject of subjects) {
    if (direction === 'Ingress' && isOwnNode(world, subject, connection.source)) continue;
    const isolating = world.policies.filter(
      (policy) => policy.policyTypes.includes(direction) && selectsSubject(policy, subject),
    );
    const allowing = isolating.filter((policy) => {
      const rules = direction === 'Ingress' ? policy.ingress : policy.egress;
      return rules.some((rule) => ruleAllows(world, connection, direction, policy, rule));
    });
    for (const policy of isolating) isolatedBy.add(objectName(policy));
    for (const policy of allowing) allowedBy.add(objectName(policy));
    if (isolating.length > 0 && allowing.length === 0) allowed = false;
  }
  return { allowed, isolatedBy: [...isolatedBy], allowedBy: [...allowedBy] };
}

function selectsSubject(policy: NetworkPolicy, pod: Pod): boolean {
  return pod.namespace === policy.namespace && matchesLabels(policy.podSelector, pod.labels);
}

function ruleAllows(
  world: PolicyWorld,
  connection: Connection,
  direction: Direction,
  policy: NetworkPolicy,
  { peers, ports }: PolicyRule,
): boolean {
  const remote = direction === 'Ingress' ? connection.source : connection.destination;
  const remotePods = podsAt(world, remote);
  const subjects = podsAt(world, connection.destination).filter((pod) => selectsSubject(policy, pod));
  /** Whose container ports give numbers to names: the destination, as the policy or the peer means it. */
  const allowsPort = (peerPods: readonly Pod[]) => {
    const destinations = direction === 'Ingress' ? subjects : peerPods;
    return ports.length === 0 || ports.some((port) => portMatches(port, connection, destinations));
  };
  if (peers.length === 0) return allowsPort(remotePods);
  return peers.some((peer) => {
    if (peer.type === 'IPBlock') return inBlock(peer, remote) && allowsPort([]);
    const selected = remotePods.filter((pod) => selectsPeer(world, policy, peer, pod));
    return selected.length > 0 && allowsPort(selected);
  });
}

function selectsPeer(
  world: PolicyWorld,
  policy: NetworkPolicy,
  { podSelector, namespaceSelector }: Extract<PolicyPeer, { type: 'Pods' }>,
  pod: Pod,
): boolean {
  const inNamespace =
    namespaceSelector === undefined
      ? pod.namespace === policy.namespace
      : selectsNamespace(world, namespaceSelector, pod.namespace);
  return inNamespace && (podSelector === undefined || matchesLabels(podSelector, pod.labels));
}

function selectsNamespace({ namespaces = [] }: PolicyWorld, selector: LabelSelector, name: string): boolean {
  const labels = namespaces.find((namespace) => namespace.name === name)?.labels ?? {};
  return matchesLabels(selector, { ...labels, [NAMESPACE_NAME_LABEL]: name });
}

function inBlock({ cidr, except }: Extract<PolicyPeer, { type: 'IPBlock' }>, address: string): boolean {
  return contains(cidr, address) && !except.some((part) => contains(part, address));
}

function portMatches(
  { protocol, port, endPort }: PolicyPort,
  connection: Connection,
  destinations: readonly Pod[],
): boolean {
  if (PROTOCOL_NUMBERS[protocol] !== connection.protocol) return false;
  if (port === undefined) return true;
  if (connection.port === undefined) return false;
  if (typeof port === 'number') return connection.port >= port && connection.port <= (endPort ?? port);
  return destinations.some((pod) =>
    pod.ports.some(
      (named) => named.name === port && named.protocol === protocol && named.port === connection.port,
    ),
  );
}

function podsAt({ pods }: PolicyWorld, address: string): readonly Pod[] {
  const holders = pods.filter((pod) => !pod.hostNetwork && !pod.finished && pod.ips.includes(address));
  const staying = holders.filter((pod) => !pod.terminating);
  return staying.length > 0 ? staying : holders;
}

function isOwnNode({ nodes = [] }: PolicyWorld, pod: Pod, source: string): boolean {
  return nodes.some((node) => node.name === pod.nodeName && node.internalIPs.includes(source));
}

function contains(cidr: string, address: string): boolean {
  const [prefix, inner] = [parsePrefix(cidr), parseIPAddress(address)];
  return prefix !== undefined && inner !== undefined && prefixContains(prefix, inner);
}
