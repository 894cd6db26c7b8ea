import { createHash } from 'node:crypto';
import type { ManagerReason } from '@infra-offload/infra-api';
import type { IPv4 } from '@infra-offload/net';
import { ES2K_RULES_PER_GROUP, Es2kDirection } from '@infra-offload/p4src';
import {
  type Direction,
  evaluateProfile,
  type PeerRange,
  type PolicyProfile,
  type PolicyRegions,
} from '@infra-offload/policy-compiler';
import { type Condition, condition } from '../../model/condition.js';
import type { PodObject } from '../../model/objects.js';
import type { CompiledProfile, PolicyDriver } from '../driver.js';
import type { KeyValue } from './contract.js';
import { groupId, type Profiles, policyBundle } from './policy-ids.js';
import { type Es2kRow, type Es2kRows, rowKey } from './rows.js';
import { type GroupKind, type RuleGroup, ruleGroup } from './rule-group.js';

const KINDS = ['tcp', 'udp', 'other'] as const;
const ALL_BITS = 0xffff_ffff;
/** A pair of the range checker that no port is in. */
const NO_PORTS = { first: 65_535, last: 0 } as const;

/** Network policy in the tables of the contract; see "Tables: policy" in p4src/es2k/README.md. */
export function es2kPolicy(rows: Es2kRows, limits: Profiles): PolicyDriver<Es2kRow> {
  if (!rows.bound.hasPolicy) return withoutPolicy(limits);
  return {
    limits,
    bundle: policyBundle,
    compile: (profile) => compilePolicy(rows, profile),
    isolation: (pod, profiles) => isolationRows(rows, pod, profiles),
  };
}

/** The rows that put a pod under profiles: one for TCP, one for UDP, one for the rest, in each direction. */
export function isolationRows(
  rows: Es2kRows,
  { ip }: PodObject,
  { ingress, egress }: { readonly [direction in Direction]: number | undefined },
): readonly Es2kRow[] {
  if (!rows.bound.hasPolicy) return [];
  const found: Es2kRow[] = [];
  if (ingress !== undefined) {
    const [tcp, udp, other] = references(ingress);
    found.push(
      rows.row('acl_pod_ip_proto_table_ingress', [ip, 6], 'set_range_check_ref_tcp_ingress', tcp),
      rows.row('acl_pod_ip_proto_table_ingress', [ip, 17], 'set_range_check_ref_udp_ingress', udp),
      rows.row('acl_pod_ip_table_ingress', [ip], 'set_status_match_ipset_only_ingress', other),
    );
  }
  if (egress !== undefined) {
    const [tcp, udp, other] = references(egress);
    found.push(
      rows.row('acl_pod_ip_proto_table_egress', [ip, 6], 'set_range_check_ref_tcp_egress', tcp),
      rows.row('acl_pod_ip_proto_table_egress', [ip, 17], 'set_range_check_ref_udp_egress', udp),
      rows.row('acl_pod_ip_table_egress', [ip], 'set_status_match_ipset_only_egress', other),
    );
  }
  return found;
}

function references(profile: number) {
  const both = (kind: GroupKind) => {
    const id = groupId(profile, kind);
    return { range_idx: id, ipset_idx: id };
  };
  return [both('tcp'), both('udp'), { ipset_idx: groupId(profile, 'other') }] as const;
}

/** Addresses, and the mask that they have whatever is around them. */
interface MaskedPrefix {
  readonly address: IPv4;
  readonly length: number;
  readonly mask: number;
  /** Those inside of it that have less: without them, it would let in too much. */
  readonly narrower: readonly MaskedPrefix[];
}

interface CompiledGroup {
  readonly group: RuleGroup;
  /** All but `addresses`. */
  readonly ranges: readonly MaskedPrefix[];
  /** Single ones that have all that is around them, and more. */
  readonly addresses: readonly MaskedPrefix[];
}

function compilePolicy(rows: Es2kRows, profile: PolicyProfile): CompiledProfile<Es2kRow> {
  const regions = evaluateProfile(profile);
  const needed = regionsOf(regions);
  const groups = KINDS.map((kind) => compileGroup(ruleGroup(kind, regions.space, needed), regions));
  const frame = hashOf(groups, ({ group, ranges }) => [profile.direction, group.ranges, plain(ranges)]);
  return {
    frame,
    content: hashOf(groups, ({ addresses }) => [frame, plain(addresses)]),
    rows: (id) => groups.flatMap((group) => groupRows(rows, profile.direction, id, group)),
    conditions: conditionsOf(regions, groups),
    classes: [],
  };
}

function plain(prefixes: readonly MaskedPrefix[]) {
  return prefixes.map(({ address, length, mask }) => [address, length, mask]);
}

function regionsOf({ everywhere, peers }: PolicyRegions) {
  const ranges = [everywhere];
  for (const { children } of ranges) ranges.push(...children);
  return [...new Set([...ranges.map(({ region }) => region), ...peers.map(({ region }) => region)])];
}

function compileGroup(group: RuleGroup, { everywhere, peers }: PolicyRegions): CompiledGroup {
  const ranges: MaskedPrefix[] = [];
  const addresses: MaskedPrefix[] = [];
  const exceptions = new Map<PeerRange, MaskedPrefix[]>();
  for (const { address, region, range } of peers) {
    const mask = group.mask(region);
    const around = group.mask(range.region);
    if (mask === around) continue;
    const prefix = { address, length: 32, mask, narrower: [] };
    if ((around & ~mask) === 0) addresses.push(prefix);
    else exceptions.set(range, [...(exceptions.get(range) ?? []), prefix]);
  }
  /** Adds a range and what is inside of it. Returns what there is of it that differs from what is around. */
  const add = (range: PeerRange, around: number): readonly MaskedPrefix[] => {
    const { address, length, region, children } = range;
    const mask = group.mask(region);
    const own = exceptions.get(range) ?? [];
    ranges.push(...own);
    const inside = [...own, ...children.flatMap((child) => add(child, mask))];
    if (mask === around) return inside;
    const narrower = inside.filter((prefix) => (mask & ~prefix.mask) !== 0);
    const prefix = { address, length, mask, narrower };
    ranges.push(prefix);
    return [prefix, ...inside];
  };
  add(everywhere, 0);
  return { group, ranges, addresses };
}

function groupRows(
  rows: Es2kRows,
  direction: Direction,
  profile: number,
  { group, ranges, addresses }: CompiledGroup,
): Es2kRow[] {
  const prefixes = [...ranges, ...addresses];
  // Nobody is in the set: the lookup of its root misses, and nothing agrees.
  if (prefixes.length === 0) return [];
  const id = groupId(profile, group.kind);
  const table = direction === 'ingress' ? 'acl_ipset_match_table_ingress' : 'acl_ipset_match_table_egress';
  const keys = ({ address, length }: MaskedPrefix) => [id, { value: address, prefixLength: length }] as const;
  const found = prefixes.map((prefix) => {
    const requires = prefix.narrower.map((inner) => rowKey(table, keys(inner)));
    return rows.row(table, keys(prefix), 'set_ipset_match_result', { mask: prefix.mask }, { requires });
  });
  const root = (code: number): readonly [KeyValue] => [{ value: id * 256 + code, mask: ALL_BITS }];
  const options = { priority: id };
  found.push(
    direction === 'ingress'
      ? rows.row(
          'acl_lpm_root_lut_ingress',
          root(Es2kDirection.receive),
          'acl_lpm_root_lut_ingress_action',
          { lpm_root: id },
          options,
        )
      : rows.row(
          'acl_lpm_root_lut_egress',
          root(Es2kDirection.transmit),
          'acl_lpm_root_lut_egress_action',
          { lpm_root: id },
          options,
        ),
  );
  if (group.kind === 'tcp')
    found.push(rows.row('tcp_dport_rc_table', [id], 'do_range_check_tcp', portPairs(group)));
  if (group.kind === 'udp')
    found.push(rows.row('udp_dport_rc_table', [id], 'do_range_check_udp', portPairs(group)));
  return found;
}

/** All pairs of the range checker; those without a rule hold no port. */
function portPairs({ ranges }: RuleGroup) {
  const at = (rule: number) => ranges[rule] ?? NO_PORTS;
  return {
    ...{ min0: at(0).first, max0: at(0).last, min1: at(1).first, max1: at(1).last },
    ...{ min2: at(2).first, max2: at(2).last, min3: at(3).first, max3: at(3).last },
    ...{ min4: at(4).first, max4: at(4).last, min5: at(5).first, max5: at(5).last },
    ...{ min6: at(6).first, max6: at(6).last, min7: at(7).first, max7: at(7).last },
  };
}

function hashOf(groups: readonly CompiledGroup[], parts: (group: CompiledGroup) => unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(groups.map(parts)))
    .digest('base64');
}

function conditionsOf(regions: PolicyRegions, groups: readonly CompiledGroup[]): readonly Condition[] {
  const conditions: Condition[] = [];
  const say = (kinds: readonly GroupKind[], reason: ManagerReason, message: string) => {
    const concerned = groups.filter(({ group }) => kinds.includes(group.kind));
    const policies = regions.policiesOf((region) =>
      concerned.reduce((lost, { group }) => lost | group.lost(region), 0n),
    );
    if (policies.length > 0)
      conditions.push(condition(reason, `${message}; it is allowed by ${policies.join(', ')}`));
  };
  say(
    ['tcp', 'udp'],
    'TooManyRuleClasses',
    `more than ${ES2K_RULES_PER_GROUP} ranges of ports for one protocol; what did not fit is denied`,
  );
  say(
    ['other'],
    'ProtocolsNotTold',
    'protocols other than TCP and UDP can only be allowed all together; rules for individual ones are denied',
  );
  conditions.push(STATELESS);
  return conditions;
}

const STATELESS = condition(
  'StatelessPolicy',
  'replies are judged like any other packet, except those of services: connections that a pod opens need rules in both directions',
);

/** For a package without policy tables: policies are reported, and not in force. */
function withoutPolicy(limits: Profiles): PolicyDriver<Es2kRow> {
  return {
    limits,
    bundle: policyBundle,
    compile: () => ({
      content: '',
      frame: '',
      rows: () => [],
      classes: [],
      conditions: [
        condition(
          'PolicyNotInPackage',
          'the pipeline package on the target has no policy tables: policies are not in force',
        ),
      ],
    }),
    isolation: () => [],
  };
}
