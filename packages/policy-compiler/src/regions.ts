import { type IPv4, type IPv4Prefix, ipv4, ipv4Prefix, prefixContains } from '@infra-offload/net';
import { PortSpace, type Region } from './port-space.js';
import type {
  PolicyAction,
  PolicyProfile,
  PortMatch,
  ProfilePeer,
  ProfileRule,
  ResolvedSet,
} from './profile.js';

/** What a profile allows, by address: the form that drivers make their tables from. */
export interface PolicyRegions {
  readonly space: PortSpace;
  /** 0.0.0.0/0. */
  readonly everywhere: PeerRange;
  /** Addresses that the profile names one by one, ascending. */
  readonly peers: readonly ExactPeer[];
  /**
   * Regions of which each other one is a union, whatever the members of the sets are; undefined if there are none but
   * the atoms.
   */
  readonly parts: readonly Region[] | undefined;
  /** Whether something is denied only because of {@link PortSpace.expressible}. */
  readonly portZeroDenied: boolean;
  /** Policies that allow some of `lost(region)` to an address that has `region`; ascending. */
  policiesOf(lost: (region: Region) => Region): readonly string[];
  /** For each part, the policies that allow some of it to some address; ascending. */
  policiesOfParts(parts: readonly Region[]): readonly (readonly string[])[];
}

/** A CIDR, without what is in `children` and what {@link PolicyRegions.peers} name. */
export interface PeerRange extends IPv4Prefix {
  readonly region: Region;
  /** Disjoint, ascending. */
  readonly children: readonly PeerRange[];
}

export interface ExactPeer {
  readonly address: IPv4;
  readonly region: Region;
  /** The smallest range around it. */
  readonly range: PeerRange;
}

/** Evaluates a profile for all addresses at once: those that are in the same sets and CIDRs share their verdict. */
export function evaluateProfile(profile: PolicyProfile): PolicyRegions {
  const evaluator = new Evaluator(profile);
  const { everywhere, ranges } = nest(evaluator);
  const innermost = rangeFinder(ranges);
  const peers: ExactPeer[] = [];
  for (const number of Uint32Array.from(evaluator.exact.keys()).sort()) {
    const address = ipv4(number);
    const range = innermost(address);
    const region = evaluator.region(range.sources | evaluator.members(address));
    peers.push({ address, region, range });
  }
  return {
    space: evaluator.space,
    everywhere,
    peers,
    parts: evaluator.parts(),
    portZeroDenied: evaluator.portZeroDenied,
    policiesOf: (lost) => evaluator.policiesOf(lost),
    policiesOfParts: (parts) => evaluator.policiesOfParts(parts),
  };
}

/** Set of sources, by bit: what an address is in. A source is something that names addresses. */
type Sources = bigint;

interface Rule {
  readonly action: PolicyAction;
  readonly policy: string;
  /** All of these: an address in any of `any`, or in none if `negated`. */
  readonly peers: readonly { readonly negated: boolean; readonly any: Sources }[];
  readonly ports: Ports;
  readonly notPorts: Ports;
}

interface Ports {
  readonly fixed: Region;
  /** What else there is for addresses in a source. */
  readonly by: readonly { readonly source: Sources; readonly region: Region }[];
}

class Evaluator {
  readonly space: PortSpace;
  /** Members by address: index into `#members`. */
  readonly exact = new Map<IPv4, number>();
  /** Sources by CIDR, which is address and length. */
  readonly ranges = new Map<string, { readonly cidr: IPv4Prefix; sources: Sources }>();
  portZeroDenied = false;
  readonly #profile: PolicyProfile;
  readonly #members: Sources[] = [0n];
  readonly #memberIndex = new Map<Sources, number>([[0n, 0]]);
  readonly #tiers: readonly { readonly rules: readonly Rule[]; readonly passes: boolean }[];
  readonly #always: Sources;
  readonly #regions = new Map<Sources, Region>();
  readonly #sets = new Map<ResolvedSet, Sources>();
  readonly #portSets = new Map<ResolvedSet, readonly PortSource[]>();
  #sources = 0;

  constructor(profile: PolicyProfile) {
    this.#profile = profile;
    this.space = new PortSpace(portLists(profile));
    this.#always = this.#source([], profile.alwaysAllowed);
    this.#tiers = profile.tiers.map(({ rules, defaultAction }) => ({
      rules: rules.map((rule) => this.#rule(rule)),
      passes: defaultAction === 'pass',
    }));
  }

  /** The sources that name an address by itself. */
  members(address: IPv4): Sources {
    return this.#members[this.exact.get(address) ?? 0] ?? 0n;
  }

  /** What an address in exactly these sources may do. */
  region(sources: Sources): Region {
    let region = this.#regions.get(sources);
    if (region === undefined) {
      const full = this.#evaluate(sources, () => undefined);
      region = this.space.expressible(full);
      // Less than the rules say, beyond what they deny themselves.
      if (region !== full) this.portZeroDenied = true;
      this.#regions.set(sources, region);
    }
    return region;
  }

  /** See {@link PolicyRegions.parts}. */
  parts(): readonly Region[] | undefined {
    const parts = new Set<Region>();
    if (this.#profile.alwaysAllowed.length > 0) parts.add(this.space.all);
    for (const { action, ports, notPorts } of this.#tiers.flatMap(({ rules }) => rules)) {
      if (action !== 'allow' || ports.by.length > 0 || notPorts.by.length > 0) return undefined;
      parts.add(this.space.expressible(ports.fixed & ~notPorts.fixed));
    }
    return [...parts];
  }

  policiesOf(lost: (region: Region) => Region): readonly string[] {
    const policies = new Set<string>();
    for (const [sources, region] of this.#regions) {
      const missing = lost(region);
      if (missing === 0n) continue;
      this.#evaluate(sources, (rule, allowed) => {
        if ((allowed & missing) !== 0n) policies.add(rule.policy);
      });
    }
    return [...policies].sort();
  }

  policiesOfParts(parts: readonly Region[]): readonly (readonly string[])[] {
    const policies = parts.map(() => new Set<string>());
    for (const sources of this.#regions.keys()) {
      this.#evaluate(sources, (rule, allowed) => {
        parts.forEach((part, i) => {
          if ((allowed & part) !== 0n) policies[i]?.add(rule.policy);
        });
      });
    }
    return policies.map((names) => [...names].sort());
  }

  #evaluate(sources: Sources, onAllow: (rule: Rule, allowed: Region) => void): Region {
    if ((sources & this.#always) !== 0n) return this.space.all;
    let allowed = 0n;
    let open = this.space.all;
    for (const { rules, passes } of this.#tiers) {
      let passed = 0n;
      for (const rule of rules) {
        if (open === 0n) break;
        if (!rule.peers.every(({ negated, any }) => ((sources & any) !== 0n) !== negated)) continue;
        const matched = open & portsFor(rule.ports, sources) & ~portsFor(rule.notPorts, sources);
        open &= ~matched;
        if (rule.action === 'pass') passed |= matched;
        if (rule.action === 'allow') {
          allowed |= matched;
          onAllow(rule, matched);
        }
      }
      open = passes ? open | passed : passed;
    }
    return allowed;
  }

  #rule({ action, policy, peers, ports, notPorts }: ProfileRule): Rule {
    return {
      action,
      policy,
      peers: peers.map((peer) => ({ negated: peer.negated, any: this.#peer(peer) })),
      ports: ports.length === 0 ? { fixed: this.space.all, by: [] } : this.#ports(ports),
      notPorts: this.#ports(notPorts),
    };
  }

  #peer({ cidrs, sets }: ProfilePeer): Sources {
    let any = cidrs.length === 0 ? 0n : this.#source(cidrs, []);
    for (const set of sets) {
      let source = this.#sets.get(set);
      if (source === undefined) {
        source = this.#source(set.cidrs, set.addresses);
        this.#sets.set(set, source);
      }
      any |= source;
    }
    return any;
  }

  #ports(list: readonly PortMatch[]): Ports {
    const by: { source: Sources; region: Region }[] = [];
    for (const match of list) {
      if (match.kind !== 'set') continue;
      let sources = this.#portSets.get(match.set);
      if (sources === undefined) {
        sources = portSources(match.set);
        this.#portSets.set(match.set, sources);
      }
      for (const { list: ports, addresses } of sources) {
        by.push({ source: this.#source([], addresses), region: this.space.region(ports) });
      }
    }
    return { fixed: this.space.region(list), by };
  }

  /** A new source of these addresses. */
  #source(cidrs: readonly IPv4Prefix[], addresses: readonly IPv4[]): Sources {
    const source = 1n << BigInt(this.#sources++);
    const add = this.#adder(source);
    for (const address of addresses) add(address);
    for (const cidr of cidrs) {
      if (cidr.length === 32) {
        add(cidr.address);
        continue;
      }
      const key = `${cidr.address}/${cidr.length}`;
      const range = this.ranges.get(key);
      if (range === undefined) this.ranges.set(key, { cidr, sources: source });
      else range.sources |= source;
    }
    return source;
  }

  /** Adds one source to many addresses. Few combinations of sources occur, so each is worked out once. */
  #adder(source: Sources): (address: IPv4) => void {
    const next: number[] = [];
    return (address) => {
      const before = this.exact.get(address) ?? 0;
      let after = next[before];
      if (after === undefined) {
        const members = (this.#members[before] ?? 0n) | source;
        after = this.#memberIndex.get(members);
        if (after === undefined) {
          after = this.#members.push(members) - 1;
          this.#memberIndex.set(members, after);
        }
        next[before] = after;
      }
      if (after !== before) this.exact.set(address, after);
    };
  }
}

function portsFor({ fixed, by }: Ports, sources: Sources): Region {
  let region = fixed;
  for (const { source, region: more } of by) if ((sources & source) !== 0n) region |= more;
  return region;
}

/** The addresses of a set that have one protocol and port in it. */
interface PortSource {
  readonly list: readonly PortMatch[];
  readonly addresses: IPv4[];
}

function portSources({ addressPorts }: ResolvedSet): readonly PortSource[] {
  const sources = new Map<number, PortSource>();
  for (const { address, protocol, port } of addressPorts) {
    const key = protocol * 65_536 + port;
    const source = sources.get(key);
    if (source !== undefined) source.addresses.push(address);
    else {
      const list = [{ kind: 'range' as const, protocol, ports: { first: port, last: port } }];
      sources.set(key, { list, addresses: [address] });
    }
  }
  return [...sources.values()];
}

function* portLists({ tiers }: PolicyProfile): Iterable<readonly PortMatch[]> {
  for (const { rules } of tiers) {
    for (const list of rules.flatMap(({ ports, notPorts }) => [ports, notPorts])) {
      yield list;
      for (const match of list) {
        if (match.kind === 'set') for (const source of portSources(match.set)) yield source.list;
      }
    }
  }
}

interface BuiltRange extends PeerRange {
  readonly sources: Sources;
  readonly children: BuiltRange[];
}

/** Ranges inside of one another; what is around a range is in its sources, too. */
function nest(evaluator: Evaluator): { everywhere: BuiltRange; ranges: readonly BuiltRange[] } {
  const range = ({ address, length }: IPv4Prefix, sources: Sources): BuiltRange => {
    return { address, length, sources, region: evaluator.region(sources), children: [] };
  };
  const named = [...evaluator.ranges.values()].sort(
    (a, b) => a.cidr.address - b.cidr.address || a.cidr.length - b.cidr.length,
  );
  const root = named[0]?.cidr.length === 0 ? named.shift() : undefined;
  const everywhere = range(ipv4Prefix(ipv4(0), 0), root?.sources ?? 0n);
  const ranges = [everywhere];
  const around = [everywhere];
  for (const { cidr, sources } of named) {
    while (!prefixContains(around.at(-1) ?? everywhere, cidr.address)) around.pop();
    const parent = around.at(-1) ?? everywhere;
    const child = range(cidr, parent.sources | sources);
    parent.children.push(child);
    ranges.push(child);
    around.push(child);
  }
  return { everywhere, ranges };
}

/** Finds the smallest range around addresses, which are to come in ascending order. */
function rangeFinder(ranges: readonly BuiltRange[]): (address: IPv4) => BuiltRange {
  const [everywhere, ...rest] = ranges;
  if (everywhere === undefined) throw new Error('there is always a range around everything');
  const around = [everywhere];
  let next = 0;
  return (address) => {
    for (let range = rest[next]; range !== undefined && range.address <= address; range = rest[++next]) {
      while (!prefixContains(around.at(-1) ?? everywhere, range.address)) around.pop();
      around.push(range);
    }
    while (!prefixContains(around.at(-1) ?? everywhere, address)) around.pop();
    return around.at(-1) ?? everywhere;
  };
}
