import { type NetworkPolicy, PolicyAction, type PolicyRule } from '@infra-offload/infra-api';
import type { IPv4 } from '@infra-offload/net';
import type { Policy, ReceivedRule } from '../messages.js';
import type { IpSet } from './ip-set.js';
import { hashOf } from './names.js';
import { evaluateOwn, type OwnMatch, type OwnResult } from './own-side.js';
import { conditionsOf, type Problem } from './problems.js';
import { type CompiledRule, compileRule, type Direction, type RuleContext } from './rule.js';
import { type SetExpression, setName } from './set-expression.js';

type Lookup = (id: string) => IpSet | undefined;

interface NumberedRule extends CompiledRule {
  readonly number: number;
}

/**
 * A policy or profile of Felix, translated but for what its rules say of the pod's own address. With that it has several
 * variants, one for each way in which these matches may come out.
 */
export class CompiledPolicy {
  readonly name: string;
  /** Address sets that it names, by their names. */
  readonly sets: ReadonlyMap<string, SetExpression>;
  readonly #rules: Readonly<Record<Direction, readonly NumberedRule[]>>;
  readonly #problems: readonly Problem[];
  /** In the order of rules, those of ingress first. */
  readonly #own: readonly OwnMatch[];

  constructor(name: string, policy: Policy, isProfile: boolean, lookup: Lookup) {
    this.name = name;
    const sets = new Map<string, SetExpression>();
    const problems: Problem[] = [];
    const unsupported: Problem[] = [
      ...(policy.untracked
        ? [{ reason: 'UntrackedNotSupported' as const, message: 'an untracked policy' }]
        : []),
      ...(policy.preDnat ? [{ reason: 'PreDnatNotSupported' as const, message: 'a pre-DNAT policy' }] : []),
    ];
    const compile = (direction: Direction, rules: readonly ReceivedRule[]): NumberedRule[] =>
      rules.flatMap((received, i) => {
        const context: RuleContext = { direction, number: i + 1, isProfile, unsupported, lookup };
        const result = compileRule(received, context);
        problems.push(...result.problems);
        for (const expression of result.sets) sets.set(setName(expression), expression);
        return result.compiled === undefined ? [] : [{ ...result.compiled, number: i + 1 }];
      });
    this.#rules = {
      ingress: compile('ingress', policy.inbound),
      egress: compile('egress', policy.outbound),
    };
    this.sets = sets;
    this.#problems = problems;
    this.#own = [...this.#rules.ingress, ...this.#rules.egress].flatMap(({ own }) => own ?? []);
  }

  /** Whether it is another one for pods with other addresses. */
  get dependsOnAddress(): boolean {
    return this.#own.length > 0;
  }

  /** The variant for a pod with this address. */
  variantFor(address: IPv4 | undefined, lookup: Lookup): PolicyVariant {
    const results = this.#own.map((own) => evaluateOwn(own, address, lookup));
    if (results.length === 0) return { name: this.name, results };
    // The matches are part of the name, so that a variant is not taken for one of a changed policy.
    return { name: `${this.name}#${hashOf(JSON.stringify([this.#own, results]), 12)}`, results };
  }

  /** A variant as the manager gets it. */
  toWire({ name, results }: PolicyVariant): NetworkPolicy {
    const problems = [...this.#problems];
    let next = 0;
    const rulesOf = (direction: Direction): PolicyRule[] =>
      this.#rules[direction].flatMap(({ rule, own, number }) => {
        const result = own === undefined ? 'match' : (results[next++] ?? 'unknown');
        if (result === 'match') return [rule];
        if (result === 'no-match') return [];
        const isLeftOut = rule.action === PolicyAction.POLICY_ACTION_ALLOW;
        const effect = isLeftOut ? 'it is left out' : 'it denies without that';
        const message = `${direction} rule ${number}: a match on the pod's own address: ${effect}`;
        problems.push({ reason: 'OwnAddressNotSupported', message });
        return isLeftOut ? [] : [{ ...rule, action: PolicyAction.POLICY_ACTION_DENY }];
      });
    return {
      name,
      ingress: rulesOf('ingress'),
      egress: rulesOf('egress'),
      conditions: conditionsOf(problems),
    };
  }
}

export interface PolicyVariant {
  readonly name: string;
  readonly results: readonly OwnResult[];
}

/** Ids of all IP sets on which a policy depends, be they known or not. */
export function setIdsOf({ inbound, outbound }: Policy): Set<string> {
  const ids = new Set<string>();
  for (const { rule } of [...inbound, ...outbound]) {
    for (const list of [
      rule.srcIpSetIds,
      rule.dstIpSetIds,
      rule.dstIpPortSetIds,
      rule.dstNamedPortIpSetIds,
      rule.notSrcIpSetIds,
      rule.notDstIpSetIds,
      rule.notDstNamedPortIpSetIds,
    ]) {
      for (const id of list) ids.add(id);
    }
  }
  return ids;
}
