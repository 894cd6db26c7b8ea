import { type Condition, Protocol, type Service, type ServiceReason } from '@infra-offload/infra-api';
import type { ExternalTraffic, Frontend, LoadBalancedService } from '@infra-offload/k8s-watch';
import { parseIPv4, parseIPv4Prefix, prefixContains } from '@infra-offload/net';
import { podGateway } from '../interfaces/attachment.js';
import { type GatewayPort, isApart } from './gateway-ports.js';
import type { OutsidePort } from './outside-port.js';

/** What of the node decides how its services are reached. */
export interface NodeReach {
  /** IPv4 addresses of the node, at which pods find its node ports without its kernel. */
  readonly nodeAddresses: readonly string[];
  /** Whether the data plane has an interface to the outside, by which clients on other nodes come, too. */
  readonly hasUplink: boolean;
  /** Of this node's pods. */
  readonly podCidrs: readonly string[];
}

/** A port of a service as it is wanted. */
export interface WantedService {
  /** As the manager wants it: one object for each list of endpoints. */
  readonly services: readonly Service[];
  /** What the kernel sends into the data plane for clients outside of it. */
  readonly outside: OutsidePort | undefined;
}

type Endpoints = LoadBalancedService['endpoints'];

/** What of a service is left out. */
type ServiceCondition = Condition & { readonly reason: ServiceReason };

/** Frontends that share their endpoints. */
interface Group {
  /** Added to the port's name. */
  readonly suffix: '' | 'external' | 'external.pods' | 'external.node';
  readonly frontends: Service['frontends'];
  readonly endpoints: Endpoints;
  /** There are none that may be used here, but on other nodes. */
  readonly isElsewhere: boolean;
}

/**
 * A port of a service for manager and kernel. Who asks decides which endpoints there are: those of the ClusterIP; for clients
 * outside those of the external traffic policy; for pods of this node that use an external address or a node port, and for the
 * node itself, those of the whole cluster. Each list becomes an object of its own unless they are equal, its port name ending
 * in `external`, `external.pods` or `external.node`.
 *
 * Clients outside, and the node, come through the node's kernel, at `gatewayPort` of 169.254.1.1. What cannot be said like that is left out
 * and told by the conditions of the first object.
 */
export function toServices(
  balanced: LoadBalancedService,
  node: NodeReach,
  gatewayPort: GatewayPort | undefined,
): WantedService {
  const { external, endpoints } = balanced;
  const conditions: ServiceCondition[] = balanced.conditions.map(({ reason, message }) => ({
    reason,
    message,
  }));
  for (const frontend of balanced.frontends) {
    const overlap = overlapOf(frontend, node);
    if (overlap !== undefined) conditions.push(overlap);
  }
  const internal = balanced.frontends.flatMap((frontend) =>
    frontend.kind === 'ClusterIP' ? [at(frontend)] : [],
  );
  const groups: Group[] = [
    { suffix: '', frontends: internal, endpoints, isElsewhere: isElsewhere(balanced) },
  ];
  const outside = external && outsidePort(balanced, external, gatewayPort);
  if (external !== undefined) {
    if (outside === undefined) {
      const message = 'no port of 169.254.1.1 is left, so clients outside the cluster are not served';
      conditions.push({ reason: 'GatewayPortsExhausted', message });
    } else {
      if (isApart(balanced) && outside.insidePort === undefined) {
        const message =
          'no port of 169.254.1.1 is left, so the node itself is sent to its own endpoints only';
        conditions.push({ reason: 'GatewayPortsExhausted', message });
      }
      const frontends = gatewayPortsOf(outside).map((port) => ({ address: podGateway, port }));
      groups.push({
        suffix: 'external',
        frontends,
        endpoints: external.endpoints,
        isElsewhere: isElsewhere(external),
      });
    }
    groups.push({
      suffix: 'external.pods',
      frontends: balanced.frontends.flatMap((frontend) => directly(frontend, external, node)),
      endpoints: node.hasUplink ? external.endpoints : external.clusterEndpoints,
      isElsewhere: node.hasUplink && isElsewhere(external),
    });
    const inside = outside?.insidePort;
    if (inside !== undefined)
      groups.push({
        suffix: 'external.node',
        frontends: [{ address: podGateway, port: inside }],
        endpoints: external.clusterEndpoints,
        isElsewhere: false,
      });
  }
  return {
    services: merged(groups).map((group, i) => toService(balanced, group, i === 0 ? conditions : [])),
    outside,
  };
}

/** Groups with equal endpoints are one. The first stays, even if nothing is in it. */
function merged(groups: readonly Group[]): Group[] {
  const result: Group[] = [];
  for (const group of groups) {
    const same = result.findIndex(
      (other) => other.isElsewhere === group.isElsewhere && sameEndpoints(other.endpoints, group.endpoints),
    );
    const known = result[same];
    if (known !== undefined) result[same] = { ...known, frontends: [...known.frontends, ...group.frontends] };
    else if (result.length === 0 || group.frontends.length > 0) result.push(group);
  }
  return result;
}

function isElsewhere({ emptyReason }: Pick<LoadBalancedService, 'emptyReason'>): boolean {
  return emptyReason === 'NoLocalEndpoints';
}

function outsidePort(
  { frontends, protocol }: LoadBalancedService,
  { sourceRanges }: ExternalTraffic,
  gatewayPort: GatewayPort | undefined,
): OutsidePort | undefined {
  if (gatewayPort === undefined) return undefined;
  const ranges = isFiltered(sourceRanges) ? sourceRanges : [];
  return {
    protocol,
    nodePort: frontends.find((frontend) => frontend.kind === 'NodePort')?.port,
    insidePort: gatewayPort.inside,
    addresses: frontends.flatMap((frontend) => {
      if (frontend.kind !== 'ExternalIP' && frontend.kind !== 'LoadBalancer') return [];
      return [
        {
          ...at(frontend),
          // The data plane cannot translate ports of SCTP.
          gatewayPort: protocol === 'SCTP' ? frontend.port : gatewayPort.outside,
          sourceRanges: frontend.kind === 'LoadBalancer' ? ranges : [],
        },
      ];
    }),
  };
}

function gatewayPortsOf({ nodePort, addresses }: OutsidePort): number[] {
  const ports = addresses.map(({ gatewayPort }) => gatewayPort);
  return [...new Set(nodePort === undefined ? ports : [nodePort, ...ports])];
}

/** Where pods of this node are served without its kernel. Sources are filtered there, so what has ranges is left to it. */
function directly(
  frontend: Frontend,
  { sourceRanges }: ExternalTraffic,
  { nodeAddresses }: NodeReach,
): Service['frontends'] {
  switch (frontend.kind) {
    case 'NodePort':
      return nodeAddresses.map((address) => ({ address, port: frontend.port }));
    case 'LoadBalancer':
      return isFiltered(sourceRanges) ? [] : [at(frontend)];
    case 'ExternalIP':
      return [at(frontend)];
    case 'ClusterIP':
      return [];
    default:
      return frontend satisfies never;
  }
}

function at({
  address,
  port,
}: {
  readonly address: string;
  readonly port: number;
}): Service['frontends'][number] {
  return { address, port };
}

/** 0.0.0.0/0 among the ranges lets everybody in. */
function isFiltered(ranges: readonly string[]): boolean {
  return ranges.length > 0 && !ranges.includes('0.0.0.0/0');
}

/** It is balanced all the same; but a pod may be given the address, which then nobody reaches at that port. */
function overlapOf(frontend: Frontend, { podCidrs }: NodeReach): ServiceCondition | undefined {
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

function toService(
  { namespace, name, portName, protocol, sessionAffinity }: LoadBalancedService,
  { suffix, frontends, endpoints, isElsewhere }: Group,
  conditions: ServiceCondition[],
): Service {
  return {
    namespace,
    name,
    // Kubernetes' port names have no dots, and only the single port of a service has none.
    portName: [portName, suffix].filter((part) => part !== '').join('.'),
    protocol: protocolOf(protocol),
    frontends,
    endpoints: endpoints.map(({ address, port }) => ({ address, port, weight: 0 })),
    sessionAffinity: sessionAffinity && { timeoutSeconds: sessionAffinity.timeoutSeconds },
    conditions,
    hasEndpointsElsewhere: isElsewhere,
  };
}

function sameEndpoints(a: Endpoints, b: Endpoints): boolean {
  return (
    a.length === b.length &&
    a.every(({ address, port }, i) => b[i]?.address === address && b[i]?.port === port)
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
