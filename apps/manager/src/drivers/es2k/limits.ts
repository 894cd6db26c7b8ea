import { ES2K_BUCKETS } from '@infra-offload/p4src';
import { type Condition, condition } from '../../model/condition.js';
import type { DriverLimits } from '../driver.js';
import type { BoundProgram } from './program.js';

/** What the widths and sizes of a program allow. */
export interface Es2kLimits extends DriverLimits {
  /** Bits of an endpoint pointer that tell the slot; those above tell the service. */
  readonly slotBits: number;
  /** Largest port number. */
  readonly maxPort: number;
  /** Largest pointer to the MAC addresses of an interface. */
  readonly maxPodPointer: number;
}

/** Ids of services take two bytes at most where they are stored. */
const MAX_SERVICE_ID = 65_535;
/** Slots beyond those that take new flows are for endpoints that drain, and for pointers that rest. */
const SLOT_BITS = { min: 7, max: 10 };
const DEFAULT_TABLE_SIZE = 4096;

/** Works out the limits of a program. */
export function limitsOf({ tables, hasServices }: BoundProgram): Es2kLimits {
  const width = (fields: readonly (number | undefined)[]) =>
    Math.min(...fields.map((bits) => bits ?? 32), 32);
  const balance = tables.get('tx_balance');
  const destination = tables.get('write_dest_ip_table');
  const source = tables.get('write_source_ip_table');
  const forward = tables.get('ipv4_to_port_table_tx');
  const pointer = 'meta.common.mod_blob_ptr';
  const endpointBits = width([balance?.bits('ptr'), destination?.bits(pointer)]);
  const sourceBits = width([tables.get('rx_src_ip')?.bits('ptr'), source?.bits(pointer)]);
  const slotBits = Math.max(SLOT_BITS.min, Math.min(SLOT_BITS.max, endpointBits - 12));
  const ids = Math.min(
    MAX_SERVICE_ID,
    source?.size || DEFAULT_TABLE_SIZE,
    2 ** Math.max(0, endpointBits - slotBits) - 1,
    2 ** sourceBits - 1,
  );
  return {
    serviceIds: hasServices ? Math.max(1, ids) : 1,
    slots: 2 ** slotBits - 1,
    endpointsPerService: ES2K_BUCKETS,
    buckets: ES2K_BUCKETS,
    slotBits,
    maxPort:
      2 ** width([balance?.bits('p'), forward?.bits('p'), tables.get('ipv4_to_port_table_rx')?.bits('p')]) -
      1,
    maxPodPointer:
      2 ** width([forward?.bits('ptr'), tables.get('pod_gateway_mac_mod_table')?.bits(pointer)]) - 1,
  };
}

/**
 * The pointer to the MAC addresses of an interface. A port belongs to one interface, so that its number is as good as one from a
 * set of free ones, and the same after every restart. 0 is not used.
 */
export function podPointer(port: number): number {
  return port + 1;
}

/** The pointer to what becomes of packets to an endpoint. */
export function endpointPointer({ slotBits }: Es2kLimits, serviceId: number, slot: number): number {
  return serviceId * 2 ** slotBits + slot;
}

/** What a pointer of {@link endpointPointer} stands for. */
export function endpointOfPointer(
  { slotBits }: Es2kLimits,
  pointer: number,
): { readonly id: number; readonly slot: number } {
  return { id: Math.floor(pointer / 2 ** slotBits), slot: pointer % 2 ** slotBits };
}

/** Why an interface cannot be named in the program's fields, if it cannot. */
export function portProblem(limits: Es2kLimits, interfaceName: string, port: number): Condition | undefined {
  if (port <= limits.maxPort && podPointer(port) <= limits.maxPodPointer) return undefined;
  const most = Math.min(limits.maxPort, limits.maxPodPointer - 1);
  const message = `interface ${interfaceName} is port ${port}, but the fields of this program hold ports up to ${most}`;
  return condition('PortOutOfRange', message);
}
