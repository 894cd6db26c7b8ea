import { type Condition, Protocol, type Service } from '@infra-offload/infra-api';
import type { ExternalTraffic, Frontend, LoadBalancedService } from '@infra-offload/k8s-watch';
import { parseIPv4, parseIPv4Prefix, prefixContains } from '@infra-offload/net';
import { nodeEndpoints } from './own-endpoints.js';

/** What of the node decides how its services are reached. */
export interface NodeReach {
  /** IPv4 addresses of the node, on which its node ports are. */
  readonly nodeAddresses: readonly string[];
  /** Of those, what the cluster has as the node's InternalIPs. */
  readonly internalAddresses: readonly string[];
  /** InternalIPs of the other nodes, as far as they are known. */
  readonly otherNodes: readonly string[];
  /**
   * Whether the data plane has an interface to the outside. Without one, node ports and external addresses are met there by
   * pods of this node only; clients outside come through the node's kernel.
   */
  readonly hasUplink: boolean;
  /** Of this node's pods. */
  readonly podCidrs: readonly string[];
}

/** What a service sends to, and why that is nobody. */
type Reached = Pick<LoadBalancedService, 'endpoints' | 'emptyReason'>;

/**
 * A port of a service as the manager wants it, frontends with one list of endpoints: one for the ClusterIP and every address
 * with the same endpoints, and one more for the others if their endpoints differ; its port name ends in `external`.
 *
 * What cannot be said like that is left out and told by the conditions of the one it belongs to; what is about the whole
 * service, by the first's.
 */
export function toServices(balanced: LoadBalancedService, node: NodeReach): readonly Service[] {
  const { external } = balanced;
  const conditions: Condition[] = balanced.conditions.map(({ reason, message }) => ({ reason, message }));
  const outerConditions: Condition[] = [];
  const internal: Service['frontends'] = [];
  const outer: Service['frontends'] = [];
  for (const frontend of balanced.frontends) {
    const target = frontend.kind === 'ClusterIP' ? internal : outer;
    target.push(...reachable(frontend, external, node, outerConditions));
    const overlap = overlapOf(frontend, node);
    if (overlap !== undefined) (target === internal ? conditions : outerConditions).push(overlap);
  }
  conditions.push(...unreachableByItself(balanced, node));
  if (external === undefined || outer.length === 0) {
    return [toService(balanced, internal, balanced, [...conditions, ...outerConditions])];
  }
  const reached = externalEndpoints(external, node, outerConditions);
  if (isSame(reached, balanced)) {
    return [toService(balanced, [...internal, ...outer], reached, [...conditions, ...outerConditions])];
  }
  // Kubernetes' port names have no dots, and only the single port of a service has none.
  const portName = balanced.portName === '' ? 'external' : `${balanced.portName}.external`;
  return [
    toService(balanced, internal, balanced, conditions),
    toService({ ...balanced, portName }, outer, reached, outerConditions),
  ];
}

/** It is balanced all the same; but a pod may be given the address, which then nobody reaches at that port. */
function overlapOf(frontend: Frontend, { podCidrs }: NodeReach): Condition | undefined {
  if (frontend.kind === 'NodePort') return undefined;
  const address = parseIPv4(frontend.address);
  const cidr = podCidrs.find((text) => {
    const range = parseIPv4Prefix(text);
    return range !== undefined && address !== undefined && prefixContains(range, address);
  });
  if (cidr === undefined) return undefined;
  const message = `${frontend.address} is in the range of pods ${cidr}: choose ranges of services and pods that do not overlap`;
  return { reason: 'AddressInPodRange', message };
}

/** See OwnSources: one source address cannot do for both. */
function unreachableByItself(balanced: LoadBalancedService, node: NodeReach): Condition[] {
  const { own, other } = nodeEndpoints(balanced, node);
  if (own === undefined || other === undefined) return [];
  const message =
    `processes of this node do not reach its own address ${own} through the service, ` +
    `since other nodes, such as ${other}, are endpoints, too; pods and other nodes do`;
  return [{ reason: 'SourceTranslationNotSupported', message }];
}

/** The addresses of a frontend, none if the data plane cannot serve it. */
function reachable(
  frontend: Frontend,
  external: ExternalTraffic | undefined,
  { nodeAddresses }: NodeReach,
  conditions: Condition[],
): Service['frontends'] {
  switch (frontend.kind) {
    case 'NodePort':
      if (nodeAddresses.length === 0) {
        conditions.push({
          reason: 'NodeAddressUnknown',
          message: `node port ${frontend.port} is not offloaded, since no IPv4 address of the node is known`,
        });
      }
      return nodeAddresses.map((address) => ({ address, port: frontend.port }));
    case 'LoadBalancer':
      if (isFiltered(external)) {
        conditions.push({
          reason: 'SourceRangesNotSupported',
          message: `${frontend.address} is not offloaded, since it has source ranges`,
        });
        return [];
      }
      return [{ address: frontend.address, port: frontend.port }];
    case 'ExternalIP':
    case 'ClusterIP':
      return [{ address: frontend.address, port: frontend.port }];
    default:
      return frontend satisfies never;
  }
}

/** 0.0.0.0/0 among the ranges lets everybody in. */
function isFiltered(external: ExternalTraffic | undefined): boolean {
  const ranges = external?.sourceRanges ?? [];
  return ranges.length > 0 && !ranges.includes('0.0.0.0/0');
}

/**
 * Pods of this node may be sent to the endpoints of the whole cluster, clients outside only to those on this node: without
 * source translation, an endpoint elsewhere would answer them itself, from its own address.
 */
function externalEndpoints(
  external: ExternalTraffic,
  { hasUplink }: NodeReach,
  conditions: Condition[],
): Reached {
  if (!hasUplink) return { endpoints: external.clusterEndpoints };
  if (external.policy === 'Local') return external;
  const here = external.clusterEndpoints.filter(({ local }) => local);
  if (here.length < external.clusterEndpoints.length) {
    conditions.push({
      reason: 'SourceTranslationNotSupported',
      message:
        'node port and external addresses use endpoints on this node only, as with externalTrafficPolicy Local; ' +
        'if there are none, only pods of this node are served',
    });
  }
  return { endpoints: here.length > 0 ? here : external.clusterEndpoints };
}

function toService(
  balanced: Pick<LoadBalancedService, 'namespace' | 'name' | 'portName' | 'protocol' | 'sessionAffinity'>,
  frontends: Service['frontends'],
  { endpoints, emptyReason }: Reached,
  conditions: Condition[],
): Service {
  const { namespace, name, portName, protocol, sessionAffinity } = balanced;
  return {
    namespace,
    name,
    portName,
    protocol: protocolOf(protocol),
    frontends,
    endpoints: endpoints.map(({ address, port }) => ({ address, port, weight: 0 })),
    sessionAffinity: sessionAffinity && { timeoutSeconds: sessionAffinity.timeoutSeconds },
    conditions,
    hasEndpointsElsewhere: emptyReason === 'NoLocalEndpoints',
  };
}

function isSame(
  { endpoints: a, emptyReason }: Reached,
  { endpoints: b, emptyReason: other }: Reached,
): boolean {
  return (
    a.length === b.length &&
    a.every(({ address, port }, i) => b[i]?.address === address && b[i]?.port === port) &&
    (emptyReason === 'NoLocalEndpoints') === (other === 'NoLocalEndpoints')
  );
}

function protocolOf(protocol: LoadBalancedService['protocol']): Protocol {
  switch (protocol) {
    case 'TCP':
      return Protocol.PROTOCOL_TCP;
    case 'UDP':
      return Protocol.PROTOCOL_UDP;
    case 'SCTP':
      return Protocol.PROTOCOL_SCTP;
    default:
      return protocol satisfies never;
  }
}
