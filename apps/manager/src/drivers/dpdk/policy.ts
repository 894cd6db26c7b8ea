import { createHash } from 'node:crypto';
import { type IPv4, ipv4, protocolName } from '@infra-offload/net';
import { POLICY_CLASSES } from '@infra-offload/p4src';
import {
  type Direction,
  type ExactPeer,
  evaluateProfile,
  type PeerRange,
  type PolicyProfile,
  type PolicyRegions,
  type PortSpace,
  type Region,
} from '@infra-offload/policy-compiler';
import { type Condition, condition } from '../../model/condition.js';
import type { PodObject } from '../../model/objects.js';
import type { CompiledProfile, PolicyDriver, RuleClass } from '../driver.js';
import { type ClassPlan, planClasses } from './policy-classes.js';
import { fewestPrefixes, narrowing, type Prefix, type Step } from './policy-prefixes.js';
import type { DpdkRow } from './rows.js';
import { type PolicyRow, policyBundle, policyCidrKey, policyPortKey } from './tables/policies.js';

/** Policy ids have 16 bits; 0 is left out. */
const MAX_POLICY_ID = 65_535;

const MAX_PORT = 65_535;
/** Ranges of ports that are spelled out. */
const SHOWN_PORTS = 8;

const DIRECTIONS = [
  ['policy_ingress', 'ingress'],
  ['policy_egress', 'egress'],
] as const;

/** Network policy in the tables of the `k8s_dp` pipeline; see "Policy" in p4src/dpdk/README.md. */
export const dpdkPolicy: PolicyDriver<DpdkRow> = {
  limits: { ids: MAX_POLICY_ID },
  bundle: policyBundle,
  compile: compilePolicy,
  isolation: isolationRows,
};

/** The rows that put a pod under policies. */
export function isolationRows(
  pod: PodObject,
  profiles: { readonly [direction in Direction]: number | undefined },
): readonly PolicyRow[] {
  const rows: PolicyRow[] = [];
  for (const [table, direction] of DIRECTIONS) {
    const id = profiles[direction];
    if (id !== undefined) rows.push({ table, podIp: pod.ip, id });
  }
  return rows;
}

/** What the tables hold for one policy id. */
interface Tables {
  readonly peers: readonly { readonly address: IPv4; readonly mask: bigint }[];
  /** Outermost prefixes of addresses. */
  readonly cidrs: readonly Prefix[];
  readonly ports: Ports;
}

interface Ports {
  /** For protocols that `byProtocol` does not have, and in these for ports that no prefix has. */
  readonly any: bigint;
  /** Outermost prefixes of ports. */
  readonly byProtocol: ReadonlyMap<number, readonly Prefix[]>;
}

/** Turns a profile into rows; see {@link PolicyDriver.compile}. */
export function compilePolicy(profile: PolicyProfile): CompiledProfile<PolicyRow> {
  const regions = evaluateProfile(profile);
  const plan = planClasses(regions);
  const { cidrs, peers } = peerTables(regions, plan);
  const tables: Tables = { peers, cidrs, ports: portTable(regions.space, plan) };
  const frame = frameOf(tables);
  return {
    frame,
    content: contentOf(profile.direction, frame, peers),
    classes: classesOf(regions, plan),
    rows: (id) => rowsOf(id, tables),
    conditions: conditionsOf(regions, plan),
  };
}

/**
 * Addresses that are named one by one. What the range around one may send, it may send as well, since both tables are
 * asked; so one that may send less needs a range of its own.
 */
function peerTables({ everywhere, peers: named }: PolicyRegions, plan: ClassPlan): Omit<Tables, 'ports'> {
  const exceptions = new Map<PeerRange, Prefix[]>();
  const peers: { address: IPv4; mask: bigint }[] = [];
  for (const peer of named) {
    const mask = plan.mask(peer.region);
    const around = plan.mask(peer.range.region);
    if (mask === around) continue;
    if ((around & ~mask) === 0n) peers.push({ address: peer.address, mask });
    else addException(exceptions, peer, mask);
  }
  return { peers, cidrs: cidrPrefixes(everywhere, 0n, plan, exceptions) };
}

function addException(exceptions: Map<PeerRange, Prefix[]>, peer: ExactPeer, mask: bigint): void {
  const exception = { bits: peer.address, length: 32, mask, children: [] };
  const others = exceptions.get(peer.range);
  if (others === undefined) exceptions.set(peer.range, [exception]);
  else others.push(exception);
}

function cidrPrefixes(
  range: PeerRange,
  around: bigint,
  plan: ClassPlan,
  exceptions: ReadonlyMap<PeerRange, readonly Prefix[]>,
): readonly Prefix[] {
  const mask = plan.mask(range.region);
  const children: Prefix[] = [];
  for (const child of range.children) {
    for (const prefix of cidrPrefixes(child, mask, plan, exceptions)) children.push(prefix);
  }
  for (const prefix of exceptions.get(range) ?? []) children.push(prefix);
  return mask === around ? children : [{ bits: range.address, length: range.length, mask, children }];
}

function portTable(space: PortSpace, plan: ClassPlan): Ports {
  let any = 0n;
  /** Classes that begin or end at a port, by protocol. */
  const turns = new Map<number, Map<number, bigint>>();
  for (const { protocol } of space.atoms.flat()) {
    if (protocol !== undefined) turns.set(protocol, new Map([[0, 0n]]));
  }
  plan.regions.forEach((region, i) => {
    const bit = 1n << BigInt(i);
    for (const { protocol, first, last } of space.pieces(region)) {
      if (protocol === undefined) any |= bit;
      const ports = turns.get(protocol ?? -1);
      for (const port of [first, last + 1]) ports?.set(port, (ports.get(port) ?? 0n) ^ bit);
    }
  });
  const byProtocol = new Map<number, readonly Prefix[]>();
  for (const [protocol, ports] of turns) {
    const prefixes = fewestPrefixes(stepsOf(ports), any);
    if (prefixes.length > 0) byProtocol.set(protocol, prefixes);
  }
  return { any, byProtocol };
}

function stepsOf(turns: ReadonlyMap<number, bigint>): readonly Step[] {
  const steps: Step[] = [];
  let mask = 0n;
  for (const [first, turn] of [...turns].sort(([a], [b]) => a - b)) {
    mask ^= turn;
    if (first <= 0xffff && steps.at(-1)?.mask !== mask) steps.push({ first, mask });
  }
  return steps;
}

function rowsOf(id: number, { peers, cidrs, ports }: Tables): readonly PolicyRow[] {
  const rows: PolicyRow[] = [];
  for (const { address: ip, mask } of peers) rows.push({ table: 'policy_peer', id, ip, mask });
  const cidrKey = ({ bits, length }: Prefix) => policyCidrKey(id, ipv4(bits), length);
  for (const prefix of all(cidrs)) {
    const { bits, length, mask, children } = prefix;
    const requires = narrowing(mask, children).map(cidrKey);
    rows.push({ table: 'policy_cidr', id, address: ipv4(bits), length, mask, requires });
  }
  const requiredByAny: ReturnType<typeof policyPortKey>[] = [];
  for (const [protocol, prefixes] of ports.byProtocol) {
    const portKey = ({ bits, length }: Prefix) => policyPortKey(id, protocol, bits, length);
    requiredByAny.push(...narrowing(ports.any, prefixes).map(portKey));
    for (const { bits: port, length, mask, children } of all(prefixes)) {
      const requires = narrowing(mask, children).map(portKey);
      rows.push({ table: 'policy_port', id, protocol, port, length, mask, requires });
    }
  }
  if (ports.any !== 0n) {
    const any = { protocol: undefined, port: 0, length: 0, mask: ports.any };
    rows.push({ table: 'policy_port', id, ...any, requires: requiredByAny });
  }
  return rows;
}

function* all(prefixes: readonly Prefix[]): Iterable<Prefix> {
  for (const prefix of prefixes) {
    yield prefix;
    yield* all(prefix.children);
  }
}

/** Everything but the rows of `policy_peer`, of which each packet meets one at most. */
function frameOf({ cidrs, ports }: Tables): string {
  const hash = createHash('sha256');
  const add = (prefixes: readonly Prefix[]) => {
    for (const { bits, length, mask } of all(prefixes)) hash.update(`${bits}/${length}=${mask},`);
  };
  add(cidrs);
  hash.update(`;${ports.any}`);
  for (const [protocol, prefixes] of [...ports.byProtocol].sort(([a], [b]) => a - b)) {
    hash.update(`;${protocol}:`);
    add(prefixes);
  }
  return hash.digest('base64');
}

/** With the direction: what is counted for a policy id is so for one. */
function contentOf(direction: Direction, frame: string, peers: Tables['peers']): string {
  return createHash('sha256')
    .update(direction)
    .update(frame)
    .update(Uint32Array.from(peers, ({ address }) => address))
    .update(BigUint64Array.from(peers, ({ mask }) => mask))
    .digest('base64');
}

function classesOf(regions: PolicyRegions, plan: ClassPlan): readonly RuleClass[] {
  const policies = regions.policiesOfParts(plan.regions);
  return plan.regions.map((region, i) => ({
    ports: portsText(regions.space, region),
    policies: policies[i] ?? [],
  }));
}

function portsText(space: PortSpace, region: Region): string {
  if (region === space.all) return 'any';
  const pieces = space.pieces(region);
  const texts = pieces.slice(0, SHOWN_PORTS).map(({ protocol, first, last }) => {
    if (protocol === undefined) return 'other protocols';
    const name = protocolName(protocol)?.toLowerCase() ?? `protocol ${protocol}`;
    if (first === 0 && last === MAX_PORT) return name;
    return first === last ? `${name} ${first}` : `${name} ${first}-${last}`;
  });
  return [...texts, ...(pieces.length > SHOWN_PORTS ? ['…'] : [])].join(', ');
}

function conditionsOf(regions: PolicyRegions, plan: ClassPlan): readonly Condition[] {
  const conditions: Condition[] = [];
  const lost = (region: Region) => plan.lost(region);
  const policies = regions.policiesOf(lost);
  if (policies.length > 0) {
    const message =
      `more than ${POLICY_CLASSES} combinations of ports; what did not fit is denied, though it is allowed by ` +
      `${policies.join(', ')}; use fewer different ports for these pods`;
    conditions.push({ ...condition('TooManyRuleClasses', message), policies });
  }
  if (regions.portZeroDenied) {
    const message =
      'rules treat port 0 differently from other ports; packets to it look like fragments without ports, so both are denied';
    conditions.push(condition('PortZeroDenied', message));
  }
  return conditions;
}
