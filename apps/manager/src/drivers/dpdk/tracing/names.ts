import type { ObjectReference } from '@infra-offload/infra-api';
import { formatIPv4, formatPrefix, type IPv4, prefixContains, protocolName } from '@infra-offload/net';
import {
  describeKey,
  objectKey,
  referenceOf,
  type ServiceObject,
  type WantedState,
} from '../../../model/objects.js';
import type { FlowSocket } from '../../flow-table.js';
import type { TraceWorld } from '../../tracing.js';

/** Endpoints that a text names. */
const SHOWN = 5;

export function referenceTo(object: WantedState): ObjectReference {
  return referenceOf(objectKey(object));
}

/** `pod default/web-0`, `the node`, or the address. */
export function whoHas(address: IPv4, world: TraceWorld): string {
  const pod = world.pod(address);
  if (pod !== undefined) return `pod ${pod.namespace}/${pod.name}`;
  return isNodes(address, world) ? 'the node' : formatIPv4(address);
}

/** Whether the node's kernel has an address. */
export function isNodes(address: IPv4, { node }: TraceWorld): boolean {
  return node?.addresses.includes(address) === true || node?.host?.addresses.includes(address) === true;
}

/** `the route 10.244.2.0/24 (uplink0)`, the longest that has an address. */
export function routeName(address: IPv4, { node }: TraceWorld): string {
  const [route] = (node?.routes ?? [])
    .filter(({ cidr }) => prefixContains(cidr, address))
    .sort((a, b) => b.cidr.length - a.cidr.length);
  return route === undefined ? 'a route' : `the route ${formatPrefix(route.cidr)} (${route.interfaceName})`;
}

export function serviceName(service: ServiceObject): string {
  return describeKey(objectKey(service));
}

/** `10.244.1.3:8080`; without port for ICMP. */
export function socketText({ address, port }: FlowSocket, protocol: number): string {
  return isIcmp(protocol) ? formatIPv4(address) : `${formatIPv4(address)}:${port}`;
}

/** `tcp 8080`, or `icmp`. */
export function portText(port: number, protocol: number): string {
  const name = (protocolName(protocol) ?? `protocol ${protocol}`).toLowerCase();
  return isIcmp(protocol) ? name : `${name} ${port}`;
}

function isIcmp(protocol: number): boolean {
  return protocolName(protocol) === 'ICMP';
}

/** Some of a list, in words. */
export function listed(texts: readonly string[]): string {
  const more = texts.length - SHOWN;
  return texts.slice(0, SHOWN).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
