import type { IPv4, Mac } from '@infra-offload/net';
import type { Condition } from '../../model/condition.js';
import { missingPort } from '../common.js';
import type { CompileContext, Compiled } from '../driver.js';
import { type Es2kLimits, podPointer, portProblem } from './limits.js';
import { type Es2kRow, type Es2kRows, rowKey } from './rows.js';

/** What a driver knows when it compiles. */
export interface Es2kContext {
  readonly rows: Es2kRows;
  readonly limits: Es2kLimits;
  /** Source MAC of what reaches pods: that of the ARP proxy. */
  readonly gatewayMac: Mac;
  /** Who answers ARP for the pods' gateway; the node's own interface if undefined. */
  readonly arpProxyInterface: string | undefined;
}

/** An interface at an address: a pod's, or the node's own, which the pipeline treats alike. */
export interface AddressedInterface {
  readonly interfaceName: string;
  readonly mac: Mac;
  readonly ip: IPv4;
}

/** The port of an interface, if the program can name it; else why not. */
export function portOf(
  { limits }: Es2kContext,
  interfaceName: string,
  context: CompileContext,
): { readonly port: number } | { readonly problem: Condition } {
  const found = context.port(interfaceName);
  if (found.kind !== 'known') return { problem: missingPort(interfaceName, found) };
  const problem = portProblem(limits, interfaceName, found.port);
  return problem === undefined ? { port: found.port } : { problem };
}

/**
 * The rows of an interface: the way to it for ARP, for TCP and for the rest, for replies of services, and its confirmation on
 * the receiving side.
 *
 * @param isolation rows that judge its packets: nothing gets there before them.
 */
export function interfaceRows(
  { rows, gatewayMac }: Es2kContext,
  { mac, ip }: Omit<AddressedInterface, 'interfaceName'>,
  port: number,
  isolation: readonly string[] = [],
): readonly Es2kRow[] {
  const ptr = podPointer(port);
  const to = { p: port, ptr };
  const after = { requires: [rowKey('ipv4_to_port_table_rx', [ip])] };
  return [
    rows.row('pod_gateway_mac_mod_table', [ptr], 'update_src_dst_mac', { smac: gatewayMac, dmac: mac }),
    rows.row('ipv4_to_port_table_rx', [ip], 'set_dest_vport', { p: port }, { requires: isolation }),
    rows.row('ipv4_to_port_table_tx', [ip], 'set_dest_mac_vport', to, after),
    ...(rows.bound.hasServices
      ? [
          rows.row('ipv4_to_port_table_tx_tcp', [ip], 'set_dest_mac_vport', to, after),
          rows.row('ipv4_to_port_table_tx_service', [ip], 'set_dest_mac_vport', to, after),
        ]
      : []),
    arpRow(rows, ip, port),
  ];
}

/** ARP requests for an address go to a port. */
export function arpRow(rows: Es2kRows, ip: IPv4, port: number): Es2kRow {
  return rows.row('arp_to_port_table', [ip], 'set_dest_vport', { p: port });
}

/** Nothing of an object is served. */
export function refused(condition: Condition): Compiled<Es2kRow> {
  return { rows: [], conditions: [condition] };
}
