import { formatPrefix, type IPv4, ipv4, type Mac, POD_GATEWAY, prefixContains } from '@infra-offload/net';
import { HOST_PORT, PortKind } from '@infra-offload/p4src';
import { type Condition, condition } from '../../model/condition.js';
import type { HostInterface, NodeObject } from '../../model/objects.js';
import {
  addressClaim,
  conflictOf,
  interfaceClaims,
  missingPort,
  NODE_CLAIM,
  unsupportedAddresses,
} from '../common.js';
import type { Claim, CompileContext, Compiled } from '../driver.js';
import type { DpdkRow } from './rows.js';

/** A node's rows: the host port, ARP for what lives on the node, ranges of services, and routes. */
export function compileNode(node: NodeObject, context: CompileContext, gatewayMac: Mac): Compiled<DpdkRow> {
  const conflict = conflictOf([NODE_CLAIM], context);
  if (conflict !== undefined) return { rows: [], conditions: [conflict] };
  const rows: DpdkRow[] = [];
  const conditions: Condition[] = [];
  if (node.host !== undefined) compileHost(node, node.host, context, gatewayMac, rows, conditions);
  for (const { address, length } of node.serviceCidrs) {
    rows.push({ table: 'route_table', address, length, action: 'blackhole' });
  }
  const uplinks = new Set<number>();
  if (node.uplinkInterface !== undefined) {
    const found = usablePort(node.uplinkInterface, `uplink ${node.uplinkInterface}`, context, conditions);
    if (found !== undefined && found !== HOST_PORT) uplinks.add(found);
  }
  for (const route of node.routes) {
    const port = usablePort(route.interfaceName, `route ${formatPrefix(route.cidr)}`, context, conditions);
    if (port === undefined) continue;
    if (port !== HOST_PORT) uplinks.add(port);
    rows.push({
      table: 'route_table',
      ...route.cidr,
      action: 'nexthop',
      port,
      dstMac: route.nextHopMac,
      srcMac: route.sourceMac,
      source: route.source ?? ipv4(0),
      masquerades: route.masquerade ?? false,
    });
  }
  for (const port of uplinks) rows.push({ table: 'port_table', port, role: 'uplink' });
  if (node.unsupportedAddresses.length > 0) conditions.push(unsupportedAddresses(node.unsupportedAddresses));
  return { rows, conditions };
}

/** The node's part of a target is one node's; so are its addresses and interfaces. */
export function nodeClaims(node: NodeObject, context: CompileContext): readonly Claim[] {
  const claims: Claim[] = [NODE_CLAIM];
  if (node.host !== undefined) {
    claims.push({
      key: `port/${HOST_PORT}`,
      what: `port ${HOST_PORT} (the host's)`,
      reason: 'InterfaceConflict',
    });
    for (const address of hostAddresses(node.host)) claims.push(addressClaim(address));
  }
  for (const name of nodeInterfaces(node)) claims.push(...interfaceClaims(name, context));
  return claims;
}

/** Interfaces that a node names, each once. */
export function nodeInterfaces(node: NodeObject): readonly string[] {
  const names = new Set(node.routes.map((route) => route.interfaceName));
  if (node.uplinkInterface !== undefined) names.add(node.uplinkInterface);
  if (node.host !== undefined) names.add(node.host.interfaceName);
  return [...names];
}

function compileHost(
  node: NodeObject,
  host: HostInterface,
  context: CompileContext,
  gatewayMac: Mac,
  rows: DpdkRow[],
  conditions: Condition[],
): void {
  const found = context.port(host.interfaceName);
  if (found.kind !== 'known') {
    conditions.push(missingPort(host.interfaceName, found));
  } else if (found.port !== HOST_PORT) {
    const message = `interface ${host.interfaceName} is port ${found.port} of the target, but the pipeline reaches the host through port ${HOST_PORT}`;
    conditions.push(condition('HostPortMismatch', message));
  }
  rows.push({ table: 'port_table', port: HOST_PORT, role: 'host' });
  // Not to the host itself: it would not take anything from its own address.
  const [own = POD_GATEWAY] = host.addresses.filter((address) => address !== POD_GATEWAY);
  for (const portKind of [PortKind.pod, PortKind.uplink])
    rows.push({ table: 'answer_source', portKind, ip: own });
  const ranges = [...node.serviceCidrs, ...node.routes.map((route) => route.cidr)];
  for (const ip of hostAddresses(host)) {
    const lost = conflictOf([addressClaim(ip)], context);
    if (lost !== undefined) {
      conditions.push(lost);
      continue;
    }
    rows.push({ table: 'arp_table', ip, mac: host.mac });
    // A packet for the host gets there through a miss, unchanged, unless a wider range would take it elsewhere.
    if (ranges.some((range) => prefixContains(range, ip))) {
      rows.push({
        table: 'pod_forward',
        ip,
        port: HOST_PORT,
        dstMac: host.mac,
        srcMac: gatewayMac,
        since: 0,
      });
    }
  }
}

function hostAddresses(host: HostInterface): readonly IPv4[] {
  return [POD_GATEWAY, ...host.addresses.filter((address) => address !== POD_GATEWAY)];
}

/** The port of an interface that is the node's; otherwise the condition says why there is none. */
function usablePort(
  interfaceName: string,
  what: string,
  context: CompileContext,
  conditions: Condition[],
): number | undefined {
  const lost = conflictOf(interfaceClaims(interfaceName, context), context);
  const found = context.port(interfaceName);
  if (lost === undefined && found.kind === 'known') return found.port;
  const { reason, message } = lost ?? missingPort(interfaceName, portNotKnown(found));
  conditions.push(condition(reason, `${what}: ${message}`));
  return undefined;
}

function portNotKnown(found: ReturnType<CompileContext['port']>) {
  return found.kind === 'known' ? ({ kind: 'unknown' } as const) : found;
}
