import type { KeyValue, TableName } from './contract.js';
import type { BoundProgram } from './program.js';
import type { GroupKind } from './rule-group.js';

/** How many profiles there may be. */
export interface Profiles {
  readonly ids: number;
}

/** Upstream shifts ids in a byte, and no more is published of the chip. */
const MAX_GROUP_ID = 255;
const KINDS: Record<GroupKind, number> = { tcp: 2, udp: 1, other: 0 };
const GROUPS = 3;

/** A profile has three rule groups. */
export function profileLimit({ tables }: BoundProgram): Profiles {
  const bits = tables.get('tcp_dport_rc_table')?.bits('meta.common.range_idx') ?? 8;
  return { ids: Math.floor(Math.min(MAX_GROUP_ID, 2 ** bits - 1) / GROUPS) };
}

/** Range id, set id and prefix root of a rule group, all in one: 1 to 255. */
export function groupId(profile: number, kind: GroupKind): number {
  return profile * GROUPS - KINDS[kind];
}

/** Key of the rows of a profile as a whole. */
export function policyBundle(profile: number): string {
  return `profile/${profile}`;
}

/** The profile that a row is part of. */
export function bundleOf(table: TableName, [first]: readonly KeyValue[]): string | undefined {
  switch (table) {
    case 'tcp_dport_rc_table':
    case 'udp_dport_rc_table':
    case 'acl_ipset_match_table_egress':
    case 'acl_ipset_match_table_ingress':
      return bundleOfGroup(typeof first === 'number' ? first : 0);
    case 'acl_lpm_root_lut_egress':
    case 'acl_lpm_root_lut_ingress':
      return bundleOfGroup(typeof first === 'object' ? Math.floor(first.value / 256) : 0);
    default:
      return undefined;
  }
}

/** The profile that a row puts a pod under. The last parameter of all such rows is the set. */
export function bundleNamedBy(table: TableName, params: readonly number[]): string | undefined {
  switch (table) {
    case 'acl_pod_ip_proto_table_egress':
    case 'acl_pod_ip_proto_table_ingress':
    case 'acl_pod_ip_table_egress':
    case 'acl_pod_ip_table_ingress': {
      const group = params.at(-1);
      return group === undefined ? undefined : bundleOfGroup(group);
    }
    default:
      return undefined;
  }
}

function bundleOfGroup(group: number): string {
  return policyBundle(Math.ceil(group / GROUPS));
}
