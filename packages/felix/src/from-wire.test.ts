import { felix } from '@infra-offload/infra-api';
import { describe, expect, it } from 'vitest';
import { fromWire } from './from-wire.js';
import { envelope } from './testing/wire-messages.js';
import { decodeToDataplane } from './wire/envelope.js';

const rule = felix.Rule.fromPartial({
  action: 'deny',
  protocol: { numberOrName: { $case: 'number', value: 6 } },
});
const rules = { inboundRules: [rule], outboundRules: [rule, rule] };
const workload = { orchestratorId: 'k8s', workloadId: 'ns/web', endpointId: 'eth0' };
const endpoint = felix.WorkloadEndpoint.fromPartial({
  state: 'active',
  profileIds: ['x'],
  ipv4Nets: ['10.0.0.2/32'],
  tiers: [{ name: 'default', ingressPolicies: ['a'], egressPolicies: ['b'] }],
});

describe('fromWire', () => {
  it.each<[string, felix.ToDataplane['payload'], object]>(
    (() => {
      const policy = {
        id: { tier: 'default', name: 'p' },
        policy: { ...rules, namespace: 'ns', untracked: false, preDnat: false },
      };
      const profile = { id: { name: 'x' }, profile: rules };
      const set = { id: 's', members: ['10.0.0.1'], type: felix.IPSetUpdate_IPSetType.NET };
      const delta = { id: 's', addedMembers: ['10.0.0.1'], removedMembers: [] };
      const host = {
        id: { endpointId: 'h' },
        endpoint: felix.HostEndpoint.fromPartial({ name: 'eth0', profileIds: ['x'] }),
      };
      const update = { id: workload, endpoint };
      return [
        ['policyUpdate', { $case: 'activePolicyUpdate', value: policy }, fromWire.policyUpdate(policy)],
        ['policyRemove', { $case: 'activePolicyRemove', value: policy }, fromWire.policyRemove(policy)],
        ['profileUpdate', { $case: 'activeProfileUpdate', value: profile }, fromWire.profileUpdate(profile)],
        ['profileRemove', { $case: 'activeProfileRemove', value: profile }, fromWire.profileRemove(profile)],
        ['ipSetUpdate', { $case: 'ipsetUpdate', value: set }, fromWire.ipSetUpdate(set)],
        ['ipSetDelta', { $case: 'ipsetDeltaUpdate', value: delta }, fromWire.ipSetDelta(delta)],
        ['ipSetRemove', { $case: 'ipsetRemove', value: set }, fromWire.ipSetRemove(set)],
        [
          'hostEndpointUpdate',
          { $case: 'hostEndpointUpdate', value: host },
          fromWire.hostEndpointUpdate(host),
        ],
        [
          'hostEndpointRemove',
          { $case: 'hostEndpointRemove', value: host },
          fromWire.hostEndpointRemove(host),
        ],
        [
          'workloadEndpointUpdate',
          { $case: 'workloadEndpointUpdate', value: update },
          fromWire.workloadEndpointUpdate(update),
        ],
        [
          'workloadEndpointRemove',
          { $case: 'workloadEndpointRemove', value: update },
          fromWire.workloadEndpointRemove(update),
        ],
      ];
    })(),
  )('%s is what the bytes of the same message are decoded to', (type, payload, expected) => {
    expect(expected).toMatchObject({ type });
    expect(decodeToDataplane(envelope(payload)).message).toEqual(expected);
  });

  it('refuses what does not say what it is about', () => {
    expect(() => fromWire.policyUpdate({ id: undefined, policy: undefined })).toThrow(/about a policy/);
    expect(() => fromWire.profileRemove({ id: { name: '' } })).toThrow(/about a profile/);
    expect(() => fromWire.workloadEndpointUpdate({ id: undefined, endpoint })).toThrow(/workload endpoint/);
  });
});
