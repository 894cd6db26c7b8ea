import type { Mac } from '@infra-offload/net';
import type { PodObject } from '../../model/objects.js';
import { conflictOf, missingPort, podClaims } from '../common.js';
import type { CompileContext, Compiled } from '../driver.js';
import { isolationRows } from './policy.js';
import { type DpdkRow, dpdkRows } from './rows.js';

/**
 * A pod's rows: its port (which also pins its source address), the way to it, and the answer to ARP requests for it.
 * A pod that lacks its address or interface gets none, so that it cannot send under another pod's name either.
 */
export function compilePod(pod: PodObject, context: CompileContext, gatewayMac: Mac): Compiled<DpdkRow> {
  const conflict = conflictOf(podClaims(pod, context), context);
  if (conflict !== undefined) return { rows: [], conditions: [conflict] };
  const found = context.port(pod.interfaceName);
  if (found.kind !== 'known') return { rows: [], conditions: [missingPort(pod.interfaceName, found)] };
  const { port } = found;
  const { since } = context;
  const requires = isolationRows(pod, context.profiles(pod)).map(dpdkRows.key);
  return {
    rows: [
      { table: 'port_table', port, role: 'pod', podIp: pod.ip, since, requires },
      { table: 'pod_forward', ip: pod.ip, port, dstMac: pod.mac, srcMac: gatewayMac, since, requires },
      // Whoever asks for a pod talks to the gateway: the pipeline routes, it does not bridge.
      { table: 'arp_table', ip: pod.ip, mac: gatewayMac },
    ],
    conditions: [],
  };
}
