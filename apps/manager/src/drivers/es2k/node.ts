import { formatPrefix, type IPv4, POD_GATEWAY } from '@infra-offload/net';
import { type Condition, condition } from '../../model/condition.js';
import type { HostInterface, NodeObject } from '../../model/objects.js';
import { addressClaim, conflictOf, interfaceClaims, NODE_CLAIM, unsupportedAddresses } from '../common.js';
import type { Claim, CompileContext, Compiled } from '../driver.js';
import { arpRow, type Es2kContext, interfaceRows, portOf, refused } from './interface.js';
import type { Es2kRow } from './rows.js';

/** A node's rows: those of its own interface, for each of its addresses, and the way to who answers ARP for the gateway. */
export function compileNode(es2k: Es2kContext, node: NodeObject, context: CompileContext): Compiled<Es2kRow> {
  const conflict = conflictOf([NODE_CLAIM], context);
  if (conflict !== undefined) return refused(conflict);
  const rows: Es2kRow[] = [];
  const conditions: Condition[] = [];
  const use = (interfaceName: string, then: (port: number) => void) => {
    const conflict = conflictOf(interfaceClaims(interfaceName, context), context);
    const found = conflict === undefined ? portOf(es2k, interfaceName, context) : { problem: conflict };
    if ('problem' in found) conditions.push(found.problem);
    else then(found.port);
  };
  const { host } = node;
  if (host !== undefined)
    use(host.interfaceName, (port) => compileHost(es2k, host, port, context, rows, conditions));
  const proxy = es2k.arpProxyInterface ?? host?.interfaceName;
  if (proxy !== undefined) use(proxy, (port) => rows.push(arpRow(es2k.rows, POD_GATEWAY, port)));
  if (node.routes.length > 0 || node.uplinkInterface !== undefined) conditions.push(noRoutes(node));
  if (node.unsupportedAddresses.length > 0) conditions.push(unsupportedAddresses(node.unsupportedAddresses));
  return { rows, conditions };
}

/** The node's part of a target is one node's; so are its addresses and interfaces. */
export function nodeClaims(es2k: Es2kContext, node: NodeObject, context: CompileContext): readonly Claim[] {
  return [
    NODE_CLAIM,
    ...(node.host === undefined ? [] : hostAddresses(node.host).map(addressClaim)),
    ...nodeInterfaces(es2k, node).flatMap((name) => interfaceClaims(name, context)),
  ];
}

/** Interfaces that a node needs, each once. */
export function nodeInterfaces({ arpProxyInterface }: Es2kContext, { host }: NodeObject): readonly string[] {
  const names = [host?.interfaceName, arpProxyInterface].filter((name) => name !== undefined);
  return [...new Set(names)];
}

function compileHost(
  es2k: Es2kContext,
  host: HostInterface,
  port: number,
  context: CompileContext,
  rows: Es2kRow[],
  conditions: Condition[],
): void {
  for (const ip of hostAddresses(host)) {
    const lost = conflictOf([addressClaim(ip)], context);
    if (lost === undefined) rows.push(...interfaceRows(es2k, { ip, mac: host.mac }, port));
    else conditions.push(lost);
  }
}

/** The gateway's address is on every node, and belongs to the ARP proxy here. */
function hostAddresses(host: HostInterface): readonly IPv4[] {
  return host.addresses.filter((address) => address !== POD_GATEWAY);
}

function noRoutes({ routes, uplinkInterface }: NodeObject): Condition {
  const left = [
    ...(uplinkInterface === undefined ? [] : [`uplink ${uplinkInterface}`]),
    ...routes.map(({ cidr }) => `route ${formatPrefix(cidr)}`),
  ];
  const more = left.length > 5 ? ` and ${left.length - 5} more` : '';
  const message = `the pipeline knows the pods of this node only, left out: ${left.slice(0, 5).join(', ')}${more}`;
  return condition('RouteNotSupported', message);
}
