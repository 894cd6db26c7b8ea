import { felix } from '@infra-offload/infra-api';
import { FelixError } from '../errors.js';
import type { Policy, PolicyId, ReceivedRule, Tier, WorkloadEndpoint } from '../messages.js';
import { fieldNumbers, visitFields } from './fields.js';

/**
 * How Felix names policies: `tier-names` up to Calico 3.31, `policy-ids` (kind, namespace, name) from 3.32 on; `auto` takes
 * each message for what it is.
 */
export type Dialect = 'auto' | 'tier-names' | 'policy-ids';

/** Of `felix.Rule`, as far as its meaning is known. */
const ruleFields: ReadonlySet<number> = new Set([
  ...range(1, 13),
  15,
  ...range(102, 123),
  ...range(130, 133),
  201,
]);

function range(first: number, last: number): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}

/** A `PolicyID` of either dialect: tier 1, name 2, namespace 3, kind 4. */
export function decodePolicyId(bytes: Uint8Array, dialect: Dialect): PolicyId {
  const texts = new Map<number, string>();
  visitFields(bytes, (field, reader) => {
    if (field > 4) return false;
    texts.set(field, reader.string());
    return true;
  });
  const [tier, name, namespace, kind] = [1, 2, 3, 4].map((field) => texts.get(field) ?? '');
  const id = { tier: tier ?? '', name: name ?? '', namespace: namespace ?? '', kind: kind ?? '' };
  if (id.kind !== '') {
    expectDialect(dialect, 'policy-ids', `policy ${id.kind} ${id.namespace}/${id.name}`);
    return { ...id, tier: '' };
  }
  expectDialect(dialect, 'tier-names', `policy ${id.name} of tier "${id.tier}"`);
  return { ...id, namespace: '' };
}

/** A `Policy` or `Profile`: both have inbound rules 1 and outbound rules 2. */
export function decodePolicy(bytes: Uint8Array): Policy {
  // Rules are read by themselves, so that unknown fields of them are noticed.
  const inbound: ReceivedRule[] = [];
  const outbound: ReceivedRule[] = [];
  visitFields(bytes, (field, reader) => {
    if (field !== 1 && field !== 2) return false;
    (field === 1 ? inbound : outbound).push(decodeRule(reader.bytes()));
    return true;
  });
  const flags = fieldNumbers(bytes);
  // A flag that is false is not on the wire; should it be, this still denies rather than allows.
  return { inbound, outbound, untracked: flags.has(3), preDnat: flags.has(4) };
}

/** A `Profile` has no flags. */
export function decodeProfile(bytes: Uint8Array): Policy {
  return { ...decodePolicy(bytes), untracked: false, preDnat: false };
}

function decodeRule(bytes: Uint8Array): ReceivedRule {
  const unknownFields = [...fieldNumbers(bytes)].filter((field) => !ruleFields.has(field));
  return { rule: felix.Rule.decode(bytes), unknownFields };
}

export function decodeWorkloadEndpoint(bytes: Uint8Array, dialect: Dialect): WorkloadEndpoint {
  let state = '';
  const profiles: string[] = [];
  const ipv4Nets: string[] = [];
  const tiers: Tier[] = [];
  visitFields(bytes, (field, reader) => {
    switch (field) {
      case 1:
        state = reader.string();
        return true;
      case 4:
        profiles.push(reader.string());
        return true;
      case 5:
        ipv4Nets.push(reader.string());
        return true;
      case 7:
        tiers.push(decodeTier(reader.bytes(), dialect));
        return true;
      default:
        return false;
    }
  });
  return { state, profiles, ipv4Nets, tiers };
}

/** A `TierInfo`: name 1, ingress policies 2, egress policies 3, default action 4. */
function decodeTier(bytes: Uint8Array, dialect: Dialect): Tier {
  let name = '';
  let defaultAction = '';
  const lists: Record<'ingress' | 'egress', Uint8Array[]> = { ingress: [], egress: [] };
  visitFields(bytes, (field, reader) => {
    switch (field) {
      case 1:
        name = reader.string();
        return true;
      case 2:
        lists.ingress.push(reader.bytes());
        return true;
      case 3:
        lists.egress.push(reader.bytes());
        return true;
      case 4:
        defaultAction = reader.string();
        return true;
      default:
        return false;
    }
  });
  const ids = (items: readonly Uint8Array[]) => items.map((item) => decodeListed(item, name, dialect));
  return { name, ingress: ids(lists.ingress), egress: ids(lists.egress), defaultAction };
}

/**
 * One entry of a tier's list: the name of a policy, or a PolicyID. A PolicyID begins with the tag of one of its four strings;
 * no name of a policy begins with one of these control characters or a quotation mark.
 */
function decodeListed(bytes: Uint8Array, tier: string, dialect: Dialect): PolicyId {
  const isMessage = [0x0a, 0x12, 0x1a, 0x22].some((tag) => tag === bytes[0]);
  if (isMessage) {
    const id = decodePolicyId(bytes, 'auto');
    expectDialect(dialect, 'policy-ids', `policy ${id.kind} ${id.namespace}/${id.name} of tier "${tier}"`);
    return id;
  }
  const name = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  expectDialect(dialect, 'tier-names', `policy ${name} of tier "${tier}"`);
  return { tier, name, namespace: '', kind: '' };
}

function expectDialect(expected: Dialect, found: Dialect, what: string): void {
  if (expected === 'auto' || expected === found) return;
  throw new FelixError(
    'WRONG_DIALECT',
    `${what} is named as in the dialect ${found}, but ${expected} was asked for; 'auto' takes both`,
    { details: { expected, found } },
  );
}
