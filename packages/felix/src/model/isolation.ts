import { type PodIsolation, PolicyAction, type PolicyTier } from '@infra-offload/infra-api';
import type { IPv4 } from '@infra-offload/net';
import type { PolicyId, WorkloadEndpoint } from '../messages.js';
import { isStaged, type PodName, policyName, profileName } from './names.js';
import { conditionsOf, type Problem } from './problems.js';
import { parseRange } from './ranges.js';

/** Gives the name of the variant of a policy or profile that an endpoint gets. */
export type VariantName = (policy: string) => string;

/** The isolation of a pod that Felix has not told an endpoint of: nothing passes. */
export function closedIsolation(pod: PodName, problems: readonly Problem[] = []): PodIsolation {
  return {
    namespace: pod.namespace,
    name: pod.name,
    ingress: { tiers: [] },
    egress: { tiers: [] },
    conditions: conditionsOf(problems),
  };
}

/**
 * What applies to a pod: the tiers with policies for a direction, in order; then its profiles as one more tier, which has the
 * last word. Without profiles, what the tiers pass on is denied.
 */
export function isolationOf(pod: PodName, endpoint: WorkloadEndpoint, nameOf: VariantName): PodIsolation {
  // Felix drops everything of an endpoint that is not administratively up.
  if (endpoint.state !== 'active') return closedIsolation(pod);
  const problems: Problem[] = [];
  const profiles: PolicyTier = {
    policies: endpoint.profiles.map((name) => nameOf(profileName(name))),
    defaultAction: PolicyAction.POLICY_ACTION_DENY,
  };
  const tiersOf = (direction: 'ingress' | 'egress'): PolicyTier[] =>
    endpoint.tiers.flatMap((tier) => {
      const policies = tier[direction].filter((id) => !isStaged(id));
      // A tier whose policies are all staged passes everything on.
      if (policies.length === 0) return [];
      const defaultAction = endOfTier(tier.name, tier.defaultAction, problems);
      return [{ policies: policies.map((id) => nameOf(policyName(id))), defaultAction }];
    });
  return {
    namespace: pod.namespace,
    name: pod.name,
    ingress: { tiers: [...tiersOf('ingress'), profiles] },
    egress: { tiers: [...tiersOf('egress'), profiles] },
    conditions: conditionsOf(problems),
  };
}

function endOfTier(tier: string, action: string, problems: Problem[]): PolicyAction {
  switch (action.toLowerCase()) {
    case 'pass':
      return PolicyAction.POLICY_ACTION_PASS;
    case '':
    case 'deny':
      return PolicyAction.POLICY_ACTION_DENY;
    default:
      problems.push({
        reason: 'ActionUnknown',
        message: `default action "${action}" of tier ${tier} is not known: it denies`,
      });
      return PolicyAction.POLICY_ACTION_DENY;
  }
}

/** The policies and profiles of an endpoint, by their names on the wire. */
export function policiesOf({ tiers, profiles }: WorkloadEndpoint): Set<string> {
  const listed = tiers.flatMap(({ ingress, egress }): PolicyId[] => [...ingress, ...egress]);
  return new Set([
    ...listed.filter((id) => !isStaged(id)).map(policyName),
    ...profiles.map((name) => profileName(name)),
  ]);
}

/** The one IPv4 address of an endpoint; undefined if it has not exactly one. */
export function addressOf({ ipv4Nets }: WorkloadEndpoint): IPv4 | undefined {
  const [range, ...more] = ipv4Nets.map(parseRange);
  const isAddress = typeof range === 'object' && range.length === 32 && more.length === 0;
  return isAddress ? range.address : undefined;
}
