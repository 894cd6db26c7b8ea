import { PROTOCOL_NUMBERS } from '@infra-offload/net';
import { ES2K_RULES_PER_GROUP } from '@infra-offload/p4src';
import type { PortSpace, Region } from '@infra-offload/policy-compiler';

/** What a rule group judges: TCP, UDP, or whatever else. */
export type GroupKind = 'tcp' | 'udp' | 'other';

const PROTOCOLS = { tcp: PROTOCOL_NUMBERS.TCP, udp: PROTOCOL_NUMBERS.UDP } as const;
const MAX_PORT = 65_535;

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** The rules of one profile for one kind of protocol. Rule k, bit k of every mask, is one range of ports. */
export interface RuleGroup {
  readonly kind: GroupKind;
  /** Of protocols without ports, all. */
  readonly ranges: readonly PortRange[];
  /** The rules that an address with this region has. */
  mask(region: Region): number;
  /** What of `region`, as far as it is of this kind, no rule stands for. */
  lost(region: Region): Region;
}

/**
 * Chooses at most 8 rules such that each of `regions` is the union of some, or what comes near: where 8 do not suffice,
 * those that are left out are denied.
 */
export function ruleGroup(kind: GroupKind, space: PortSpace, regions: readonly Region[]): RuleGroup {
  return kind === 'other' ? otherGroup(space) : portedGroup(kind, space, regions);
}

function portedGroup(kind: 'tcp' | 'udp', space: PortSpace, regions: readonly Region[]): RuleGroup {
  const named = space.atoms.flat().some(({ protocol }) => protocol === PROTOCOLS[kind]);
  const rangesOf = (region: Region): readonly PortRange[] =>
    space
      .pieces(region)
      .filter(({ protocol }) => protocol === (named ? PROTOCOLS[kind] : undefined))
      .map(({ first, last }) => (named ? { first, last } : { first: 0, last: MAX_PORT }));
  const wanted = regions.map(rangesOf);
  const whole = distinct(wanted.flat());
  const split = atoms(whole);
  const ranges = (whole.length <= split.length || whole.length <= ES2K_RULES_PER_GROUP ? whole : split)
    // The ones that most addresses have, if some are to be left out.
    .map((range) => ({
      range,
      users: wanted.filter((list) => list.some((one) => contains(one, range))).length,
    }))
    .sort((a, b) => b.users - a.users || a.range.first - b.range.first)
    .slice(0, ES2K_RULES_PER_GROUP)
    .map(({ range }) => range)
    .sort((a, b) => a.first - b.first || a.last - b.last);
  const held = (region: Region) => {
    const allowed = rangesOf(region);
    return ranges.map((range) => allowed.some((one) => contains(one, range)));
  };
  return {
    kind,
    ranges,
    mask: memo((region) => held(region).reduce((mask, has, rule) => mask | (has ? 1 << rule : 0), 0)),
    lost: memo((region) => {
      const kept = ranges.filter((_, rule) => held(region)[rule]);
      return atomsOf(space, region, (atom) => rangesOf(atom).some((range) => !covered(range, kept)));
    }),
  };
}

/** Other protocols are allowed all alike, or not at all. */
function otherGroup(space: PortSpace): RuleGroup {
  const isOther = ({ protocol }: { readonly protocol: number | undefined }) =>
    protocol !== PROTOCOLS.tcp && protocol !== PROTOCOLS.udp;
  const all = atomsOf(space, space.all, (atom) => space.pieces(atom).some(isOther));
  return {
    kind: 'other',
    ranges: [],
    mask: (region) => Number((region & all) === all),
    lost: (region) => ((region & all) === all ? 0n : region & all),
  };
}

/** The atoms of a region that are as `wanted` says. */
function atomsOf(space: PortSpace, region: Region, wanted: (atom: Region) => boolean): Region {
  let found = 0n;
  space.atoms.forEach((_, i) => {
    const atom = 1n << BigInt(i);
    if ((region & atom) !== 0n && wanted(atom)) found |= atom;
  });
  return found;
}

function distinct(ranges: readonly PortRange[]): readonly PortRange[] {
  return [...new Map(ranges.map((range) => [`${range.first}-${range.last}`, range])).values()];
}

/** Disjoint ranges that none of `ranges` divides. */
function atoms(ranges: readonly PortRange[]): readonly PortRange[] {
  const starts = [...new Set(ranges.flatMap(({ first, last }) => [first, last + 1]))].sort((a, b) => a - b);
  return starts
    .map((first, i) => ({ first, last: (starts[i + 1] ?? first) - 1 }))
    .filter((range) => ranges.some((one) => contains(one, range)) && range.last >= range.first);
}

function contains(outer: PortRange, inner: PortRange): boolean {
  return outer.first <= inner.first && inner.last <= outer.last;
}

function covered({ first, last }: PortRange, by: readonly PortRange[]): boolean {
  let next = first;
  for (const range of [...by].sort((a, b) => a.first - b.first)) {
    if (range.first <= next && range.last >= next) next = range.last + 1;
  }
  return next > last;
}

function memo<T>(compute: (region: Region) => T): (region: Region) => T {
  const known = new Map<Region, T>();
  return (region) => {
    let value = known.get(region);
    if (value === undefined) {
      value = compute(region);
      known.set(region, value);
    }
    return value;
  };
}
