import type { Actor, Policy, Protocol } from './scenario.js';

/** What policies mean for a new flow to a port that is served. A pod may always talk to itself, and its node to it. */
export function isAllowed(policies: readonly Policy[], from: Actor, to: Actor, protocol: Protocol): boolean {
  if (from === to || from === 'node') return true;
  const passes = (pod: Actor, direction: Policy['direction'], peer: Actor) => {
    const own = policies.filter((policy) => policy.pod === pod && policy.direction === direction);
    const rules = own.flatMap(({ allow }) => allow);
    return (
      own.length === 0 ||
      rules.some(
        ({ peers, ...rule }) =>
          peers.some((name) => name === peer) && (rule.protocol ?? protocol) === protocol,
      )
    );
  };
  return passes(from, 'egress', to) && passes(to, 'ingress', from);
}
