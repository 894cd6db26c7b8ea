import { felix } from '@infra-offload/infra-api';
import type {
  FelixMessage,
  Policy,
  PolicyId,
  ReceivedRule,
  Tier,
  WorkloadEndpoint,
  WorkloadEndpointId,
} from '../messages.js';

/** Messages for tests. */

export function rule(fields: Partial<felix.Rule> = {}): ReceivedRule {
  return { rule: felix.Rule.fromPartial(fields), unknownFields: [] };
}

export const protocol = (name: string): felix.Protocol => ({ numberOrName: { $case: 'name', value: name } });

export function policyId(name: string, tier = 'default'): PolicyId {
  return { tier, name, namespace: '', kind: '' };
}

export function policyOf(rules: Partial<Pick<Policy, 'inbound' | 'outbound'>>): Policy {
  return { inbound: [], outbound: [], untracked: false, preDnat: false, ...rules };
}

export function policy(
  name: string,
  rules: Partial<Pick<Policy, 'inbound' | 'outbound'>>,
  tier?: string,
): FelixMessage {
  return { type: 'policyUpdate', id: policyId(name, tier), policy: policyOf(rules) };
}

export function profile(name: string, rules: Partial<Pick<Policy, 'inbound' | 'outbound'>>): FelixMessage {
  return { type: 'profileUpdate', name, policy: policyOf(rules) };
}

export function podId(name: string): WorkloadEndpointId {
  return { orchestrator: 'k8s', workload: name, endpoint: 'eth0' };
}

export function tier(name: string, ingress: readonly string[], egress: readonly string[] = []): Tier {
  const ids = (names: readonly string[]) => names.map((policy) => policyId(policy, name));
  return { name, ingress: ids(ingress), egress: ids(egress), defaultAction: '' };
}

export function endpoint(name: string, fields: Partial<WorkloadEndpoint> = {}): FelixMessage {
  return {
    type: 'workloadEndpointUpdate',
    id: podId(name),
    endpoint: { state: 'active', profiles: [], ipv4Nets: ['10.0.0.2/32'], tiers: [], ...fields },
  };
}
