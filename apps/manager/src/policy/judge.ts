import { formatPrefix, protocolName } from '@infra-offload/net';
import {
  type AddressPort,
  type Direction,
  type PolicyPacket,
  ruleMatches,
} from '@infra-offload/policy-compiler';
import type { Judgement } from '../drivers/tracing.js';
import type { PolicyPort, PolicyRule, PolicyTier } from '../model/policy-objects.js';
import { type Names, resolveRule } from './resolve.js';

/**
 * What the policies of a pod say of a packet, and which of their rules says it. It is what the data plane decides unless that
 * has something else at present.
 *
 * @param ownPorts as for {@link resolveTiers}.
 */
export function judge(
  direction: Direction,
  tiers: readonly PolicyTier[],
  ownPorts: ReadonlyMap<string, readonly AddressPort[]>,
  names: Names,
  packet: PolicyPacket,
): Judgement {
  const policies = [...new Set(tiers.flatMap((tier) => tier.policies))];
  for (const tier of tiers) {
    const found = firstMatch(direction, tier, ownPorts, names, packet);
    const action = found?.action ?? tier.defaultAction;
    if (action !== 'pass') return { isAllowed: action === 'allow', policies, rule: found };
  }
  return { isAllowed: false, policies, rule: undefined };
}

type DecidingRule = NonNullable<Judgement['rule']> & { readonly action: PolicyRule['action'] };

function firstMatch(
  direction: Direction,
  tier: PolicyTier,
  ownPorts: ReadonlyMap<string, readonly AddressPort[]>,
  names: Names,
  packet: PolicyPacket,
): DecidingRule | undefined {
  for (const name of tier.policies) {
    const policy = names.policy(name);
    if (policy === undefined) return { policy: name, text: 'the policy is not known', action: 'deny' };
    for (const rule of policy[direction]) {
      const match = resolveRule(name, rule, direction, ownPorts, names).find((one) =>
        ruleMatches(one, packet),
      );
      if (match !== undefined)
        return { policy: name, text: describeRule(direction, rule), action: match.action };
    }
  }
  return undefined;
}

/** `allow from app=web; tcp 8080` */
function describeRule(direction: Direction, { action, peers, ports, notPorts }: PolicyRule): string {
  const preposition = direction === 'ingress' ? 'from' : 'to';
  const named = peers.map(({ negated, cidrs, sets }) => {
    const members = [...cidrs.map(formatPrefix), ...sets].join(' or ');
    return `${negated ? 'not ' : ''}${members === '' ? 'nobody' : members}`;
  });
  const through = [...ports.map(describePort), ...notPorts.map((port) => `not ${describePort(port)}`)];
  const peer = `${action} ${preposition} ${named.length === 0 ? 'anyone' : named.join(' and ')}`;
  return through.length === 0 ? peer : `${peer}; ${through.join(', ')}`;
}

function describePort(port: PolicyPort): string {
  if (port.kind === 'set') return port.set;
  const { protocol, ports } = port;
  const name =
    protocol === undefined ? 'any protocol' : (protocolName(protocol) ?? `${protocol}`).toLowerCase();
  if (ports === undefined) return name;
  return ports.first === ports.last ? `${name} ${ports.first}` : `${name} ${ports.first}-${ports.last}`;
}
