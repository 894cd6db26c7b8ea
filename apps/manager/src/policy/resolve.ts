import type { IPv4 } from '@infra-offload/net';
import type {
  AddressPort,
  Direction,
  PortMatch,
  ProfileRule,
  ProfileTier,
  ResolvedSet,
} from '@infra-offload/policy-compiler';
import type {
  AddressSetObject,
  PolicyObject,
  PolicyPort,
  PolicyRule,
  PolicyTier,
} from '../model/policy-objects.js';

/** Where names lead. */
export interface Names {
  policy(name: string): PolicyObject | undefined;
  set(name: string): AddressSetObject | undefined;
  /** Whether a set of this name was sent that made no sense, and there is no version before it. */
  isBroken(set: string): boolean;
}

/** Names that a list of tiers depends on. */
export interface Dependencies {
  readonly policies: ReadonlySet<string>;
  readonly sets: ReadonlySet<string>;
  /** Sets of ports that rules for arriving packets name: what they say depends on the pod. */
  readonly ownPortSets: readonly string[];
}

/** Everything that `tiers` name, directly and through their policies. */
export function dependenciesOf(
  direction: Direction,
  tiers: readonly PolicyTier[],
  names: Names,
): Dependencies {
  const policies = new Set<string>();
  const sets = new Set<string>();
  const ownPortSets = new Set<string>();
  for (const name of tiers.flatMap((tier) => tier.policies)) {
    if (policies.has(name)) continue;
    policies.add(name);
    for (const { peers, ports, notPorts } of names.policy(name)?.[direction] ?? []) {
      for (const { sets: named } of peers) for (const set of named) sets.add(set);
      for (const port of [...ports, ...notPorts]) {
        if (port.kind !== 'set') continue;
        sets.add(port.set);
        if (direction === 'ingress') ownPortSets.add(port.set);
      }
    }
  }
  return { policies, sets, ownPortSets: [...ownPortSets].sort() };
}

/**
 * Tiers with all names replaced by what they stand for. What cannot be known denies: a policy that is not there, a rule
 * that names a broken set.
 *
 * @param ownPorts the ports of the pod itself by the name of their set; see {@link portsOf}.
 */
export function resolveTiers(
  direction: Direction,
  tiers: readonly PolicyTier[],
  ownPorts: ReadonlyMap<string, readonly AddressPort[]>,
  names: Names,
): readonly ProfileTier[] {
  return tiers.map(({ policies, defaultAction }) => ({
    defaultAction,
    rules: policies.flatMap((name): readonly ProfileRule[] => {
      const policy = names.policy(name);
      if (policy === undefined) return [denyAll(name)];
      return policy[direction].flatMap((rule) => resolveRule(name, rule, direction, ownPorts, names));
    }),
  }));
}

/** The members of a set that are ports of one address. */
export function portsOf(set: ResolvedSet | undefined, address: IPv4): readonly AddressPort[] {
  const ports = set?.addressPorts ?? [];
  let low = 0;
  let high = ports.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((ports[middle]?.address ?? 0) < address) low = middle + 1;
    else high = middle;
  }
  let end = low;
  while (ports[end]?.address === address) end++;
  return ports.slice(low, end);
}

/** What a rule comes to: nothing if it can match no packet. */
export function resolveRule(
  policy: string,
  rule: PolicyRule,
  direction: Direction,
  ownPorts: ReadonlyMap<string, readonly AddressPort[]>,
  names: Names,
): readonly ProfileRule[] {
  if (namesBrokenSet(rule, names)) return [denyAll(policy)];
  const resolvePort = (port: PolicyPort): readonly PortMatch[] => {
    if (port.kind === 'range') return [port];
    if (direction === 'egress') return [{ kind: 'set', set: names.set(port.set) ?? NO_MEMBERS }];
    return (ownPorts.get(port.set) ?? []).map((own) => ({
      kind: 'range',
      protocol: own.protocol,
      ports: { first: own.port, last: own.port },
    }));
  };
  const ports = rule.ports.flatMap(resolvePort);
  // No port is left, which is not the same as every port.
  if (rule.ports.length > 0 && ports.length === 0) return [];
  return [
    {
      action: rule.action,
      policy,
      peers: rule.peers.map(({ negated, cidrs, sets }) => ({
        negated,
        cidrs,
        sets: sets.map((name) => names.set(name) ?? NO_MEMBERS),
      })),
      ports,
      notPorts: rule.notPorts.flatMap(resolvePort),
    },
  ];
}

function namesBrokenSet({ peers, ports, notPorts }: PolicyRule, names: Names): boolean {
  return (
    peers.some((peer) => peer.sets.some((set) => names.isBroken(set))) ||
    [...ports, ...notPorts].some((port) => port.kind === 'set' && names.isBroken(port.set))
  );
}

function denyAll(policy: string): ProfileRule {
  return { action: 'deny', policy, peers: [], ports: [], notPorts: [] };
}

/** For names that lead nowhere. One object, since identity tells equality. */
const NO_MEMBERS: ResolvedSet = { name: '', addresses: [], cidrs: [], addressPorts: [] };
