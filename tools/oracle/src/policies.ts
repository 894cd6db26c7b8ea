import type { PodName, Policy, Protocol } from './scenario.js';

/** What policies mean for a new flow to a port that is served. A pod may always talk to itself. */
export function isAllowed(
  policies: readonly Policy[],
  from: PodName,
  to: PodName,
  protocol: Protocol,
): boolean {
  if (from === to) return true;
  const passes = (pod: PodName, direction: Policy['direction'], peer: PodName) => {
    const own = policies.filter((policy) => policy.pod === pod && policy.direction === direction);
    const rules = own.flatMap(({ allow }) => allow);
    return (
      own.length === 0 ||
      rules.some((rule) => rule.peers.includes(peer) && (rule.protocol ?? protocol) === protocol)
    );
  };
  return passes(from, 'egress', to) && passes(to, 'ingress', from);
}
