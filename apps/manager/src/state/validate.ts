import { isIPv6 } from 'node:net';
import {
  type WantedObject,
  type Node as WireNode,
  type Pod as WirePod,
  Protocol as WireProtocol,
  type Route as WireRoute,
  type Service as WireService,
} from '@infra-offload/infra-api';
import { type IPv4, type IPv4Prefix, parseIPv4Prefix } from '@infra-offload/net';
import { ManagerError, unreachable } from '../errors.js';
import type {
  Endpoint,
  Frontend,
  NodeObject,
  ObjectKey,
  PodObject,
  Protocol,
  Route,
  ServiceObject,
  WantedState,
} from '../model/objects.js';
import { Checker, isIPv6Cidr, MAX_NAME, readConditions } from './checker.js';
import { readIsolation, readPolicy, readSet } from './validate-policy.js';

/** Longest affinity timeout, as in Kubernetes. */
const MAX_AFFINITY_SECONDS = 86_400;

/**
 * The key of an object on the wire, however wrong the rest of it is: what its status is reported under.
 *
 * @returns undefined when there is no object at all, which is a breach of the protocol.
 */
export function wireKey(wire: WantedObject): ObjectKey | undefined {
  const object = wire.object;
  switch (object?.$case) {
    case undefined:
      return undefined;
    case 'node':
      return `node/${object.value.name}`;
    case 'pod':
      return `pod/${object.value.attachmentId}`;
    case 'service': {
      const { namespace, name, portName, protocol } = object.value;
      return `service/${namespace}/${name}:${portName}/${protocolName(protocol) ?? protocol}`;
    }
    case 'addressSet':
      return `set/${object.value.name}`;
    case 'networkPolicy':
      return `policy/${object.value.name}`;
    case 'podIsolation':
      return `isolation/${object.value.namespace}/${object.value.name}`;
    default:
      return unreachable(object);
  }
}

/**
 * Turns a wire object into the manager's model of it.
 *
 * @throws ManagerError INVALID_OBJECT naming object, field and value.
 */
export function readObject(wire: WantedObject): WantedState {
  const object = wire.object;
  switch (object?.$case) {
    case undefined:
      throw new ManagerError('INVALID_OBJECT', 'the message contains no object');
    case 'node':
      return readNode(object.value);
    case 'pod':
      return readPod(object.value);
    case 'service':
      return readService(object.value);
    case 'addressSet':
      return readSet(object.value);
    case 'networkPolicy':
      return readPolicy(object.value);
    case 'podIsolation':
      return readIsolation(object.value);
    default:
      return unreachable(object);
  }
}

/** See {@link readObject}. */
export function readPod(wire: WirePod): PodObject {
  const check: Checker = new Checker(`pod/${wire.attachmentId}`);
  if (!/^[^~/\s][^/\s]*\/[^/\s]+$/.test(wire.attachmentId) || wire.attachmentId.length > MAX_NAME) {
    check.fail('attachment_id', wire.attachmentId, '"<container id>/<interface name>"');
  }
  const address = wire.addresses[0];
  if (address === undefined || wire.addresses.length > 1) {
    check.fail('addresses', wire.addresses.join(', '), 'exactly one IPv4 address');
  }
  return {
    kind: 'pod',
    attachmentId: wire.attachmentId,
    ...podName(check, wire),
    interfaceName: check.interfaceName('interface_name', wire.interfaceName),
    mac: check.mac('mac', wire.mac),
    ip: check.podAddress('addresses[0]', address),
  };
}

/** What is attached without a runtime of Kubernetes has neither. */
function podName(check: Checker, { namespace, name }: WirePod): Pick<PodObject, 'namespace' | 'name'> {
  if (namespace === '' && name === '') return { namespace, name };
  return { namespace: check.name('namespace', namespace), name: check.name('name', name) };
}

function readNode(wire: WireNode): NodeObject {
  const check: Checker = new Checker(`node/${wire.name}`);
  const unsupported: string[] = [];
  const cidrs = (field: string, texts: readonly string[]): IPv4Prefix[] =>
    texts.flatMap((text, i) => {
      if (isIPv6Cidr(text)) {
        unsupported.push(text);
        return [];
      }
      return [check.cidr(`${field}[${i}]`, text)];
    });
  const addresses = (field: string, texts: readonly string[]): readonly IPv4[] =>
    distinct(
      texts.flatMap((text, i) => {
        if (isIPv6(text)) {
          unsupported.push(text);
          return [];
        }
        return [check.ipv4(`${field}[${i}]`, text)];
      }),
      (address) => address,
    );
  const host = wire.hostInterface;
  const routes = wire.routes.flatMap((route, i): Route[] => {
    const at = `routes[${i}]`;
    const [cidr] = isIPv6Cidr(route.cidr) ? cidrs(at, [route.cidr]) : [check.cidr(`${at}.cidr`, route.cidr)];
    if (cidr === undefined) return [];
    return [
      {
        cidr,
        interfaceName: check.interfaceName(`${at}.interface_name`, route.interfaceName),
        nextHopMac: check.mac(`${at}.next_hop_mac`, route.nextHopMac),
        sourceMac: check.mac(`${at}.source_mac`, route.sourceMac),
        ...sourceOf(check, at, route),
      },
    ];
  });
  const node: NodeObject = {
    kind: 'node',
    name: check.name('name', wire.name),
    host: host && {
      interfaceName: check.interfaceName('host_interface.interface_name', host.interfaceName),
      mac: check.mac('host_interface.mac', host.mac),
      addresses: addresses('host_interface.addresses', host.addresses),
    },
    serviceCidrs: distinct(cidrs('service_cidrs', wire.serviceCidrs), cidrKey),
    routes,
    addresses: addresses('addresses', wire.addresses),
    unsupportedAddresses: unsupported,
    ...(wire.uplinkInterface === undefined
      ? {}
      : { uplinkInterface: check.interfaceName('uplink_interface', wire.uplinkInterface) }),
  };
  const claimed = new Set(node.serviceCidrs.map(cidrKey));
  wire.routes.forEach((route, i) => {
    const cidr = parseIPv4Prefix(route.cidr);
    if (cidr === undefined) return;
    if (claimed.has(cidrKey(cidr))) {
      check.fail(`routes[${i}].cidr`, route.cidr, 'a range that no other route and no service CIDR names');
    }
    claimed.add(cidrKey(cidr));
  });
  return node;
}

function sourceOf(check: Checker, at: string, route: WireRoute): Pick<Route, 'source' | 'masquerade'> {
  const { sourceAddress, masquerade } = route;
  if (sourceAddress !== '') return { source: check.ipv4(`${at}.source_address`, sourceAddress), masquerade };
  if (masquerade) check.fail(`${at}.source_address`, sourceAddress, 'an address, since masquerade is set');
  return {};
}

function readService(wire: WireService): ServiceObject {
  const protocol = protocolName(wire.protocol);
  const check: Checker = new Checker(
    `service/${wire.namespace}/${wire.name}:${wire.portName}/${protocol ?? wire.protocol}`,
  );
  if (protocol === undefined) check.fail('protocol', String(wire.protocol), 'TCP, UDP or SCTP');
  const unsupported: string[] = [];
  const frontends: Frontend[] = [];
  for (const [i, { address, port }] of wire.frontends.entries()) {
    const ip = check.ipv4OrIPv6(`frontends[${i}].address`, address);
    check.port(`frontends[${i}].port`, port);
    if (ip === undefined) unsupported.push(`frontend [${address}]:${port}`);
    else frontends.push({ address: ip, port });
  }
  const endpoints: Endpoint[] = [];
  for (const [i, { address, port, weight }] of wire.endpoints.entries()) {
    const ip = check.ipv4OrIPv6(`endpoints[${i}].address`, address);
    check.port(`endpoints[${i}].port`, port);
    if (weight > 0x7fff_ffff) check.fail(`endpoints[${i}].weight`, String(weight), '0 to 2147483647');
    if (ip === undefined) unsupported.push(`endpoint [${address}]:${port}`);
    else endpoints.push({ address: ip, port, weight: weight || 1 });
  }
  const affinity = wire.sessionAffinity?.timeoutSeconds;
  if (affinity !== undefined && (affinity < 1 || affinity > MAX_AFFINITY_SECONDS)) {
    check.fail('session_affinity.timeout_seconds', String(affinity), `1 to ${MAX_AFFINITY_SECONDS}`);
  }
  return {
    kind: 'service',
    namespace: check.name('namespace', wire.namespace),
    name: check.name('name', wire.name),
    portName: wire.portName === '' ? '' : check.name('port_name', wire.portName),
    protocol,
    // The same pair twice, as overlapping EndpointSlices have it, is one endpoint.
    frontends: distinct(frontends, socketKey),
    endpoints: distinct(endpoints, socketKey),
    hasEndpointsElsewhere: wire.hasEndpointsElsewhere,
    affinitySeconds: affinity,
    unsupportedAddresses: unsupported,
    agentConditions: readConditions(check, wire.conditions),
  };
}

function protocolName(protocol: WireProtocol): Protocol | undefined {
  switch (protocol) {
    case WireProtocol.PROTOCOL_TCP:
      return 'TCP';
    case WireProtocol.PROTOCOL_UDP:
      return 'UDP';
    case WireProtocol.PROTOCOL_SCTP:
      return 'SCTP';
    default:
      return undefined;
  }
}

/** IPv4 address and port as one number: 48 bits. */
export function socketKey({ address, port }: { readonly address: IPv4; readonly port: number }): number {
  return address * 65_536 + port;
}

function cidrKey({ address, length }: IPv4Prefix): number {
  return address * 64 + length;
}

function distinct<T>(items: readonly T[], key: (item: T) => number): readonly T[] {
  if (items.length < 2) return items;
  const seen = new Set<number>();
  return items.filter((item) => {
    const k = key(item);
    return !seen.has(k) && seen.add(k);
  });
}
