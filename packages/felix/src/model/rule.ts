import {
  type AddressMatch,
  type FelixReason,
  type felix,
  PolicyAction,
  type PolicyRule,
  type PortMatch,
} from '@infra-offload/infra-api';
import { type IPv4Prefix, PROTOCOL_NUMBERS, parseProtocol, TRANSPORT_PROTOCOLS } from '@infra-offload/net';
import type { ReceivedRule } from '../messages.js';
import type { IpSet } from './ip-set.js';
import type { OwnMatch } from './own-side.js';
import type { Problem } from './problems.js';
import { formatRange, parseRange } from './ranges.js';
import { type PortTerm, type SetExpression, setName } from './set-expression.js';

/** Those whose ports the data plane reads. */
const PROTOCOLS_WITH_PORTS: readonly number[] = TRANSPORT_PROTOCOLS.map((name) => PROTOCOL_NUMBERS[name]);

export type Direction = 'ingress' | 'egress';

export interface RuleContext {
  readonly direction: Direction;
  /** Its number within the direction, from 1; for messages. */
  readonly number: number;
  /** Whether the rule is of a profile: there is no tier to pass to. */
  readonly isProfile: boolean;
  /** What of the whole policy is not supported, and so of each of its rules. */
  readonly unsupported: readonly Problem[];
  readonly lookup: (id: string) => IpSet | undefined;
}

/** A rule of Felix as the wire has it, but for its match on the pod's own address. */
export interface CompiledRule {
  readonly rule: PolicyRule;
  /** undefined: any. */
  readonly own: OwnMatch | undefined;
}

export interface RuleResult {
  /** undefined if the rule has no effect, or none that may be carried. */
  readonly compiled: CompiledRule | undefined;
  /** Of the address sets that it names. */
  readonly sets: readonly SetExpression[];
  readonly problems: readonly Problem[];
}

type WireAction = 'allow' | 'deny' | 'pass' | 'log';

/**
 * Translates a rule. What it cannot say must not widen what is allowed: an `allow` with a condition that is not supported is
 * left out, a `deny` applies without that condition, and a `pass` becomes such a `deny`, since rules after it might allow
 * what the next tier denies.
 */
export function compileRule({ rule, unknownFields }: ReceivedRule, context: RuleContext): RuleResult {
  const none = { compiled: undefined, sets: [], problems: [] };
  if (rule.ipVersion === 6) return none;
  const { isProfile, unsupported } = context;
  const conditions = new Conditions(rule, context);
  for (const { reason, message } of unsupported) conditions.unsupported(reason, message);
  for (const field of unknownFields) {
    conditions.unsupported('FieldUnknown', `field ${field}, which may be a condition of a newer version`);
  }
  const { peers, own, ports, notPorts } = conditions.read();
  if (conditions.neverMatches) return none;

  const action = actionOf(rule.action);
  if (action === 'log') {
    const message = conditions.describe('packets that it matches are not logged');
    return { ...none, problems: [{ reason: 'LogNotSupported', message }] };
  }
  const problems = [...conditions.problems];
  if (action === undefined) {
    const message = conditions.describe(`"${rule.action}" is not known: it denies`);
    problems.push({ reason: 'ActionUnknown', message });
  }
  if (action === 'allow' && conditions.problems.length > 0) return { ...none, problems };
  const isCertain = conditions.problems.length === 0 && !(isProfile && action === 'pass');
  const carried = action === 'allow' || (action === 'pass' && isCertain) ? action : 'deny';
  if (action === 'pass' && isProfile) {
    problems.push({
      reason: 'RuleInvalid',
      message: conditions.describe('a profile has no tier to pass to: it denies'),
    });
  }
  const compiled = { rule: { action: wireActions[carried], peers, ports, notPorts }, own };
  return { compiled, sets: conditions.sets, problems };
}

const wireActions = {
  allow: PolicyAction.POLICY_ACTION_ALLOW,
  deny: PolicyAction.POLICY_ACTION_DENY,
  pass: PolicyAction.POLICY_ACTION_PASS,
} as const;

function actionOf(action: string): WireAction | undefined {
  switch (action.toLowerCase()) {
    case '':
    case 'allow':
      return 'allow';
    case 'deny':
      return 'deny';
    case 'pass':
    case 'next-tier':
      return 'pass';
    case 'log':
      return 'log';
    default:
      return undefined;
  }
}

/** One side of a rule: source or destination. */
interface Side {
  readonly nets: readonly string[];
  readonly notNets: readonly string[];
  readonly sets: readonly string[];
  readonly notSets: readonly string[];
}

type ProtocolCondition = number | 'any' | 'unsupported';

/**
 * Reads the conditions of one rule, and notes those that cannot be carried. What is left of them then matches more than
 * the rule does: of alternatives that cannot all be carried, none is a condition any more.
 */
class Conditions {
  readonly sets: SetExpression[] = [];
  readonly problems: Problem[] = [];
  /** Whether no packet of IPv4 can match. */
  neverMatches = false;
  readonly #rule: felix.Rule;
  readonly #context: RuleContext;

  constructor(rule: felix.Rule, context: RuleContext) {
    this.#rule = rule;
    this.#context = context;
  }

  read(): Omit<PolicyRule, 'action'> & { readonly own: OwnMatch | undefined } {
    const rule = this.#rule;
    if (![0, 4].includes(rule.ipVersion)) this.unsupported('RuleInvalid', `IP version ${rule.ipVersion}`);
    const sourcePorts = [
      rule.srcPorts,
      rule.srcNamedPortIpSetIds,
      rule.notSrcPorts,
      rule.notSrcNamedPortIpSetIds,
    ];
    if (sourcePorts.some(({ length }) => length > 0)) {
      this.unsupported('SourcePortsNotSupported', 'source ports');
    }
    if (rule.icmp !== undefined || rule.notIcmp !== undefined) {
      this.unsupported('IcmpTypeNotSupported', 'an ICMP type or code');
    }
    if (rule.httpMatch !== undefined) this.unsupported('HttpMatchNotSupported', 'an HTTP match');

    const source: Side = {
      nets: rule.srcNet,
      notNets: rule.notSrcNet,
      sets: rule.srcIpSetIds,
      notSets: rule.notSrcIpSetIds,
    };
    const destination: Side = {
      nets: rule.dstNet,
      notNets: rule.notDstNet,
      sets: rule.dstIpSetIds,
      notSets: rule.notDstIpSetIds,
    };
    const isIngress = this.#context.direction === 'ingress';
    const peers = this.#peers(isIngress ? source : destination);
    const own = this.#own(isIngress ? destination : source);
    const protocol = this.#protocol(rule.protocol);
    return { peers, own, ports: this.#ports(protocol), notPorts: this.#notPorts(protocol) };
  }

  unsupported(reason: FelixReason, what: string): void {
    const { action } = this.#rule;
    const isLeftOut = actionOf(action) === 'allow';
    const effect = isLeftOut ? 'it is left out' : 'it denies without that';
    this.problems.push({ reason, message: this.describe(`${what}: ${effect}`) });
  }

  describe(what: string): string {
    const { direction, number } = this.#context;
    return `${direction} rule ${number} (${this.#rule.action || 'allow'}): ${what}`;
  }

  #peers({ nets, notNets, sets, notSets }: Side): AddressMatch[] {
    const peers: AddressMatch[] = [];
    const anyOf = this.#anyOf(nets);
    if (anyOf.length > 0) peers.push({ negated: false, cidrs: anyOf.map(formatRange), addressSets: [] });
    for (const id of sets) {
      if (this.#isUsable(id))
        peers.push({ negated: false, cidrs: [], addressSets: [this.#use({ all: [id] })] });
    }
    const excepted = {
      cidrs: this.#ranges(notNets).map(formatRange),
      addressSets: notSets.flatMap((id) => (this.#isUsable(id) ? [this.#use({ all: [id] })] : [])),
    };
    if (excepted.cidrs.length + excepted.addressSets.length > 0) peers.push({ negated: true, ...excepted });
    return peers;
  }

  #own({ nets, notNets, sets, notSets }: Side): OwnMatch | undefined {
    if ([nets, notNets, sets, notSets].every(({ length }) => length === 0)) return undefined;
    return { nets: this.#anyOf(nets), notNets: this.#ranges(notNets), sets, notSets };
  }

  /** Of which any will do; empty if there are none, or not all can be read. */
  #anyOf(nets: readonly string[]): IPv4Prefix[] {
    const before = this.problems.length;
    const ranges = this.#ranges(nets);
    if (this.problems.length > before) return [];
    if (nets.length > 0 && ranges.length === 0) this.neverMatches = true;
    return ranges;
  }

  #ports(protocol: ProtocolCondition): PortMatch[] {
    const all = this.#rule.dstIpPortSetIds.filter((id) => this.#isUsable(id));
    const anyOfProtocol: PortTerm[] | undefined = typeof protocol === 'number' ? [{ protocol }] : undefined;
    const any = this.#destinationPorts(protocol) ?? anyOfProtocol;
    if (all.length > 0) return [this.#portSet({ all, any })];
    return (any ?? []).map((term) =>
      term.set === undefined ? rangeOf(term) : this.#portSet({ all: [term.set], any: anyOfProtocol }),
    );
  }

  /** Numbers and names of ports, of which any will do; undefined if there are none, or not all can be carried. */
  #destinationPorts(protocol: ProtocolCondition): PortTerm[] | undefined {
    const { dstPorts, dstNamedPortIpSetIds } = this.#rule;
    if (dstPorts.length + dstNamedPortIpSetIds.length === 0 || protocol === 'unsupported') return undefined;
    const before = this.problems.length;
    const ranges = this.#portTerms(dstPorts, protocol);
    const ofProtocol = protocol === 'any' ? {} : { protocol };
    const named = dstNamedPortIpSetIds.filter((id) => this.#isUsable(id));
    if (this.problems.length > before) return undefined;
    return [...ranges, ...named.map((set) => ({ set, ...ofProtocol }))];
  }

  #notPorts(protocol: ProtocolCondition): PortMatch[] {
    const { notProtocol, notDstPorts, notDstNamedPortIpSetIds } = this.#rule;
    const excluded = this.#protocol(notProtocol);
    return [
      ...(typeof excluded === 'number' ? [rangeOf({ protocol: excluded })] : []),
      ...this.#portTerms(notDstPorts, protocol).map(rangeOf),
      ...notDstNamedPortIpSetIds
        .filter((id) => this.#isUsable(id))
        .map((id) => this.#portSet({ all: [id], any: undefined })),
    ];
  }

  #portTerms(ports: readonly felix.PortRange[], protocol: ProtocolCondition): PortTerm[] {
    if (ports.length === 0) return [];
    if (typeof protocol === 'number' && !PROTOCOLS_WITH_PORTS.includes(protocol)) {
      this.unsupported('PortsNotSupported', `ports of protocol ${protocol}`);
      return [];
    }
    const protocols = typeof protocol === 'number' ? [protocol] : PROTOCOLS_WITH_PORTS;
    return ports.flatMap(({ first, last }) => {
      if (first >= 0 && first <= last && last <= 65_535) {
        return protocols.map((protocol) => ({ protocol, ports: { first, last } }));
      }
      this.unsupported('RuleInvalid', `ports ${first} to ${last}`);
      return [];
    });
  }

  #protocol(protocol: felix.Protocol | undefined): ProtocolCondition {
    if (protocol === undefined) return 'any';
    const text = String(protocol.numberOrName?.value ?? '');
    const number = parseProtocol(text);
    if (number !== undefined) return number;
    this.unsupported('RuleInvalid', `protocol "${text}"`);
    return 'unsupported';
  }

  /** Those of IPv4. */
  #ranges(nets: readonly string[]): IPv4Prefix[] {
    return nets.flatMap((text) => {
      const range = parseRange(text);
      if (range === undefined) this.unsupported('RuleInvalid', `"${text}" is no CIDR`);
      return range === undefined || range === 'ipv6' ? [] : [range];
    });
  }

  #isUsable(id: string): boolean {
    const set = this.#context.lookup(id);
    if (set === undefined) this.unsupported('IpSetUnknown', `IP set ${id} has not been sent`);
    else if (set.problem !== undefined) this.unsupported('IpSetInvalid', set.problem);
    return set !== undefined && set.problem === undefined;
  }

  #use(expression: { readonly all: readonly string[] } & Partial<Pick<SetExpression, 'any'>>): string {
    const complete = { all: expression.all, any: expression.any };
    this.sets.push(complete);
    return setName(complete);
  }

  #portSet(expression: SetExpression): PortMatch {
    return { match: { $case: 'addressPortSet', value: this.#use(expression) } };
  }
}

function rangeOf({ protocol, ports }: PortTerm): PortMatch {
  const value = { protocol, first: ports?.first, last: ports?.last };
  return { match: { $case: 'range', value } };
}
