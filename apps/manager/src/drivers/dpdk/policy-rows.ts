import type { IPv4 } from '@infra-offload/net';
import type { RowKey } from '../../reconciler/model.js';
import type { DpdkRow } from './rows.js';

/** New flows from a pod (egress) or to it (ingress) need the consent of policy `id`. */
export interface IsolationRow {
  readonly table: 'policy_egress' | 'policy_ingress';
  readonly podIp: IPv4;
  /** 1 to 65535, and so below. */
  readonly id: number;
}

/** The classes of policy `id` that agree to one peer, beside those of {@link PolicyCidrRow}. */
export interface PolicyPeerRow {
  readonly table: 'policy_peer';
  readonly id: number;
  readonly ip: IPv4;
  /** 64 bits. */
  readonly mask: bigint;
}

/** The classes that agree to a range of peers. Only the longest prefix answers. */
export interface PolicyCidrRow {
  readonly table: 'policy_cidr';
  readonly id: number;
  readonly address: IPv4;
  readonly length: number;
  readonly mask: bigint;
  /** Keys of the rows inside that agree to less; without them this one would agree to too much. */
  readonly requires: readonly RowKey[];
}

/** The classes that agree to a prefix of ports. Only the longest prefix answers. */
export interface PolicyPortRow {
  readonly table: 'policy_port';
  readonly id: number;
  /** Undefined: every protocol, and then `length` is 0. */
  readonly protocol: number | undefined;
  /** Bits after `length` are zero. */
  readonly port: number;
  /** 0 to 16; 0: every port, also of protocols that have none. */
  readonly length: number;
  readonly mask: bigint;
  /** As for {@link PolicyCidrRow}. */
  readonly requires: readonly RowKey[];
}

export type PolicyRow = IsolationRow | PolicyPeerRow | PolicyCidrRow | PolicyPortRow;

/** Numbers above those of endpoints, since this may be the table with the most rows. */
export function policyPeerKey(id: number, ip: IPv4): RowKey {
  return (id + 1) * 2 ** 32 + ip;
}

export function policyCidrKey(id: number, address: IPv4, length: number): RowKey {
  return `policy_cidr/${id}/${address}/${length}`;
}

export function policyPortKey(
  id: number,
  protocol: number | undefined,
  port: number,
  length: number,
): RowKey {
  return `policy_port/${id}/${protocol ?? 'any'}/${port}/${length}`;
}

/** The bundle of all rows of one policy; see `RowModel`. */
export function policyBundle(id: number): RowKey {
  return `policy/${id}`;
}

/** The bundle that a row is part of. */
export function bundleOf(row: DpdkRow): RowKey | undefined {
  switch (row.table) {
    case 'policy_peer':
    case 'policy_cidr':
    case 'policy_port':
      return policyBundle(row.id);
    default:
      return undefined;
  }
}

/** The bundle that a row names. */
export function bundleNamedBy(row: DpdkRow): RowKey | undefined {
  return row.table === 'policy_egress' || row.table === 'policy_ingress' ? policyBundle(row.id) : undefined;
}

/** See `dpdkRows`. */
export function policyRowKey(row: PolicyRow): RowKey {
  switch (row.table) {
    case 'policy_egress':
    case 'policy_ingress':
      return `${row.table}/${row.podIp}`;
    case 'policy_peer':
      return policyPeerKey(row.id, row.ip);
    case 'policy_cidr':
      return policyCidrKey(row.id, row.address, row.length);
    case 'policy_port':
      return policyPortKey(row.id, row.protocol, row.port, row.length);
  }
}

/** Whether two rows say the same. */
export function samePolicy(a: PolicyRow, b: DpdkRow): boolean {
  switch (a.table) {
    case 'policy_egress':
    case 'policy_ingress':
      return a.table === b.table && a.podIp === b.podIp && a.id === b.id;
    case 'policy_peer':
      return b.table === a.table && a.id === b.id && a.ip === b.ip && a.mask === b.mask;
    case 'policy_cidr':
      return (
        b.table === a.table &&
        a.id === b.id &&
        a.address === b.address &&
        a.length === b.length &&
        a.mask === b.mask
      );
    case 'policy_port':
      return (
        b.table === a.table &&
        a.id === b.id &&
        a.protocol === b.protocol &&
        a.port === b.port &&
        a.length === b.length &&
        a.mask === b.mask
      );
  }
}
