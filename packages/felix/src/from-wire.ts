import { felix } from '@infra-offload/infra-api';
import { FelixError } from './errors.js';
import type { FelixMessage, IpSetKind, Policy, WorkloadEndpointId } from './messages.js';

type Message<Type extends FelixMessage['type']> = Extract<FelixMessage, { readonly type: Type }>;

/**
 * Generated messages (those of `infra.InfraAgent`, too) in the form that {@link FelixMessage} has.
 *
 * All throw FelixError MALFORMED_MESSAGE if the message does not say what it is about.
 */
export const fromWire = {
  ipSetUpdate: ({ id, members, type }: felix.IPSetUpdate): Message<'ipSetUpdate'> => ({
    type: 'ipSetUpdate',
    id: requireId('IP set', id),
    kind: kindOf(type),
    members,
  }),

  ipSetDelta: (delta: felix.IPSetDeltaUpdate): Message<'ipSetDelta'> => ({
    type: 'ipSetDelta',
    id: requireId('IP set', delta.id),
    added: delta.addedMembers,
    removed: delta.removedMembers,
  }),

  ipSetRemove: ({ id }: felix.IPSetRemove): Message<'ipSetRemove'> => ({
    type: 'ipSetRemove',
    id: requireId('IP set', id),
  }),

  policyUpdate: ({ id, policy }: felix.ActivePolicyUpdate): Message<'policyUpdate'> => ({
    type: 'policyUpdate',
    id: policyId(id),
    policy: policyOf(policy, policy),
  }),

  policyRemove: ({ id }: felix.ActivePolicyRemove): Message<'policyRemove'> => ({
    type: 'policyRemove',
    id: policyId(id),
  }),

  profileUpdate: ({ id, profile }: felix.ActiveProfileUpdate): Message<'profileUpdate'> => ({
    type: 'profileUpdate',
    name: requireId('profile', id?.name ?? ''),
    policy: policyOf(profile),
  }),

  profileRemove: ({ id }: felix.ActiveProfileRemove): Message<'profileRemove'> => ({
    type: 'profileRemove',
    name: requireId('profile', id?.name ?? ''),
  }),

  workloadEndpointUpdate: (update: felix.WorkloadEndpointUpdate): Message<'workloadEndpointUpdate'> => {
    const { state = '', profileIds = [], ipv4Nets = [], tiers = [] } = update.endpoint ?? {};
    return {
      type: 'workloadEndpointUpdate',
      id: workloadEndpointId(update.id),
      endpoint: {
        state,
        profiles: profileIds,
        ipv4Nets,
        tiers: tiers.map(({ name: tier, ingressPolicies, egressPolicies }) => {
          const listed = (name: string) => ({ tier, name, namespace: '', kind: '' });
          return {
            name: tier,
            ingress: ingressPolicies.map(listed),
            egress: egressPolicies.map(listed),
            defaultAction: '',
          };
        }),
      },
    };
  },

  workloadEndpointRemove: ({ id }: felix.WorkloadEndpointRemove): Message<'workloadEndpointRemove'> => ({
    type: 'workloadEndpointRemove',
    id: workloadEndpointId(id),
  }),

  hostEndpointUpdate: ({ id, endpoint }: felix.HostEndpointUpdate): Message<'hostEndpointUpdate'> => {
    const { name = '', profileIds = [], tiers = [] } = endpoint ?? {};
    const { untrackedTiers = [], preDnatTiers = [], forwardTiers = [] } = endpoint ?? {};
    const policies = [profileIds, tiers, untrackedTiers, preDnatTiers, forwardTiers];
    return {
      type: 'hostEndpointUpdate',
      id: requireId('host endpoint', id?.endpointId ?? ''),
      name,
      hasPolicy: policies.some(({ length }) => length > 0),
    };
  },

  hostEndpointRemove: ({ id }: felix.HostEndpointRemove): Message<'hostEndpointRemove'> => ({
    type: 'hostEndpointRemove',
    id: requireId('host endpoint', id?.endpointId ?? ''),
  }),

  hostMetadataUpdate: ({ hostname, ipv4Addr }: felix.HostMetadataUpdate): Message<'hostMetadataUpdate'> => ({
    type: 'hostMetadataUpdate',
    hostname: requireId('host', hostname),
    ipv4Address: ipv4Addr,
  }),

  hostMetadataRemove: ({ hostname }: felix.HostMetadataRemove): Message<'hostMetadataRemove'> => ({
    type: 'hostMetadataRemove',
    hostname: requireId('host', hostname),
  }),

  workloadEndpointId,
  requireId,
} as const;

function requireId(what: string, id: string): string {
  if (id !== '') return id;
  throw new FelixError('MALFORMED_MESSAGE', `the message is about a ${what}, but does not name it`);
}

function policyId(id: felix.PolicyID | undefined) {
  const { tier = '', name = '' } = id ?? {};
  return { tier, name: requireId('policy', name), namespace: '', kind: '' };
}

function workloadEndpointId(id: felix.WorkloadEndpointID | undefined): WorkloadEndpointId {
  const { orchestratorId = '', workloadId = '', endpointId = '' } = id ?? {};
  return {
    orchestrator: orchestratorId,
    workload: requireId('workload endpoint', workloadId),
    endpoint: endpointId,
  };
}

function policyOf(
  rules: felix.Profile | undefined,
  flags: { readonly untracked: boolean; readonly preDnat: boolean } = { untracked: false, preDnat: false },
): Policy {
  const received = (list: readonly felix.Rule[] = []) => list.map((rule) => ({ rule, unknownFields: [] }));
  const { untracked, preDnat } = flags;
  return {
    inbound: received(rules?.inboundRules),
    outbound: received(rules?.outboundRules),
    untracked,
    preDnat,
  };
}

function kindOf(type: felix.IPSetUpdate_IPSetType): IpSetKind {
  switch (type) {
    case felix.IPSetUpdate_IPSetType.IP:
      return 'ip';
    case felix.IPSetUpdate_IPSetType.IP_AND_PORT:
      return 'ipPort';
    case felix.IPSetUpdate_IPSetType.NET:
      return 'net';
    default:
      return 'unknown';
  }
}
