import { isIPv4 } from 'node:net';
import { parseIPv4 } from '@infra-offload/net';
import {
  type EndpointSlice,
  HEADLESS_LABEL,
  objectName,
  SERVICE_NAME_LABEL,
  SERVICE_PROXY_NAME_LABEL,
  type Service,
  type ServicePort,
  type SliceEndpoint,
} from '../objects/types.js';
import { type Candidate, type Selection, selectEndpoints } from './select.js';
import type {
  EmptyReason,
  ExternalTraffic,
  Frontend,
  LoadBalancedEndpoint,
  LoadBalancedService,
  NodeIdentity,
  ServiceCondition,
} from './types.js';

/** Whether this node balances the service at all: not headless, not ExternalName, not another proxy's. */
export function isLoadBalanced(service: Service): boolean {
  return (
    service.type !== 'ExternalName' &&
    service.clusterIPs[0] !== 'None' &&
    !Object.hasOwn(service.labels, SERVICE_PROXY_NAME_LABEL)
  );
}

/** "namespace/name" of the service that a slice belongs to; undefined if it belongs to none that is balanced. */
export function serviceOfSlice(slice: EndpointSlice): string | undefined {
  const name = slice.labels[SERVICE_NAME_LABEL];
  if (!name || Object.hasOwn(slice.labels, HEADLESS_LABEL)) return undefined;
  return objectName({ namespace: slice.namespace, name });
}

/**
 * What a service means on a node: one result for each of its ports, none if it is not balanced. `slices` are the
 * service's own, in any order.
 */
export function resolveService(
  service: Service,
  slices: readonly EndpointSlice[],
  node: NodeIdentity,
): LoadBalancedService[] {
  if (!isLoadBalanced(service)) return [];
  const usable = slices.filter((slice) => slice.addressType === 'IPv4').sort(byName);
  const addresses = frontendAddresses(service);
  const conditions = conditionsOf(service, slices);
  return service.ports.map((port) => {
    const selection = selectEndpoints(candidatesOf(usable, port, node), node);
    const endpoints = listEndpoints(selection.cluster);
    const frontends = frontendsOf(addresses, port);
    const policyLocal = service.internalTrafficPolicy === 'Local';
    const internal = policyLocal ? listEndpoints(selection.local) : endpoints;
    const external = externalTraffic(service, frontends, selection, endpoints);
    return {
      key: `${objectName(service)}:${port.name}/${port.protocol}`,
      namespace: service.namespace,
      name: service.name,
      portName: port.name,
      protocol: port.protocol,
      frontends,
      endpoints: internal,
      ...emptyReason(internal, selection),
      ...(external ? { external } : {}),
      ...(service.clientIPAffinitySeconds !== undefined
        ? { sessionAffinity: { timeoutSeconds: service.clientIPAffinitySeconds } }
        : {}),
      conditions,
    };
  });
}

type AddressFrontend = Extract<Frontend, { address: string }>;

function frontendAddresses(service: Service): Omit<AddressFrontend, 'port'>[] {
  const addresses = new Map<string, AddressFrontend['kind']>();
  const add = (kind: AddressFrontend['kind'], address: string) => {
    if (isIPv4(address) && !addresses.has(address)) addresses.set(address, kind);
  };
  for (const address of service.clusterIPs) add('ClusterIP', address);
  for (const address of service.externalIPs) add('ExternalIP', address);
  if (service.type === 'LoadBalancer') {
    for (const { ip, ipMode } of service.loadBalancerIngress) if (ipMode === 'VIP') add('LoadBalancer', ip);
  }
  return [...addresses].map(([address, kind]) => ({ kind, address }));
}

function frontendsOf(addresses: readonly Omit<AddressFrontend, 'port'>[], port: ServicePort): Frontend[] {
  const frontends: Frontend[] = addresses.map(({ kind, address }) => ({ kind, address, port: port.port }));
  if (port.nodePort !== undefined) frontends.push({ kind: 'NodePort', port: port.nodePort });
  return frontends;
}

function conditionsOf(service: Service, slices: readonly EndpointSlice[]): ServiceCondition[] {
  const conditions: ServiceCondition[] = [];
  const ingress = service.type === 'LoadBalancer' ? service.loadBalancerIngress.map(({ ip }) => ip) : [];
  const ipv6 = [...service.clusterIPs, ...service.externalIPs, ...ingress].filter((ip) => !isIPv4(ip));
  const ipv6Slices = slices.filter((slice) => slice.addressType === 'IPv6').map((slice) => slice.name);
  if (ipv6.length > 0 || ipv6Slices.length > 0) {
    const what = [
      ...ipv6.map((address) => `address ${address}`),
      ...ipv6Slices.sort().map((slice) => `EndpointSlice ${slice}`),
    ];
    conditions.push({ reason: 'IPv6NotSupported', message: `not balanced: ${what.join(', ')}` });
  }
  const fqdn = slices.filter((slice) => slice.addressType === 'FQDN').map((slice) => slice.name);
  if (fqdn.length > 0) {
    const message = `host names are not resolved: EndpointSlice ${fqdn.sort().join(', ')}`;
    conditions.push({ reason: 'FqdnNotSupported', message });
  }
  if (service.clusterIPs.length === 0) {
    const message = 'spec.clusterIP is not set; in a manifest it must be, since no API server chooses one';
    conditions.push({ reason: 'NoClusterIP', message });
  }
  return conditions;
}

/** The endpoints behind a service port, one for each address and port. Ports match by name and protocol. */
function candidatesOf(slices: readonly EndpointSlice[], port: ServicePort, node: NodeIdentity): Candidate[] {
  const candidates = new Map<string, Candidate>();
  for (const slice of slices) {
    for (const slicePort of slice.ports) {
      if (slicePort.name !== port.name || slicePort.protocol !== port.protocol) continue;
      for (const endpoint of slice.endpoints) {
        const key = `${endpoint.address}:${slicePort.port}`;
        const known = candidates.get(key);
        if (known !== undefined && preference(known.endpoint) >= preference(endpoint)) continue;
        candidates.set(key, { endpoint, port: slicePort.port, local: endpoint.nodeName === node.name });
      }
    }
  }
  return [...candidates.values()];
}

/** Which of two entries for the same address and port counts, while a pod moves between slices. */
function preference({ terminating, ready, serving }: SliceEndpoint): number {
  return Number(!terminating) * 4 + Number(ready) * 2 + Number(serving);
}

function listEndpoints(candidates: readonly Candidate[]): LoadBalancedEndpoint[] {
  return candidates
    .map(({ endpoint, port, local }) => ({
      order: (parseIPv4(endpoint.address) ?? 0) * 0x10000 + port,
      endpoint,
      port,
      local,
    }))
    .sort((a, b) => a.order - b.order)
    .map(({ endpoint: { address, nodeName }, port, local }) =>
      nodeName === undefined ? { address, port, local } : { address, port, nodeName, local },
    );
}

function externalTraffic(
  service: Service,
  frontends: readonly Frontend[],
  selection: Selection,
  clusterEndpoints: readonly LoadBalancedEndpoint[],
): ExternalTraffic | undefined {
  if (frontends.every(({ kind }) => kind === 'ClusterIP')) return undefined;
  const policy = service.externalTrafficPolicy;
  const endpoints = policy === 'Local' ? listEndpoints(selection.local) : clusterEndpoints;
  return {
    policy,
    endpoints,
    ...emptyReason(endpoints, selection),
    clusterEndpoints,
    sourceRanges: service.loadBalancerSourceRanges,
    ...(policy === 'Local' && service.healthCheckNodePort !== undefined
      ? { healthCheckNodePort: service.healthCheckNodePort }
      : {}),
  };
}

function emptyReason(
  endpoints: readonly LoadBalancedEndpoint[],
  selection: Selection,
): { emptyReason?: EmptyReason } {
  if (endpoints.length > 0) return {};
  return { emptyReason: selection.any ? 'NoLocalEndpoints' : 'NoEndpoints' };
}

function byName(a: EndpointSlice, b: EndpointSlice): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
