import { ES2K_RULES_PER_GROUP, Es2kAclStatus, Es2kDirection } from '@infra-offload/p4src';
import type { ActionName } from './contract.js';
import type { Es2kRow, Es2kRows } from './rows.js';

const ALL_BITS = 0xff;

/** What is there before any object: the meaning of TCP flags, and of what policies say. */
export function baseRows(rows: Es2kRows): readonly Es2kRow[] {
  return [
    ...(rows.bound.hasServices ? flagRows(rows) : []),
    ...(rows.bound.hasPolicy ? verdictRows(rows) : []),
  ];
}

/** All 16 combinations of four flags. Without them, no TCP connection to a service can begin. */
function flagRows(rows: Es2kRows): Es2kRow[] {
  return Array.from({ length: 16 }, (_, flags) => {
    const [ack, rst, syn, fin] = [(flags >> 3) & 1, (flags >> 2) & 1, (flags >> 1) & 1, flags & 1] as const;
    const action: ActionName<'service_flow_packet_options'> =
      fin + rst > 0 ? 'tcp_fin_or_rst_packet' : syn > ack ? 'tcp_syn_packet' : 'tcp_other_packets';
    const match = [Es2kDirection.transmit, ack, rst, syn, fin] as const;
    return rows.row('service_flow_packet_options', match, action, {});
  });
}

/**
 * What the results of port ranges and address sets add up to. Upstream writes a 13th row, which equals the last one but for
 * its priority and can never decide: it is left out, since some targets take one of the two for the other.
 */
function verdictRows(rows: Es2kRows): Es2kRow[] {
  const none = { value: 0, mask: ALL_BITS };
  const { none: open, denyAll, rangeAndSet, setOnly } = Es2kAclStatus;
  const verdict = (
    status: number,
    range: { readonly value: number; readonly mask: number },
    set: { readonly value: number; readonly mask: number },
    action: 'allow' | 'deny',
    priority: number,
  ) => rows.row('check_acl_result', [status, range, set], action, {}, { priority });
  const agreements = Array.from({ length: ES2K_RULES_PER_GROUP }, (_, rule) => {
    const bit = { value: 1 << rule, mask: 1 << rule };
    return verdict(rangeAndSet, bit, bit, 'allow', 2);
  });
  return [
    verdict(open, none, none, 'allow', 2),
    verdict(denyAll, none, none, 'deny', 2),
    ...agreements,
    verdict(rangeAndSet, none, none, 'deny', 1),
    verdict(setOnly, none, none, 'deny', 2),
  ];
}
