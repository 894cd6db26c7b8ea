import { k8sDp } from '@infra-offload/p4src';
import type { Trace, TraceStep } from '@infra-offload/swx';
import type { FlowTuple } from '../../flow-table.js';
import { decodePacket } from '../../packet.js';

/** What has become of a packet. */
export type Outcome =
  | { readonly kind: 'sent'; readonly port: number; readonly tuple: FlowTuple }
  /** `reason` is one of `DropReason`. */
  | { readonly kind: 'dropped'; readonly reason: number }
  | { readonly kind: 'rejected'; readonly reason: number; readonly answer: string };

const { drop_counter: drops, reject_counter: rejects } = k8sDp.counters;
/** Types and codes of ICMP, as one number. */
const ICMP_ERRORS: ReadonlyMap<number, string> = new Map([
  [0x0301, 'an ICMP error (host unreachable)'],
  [0x0303, 'an ICMP error (port unreachable)'],
  [0x0b00, 'an ICMP error (time exceeded)'],
]);

export function outcomeOf({ steps }: Trace): Outcome {
  const dropped = countedAs(steps, drops.name);
  if (dropped !== undefined) return { kind: 'dropped', reason: dropped };
  const sent = steps.find((step) => step.kind === 'transmit');
  if (sent === undefined) return { kind: 'dropped', reason: 0 };
  const { icmpType, ...tuple } = decodePacket(sent.packet);
  const reason = countedAs(steps, rejects.name);
  if (reason === undefined) return { kind: 'sent', port: sent.port, tuple };
  const answer = icmpType === undefined ? 'a TCP reset' : (ICMP_ERRORS.get(icmpType) ?? 'an ICMP error');
  return { kind: 'rejected', reason, answer };
}

/** The index of the cell of a counter that a packet has been counted in. */
function countedAs(steps: readonly TraceStep[], counter: string): number | undefined {
  for (const step of steps) {
    if (step.kind !== 'instruction' || !step.text.startsWith(`regadd ${counter}_0 `)) continue;
    return Number(step.operands[0]?.value ?? 0);
  }
  return undefined;
}
