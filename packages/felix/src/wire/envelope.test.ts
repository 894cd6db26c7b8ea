import { felix } from '@infra-offload/infra-api';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FelixError } from '../errors.js';
import { envelope, message, newPolicyId } from '../testing/wire-messages.js';
import { decodeToDataplane, encodeFromDataplane } from './envelope.js';

const id = { orchestratorId: 'k8s', workloadId: 'ns/web', endpointId: 'eth0' };
const decode = (bytes: Uint8Array) => decodeToDataplane(bytes).message;

describe('decodeToDataplane', () => {
  it('reads what Felix up to 3.31 says', () => {
    const endpoint = felix.WorkloadEndpoint.fromPartial({
      state: 'active',
      name: 'cali1',
      profileIds: ['kns.ns'],
      ipv4Nets: ['10.0.0.2/32'],
      ipv6Nets: ['fd00::2/128'],
      tiers: [{ name: 'default', ingressPolicies: ['ns/knp.default.a', 'b'], egressPolicies: ['c'] }],
    });
    const listed = (name: string) => ({ tier: 'default', name, namespace: '', kind: '' });
    expect(
      decodeToDataplane(envelope({ $case: 'workloadEndpointUpdate', value: { id, endpoint } }, 7n)),
    ).toEqual({
      sequenceNumber: 7n,
      message: {
        type: 'workloadEndpointUpdate',
        id: { orchestrator: 'k8s', workload: 'ns/web', endpoint: 'eth0' },
        endpoint: {
          state: 'active',
          profiles: ['kns.ns'],
          ipv4Nets: ['10.0.0.2/32'],
          tiers: [
            {
              name: 'default',
              ingress: [listed('ns/knp.default.a'), listed('b')],
              egress: [listed('c')],
              defaultAction: '',
            },
          ],
        },
      },
    });
  });

  it('reads policies, profiles and sets', () => {
    const rule = felix.Rule.fromPartial({ action: 'allow', srcIpSetIds: ['s:a'] });
    const rules = { inboundRules: [rule], outboundRules: [] };
    const received = [{ rule, unknownFields: [] }];
    const flags = { untracked: false, preDnat: false };
    const policy = { ...rules, namespace: '', untracked: true, preDnat: false };
    const policyId = { tier: 'default', name: 'p' };
    expect(decode(envelope({ $case: 'activePolicyUpdate', value: { id: policyId, policy } }))).toEqual({
      type: 'policyUpdate',
      id: { ...policyId, namespace: '', kind: '' },
      policy: { inbound: received, outbound: [], ...flags, untracked: true },
    });
    const profile = { id: { name: 'kns.ns' }, profile: rules };
    expect(decode(envelope({ $case: 'activeProfileUpdate', value: profile }))).toEqual({
      type: 'profileUpdate',
      name: 'kns.ns',
      policy: { inbound: received, outbound: [], ...flags },
    });
    const set = { id: 'n:a', members: ['10.0.0.1,tcp:80'], type: felix.IPSetUpdate_IPSetType.IP_AND_PORT };
    expect(decode(envelope({ $case: 'ipsetUpdate', value: set }))).toEqual({
      type: 'ipSetUpdate',
      id: 'n:a',
      kind: 'ipPort',
      members: ['10.0.0.1,tcp:80'],
    });
    const delta = { id: 'n:a', addedMembers: ['x'], removedMembers: ['y'] };
    expect(decode(envelope({ $case: 'ipsetDeltaUpdate', value: delta }))).toEqual({
      type: 'ipSetDelta',
      id: 'n:a',
      added: ['x'],
      removed: ['y'],
    });
  });

  it('reads removals, hosts and configuration', () => {
    const cases: [felix.ToDataplane['payload'], object][] = [
      [{ $case: 'inSync', value: {} }, { type: 'inSync' }],
      [
        { $case: 'ipsetRemove', value: { id: 's' } },
        { type: 'ipSetRemove', id: 's' },
      ],
      [
        { $case: 'activeProfileRemove', value: { id: { name: 'x' } } },
        { type: 'profileRemove', name: 'x' },
      ],
      [
        { $case: 'activePolicyRemove', value: { id: { tier: 't', name: 'p' } } },
        { type: 'policyRemove', id: { tier: 't', name: 'p', namespace: '', kind: '' } },
      ],
      [
        { $case: 'workloadEndpointRemove', value: { id } },
        { type: 'workloadEndpointRemove', id: { orchestrator: 'k8s', workload: 'ns/web', endpoint: 'eth0' } },
      ],
      [
        {
          $case: 'hostEndpointUpdate',
          value: {
            id: { endpointId: 'h' },
            endpoint: felix.HostEndpoint.fromPartial({ name: 'eth0', forwardTiers: [{ name: 'default' }] }),
          },
        },
        { type: 'hostEndpointUpdate', id: 'h', name: 'eth0', hasPolicy: true },
      ],
      [
        { $case: 'hostEndpointRemove', value: { id: { endpointId: 'h' } } },
        { type: 'hostEndpointRemove', id: 'h' },
      ],
      [
        { $case: 'configUpdate', value: { config: { a: 'b' } } },
        { type: 'config', config: { a: 'b' } },
      ],
      [
        { $case: 'hostMetadataUpdate', value: { hostname: 'n', ipv4Addr: '1.2.3.4' } },
        { type: 'hostMetadataUpdate', hostname: 'n', ipv4Address: '1.2.3.4' },
      ],
      [
        { $case: 'hostMetadataRemove', value: { hostname: 'n', ipv4Addr: '' } },
        { type: 'hostMetadataRemove', hostname: 'n' },
      ],
      [
        { $case: 'routeRemove', value: { dst: '10.0.0.0/8' } },
        { type: 'unused', name: 'route_remove' },
      ],
      [undefined, { type: 'unknown', field: 0 }],
    ];
    for (const [payload, expected] of cases) expect(decode(envelope(payload))).toEqual(expected);
  });

  it('reads what Felix from 3.32 on says', () => {
    const web = { kind: 'NetworkPolicy', namespace: 'ns', name: 'web' };
    const update = message([1, newPolicyId(web)], [2, message([8, 'default'], [1, message([1, 'allow'])])]);
    expect(decode(message([7, update]))).toMatchObject({
      type: 'policyUpdate',
      id: { ...web, tier: '' },
      policy: { inbound: [{ rule: { action: 'allow' }, unknownFields: [] }] },
    });
    const tier = message([1, 'default'], [2, newPolicyId(web)], [4, 'Pass']);
    const workload = message([2, 'k8s'], [3, 'ns/web'], [4, 'eth0']);
    expect(
      decode(message([11, message([1, workload], [5, message([1, 'active'], [7, tier])])])),
    ).toMatchObject({
      endpoint: { tiers: [{ ingress: [{ ...web, tier: '' }], egress: [], defaultAction: 'Pass' }] },
    });
    // A policy of the whole cluster has no namespace.
    const global = { kind: 'GlobalNetworkPolicy', namespace: '', name: 'all' };
    expect(decode(message([8, message([1, message([2, 'all'], [4, global.kind])])]))).toEqual({
      type: 'policyRemove',
      id: { ...global, tier: '' },
    });
    expect(decode(message([32, message([1, 'svc'])]))).toEqual({ type: 'unused', name: 'service_remove' });
  });

  it('notices fields of rules that it does not know', () => {
    const rule = message([1, 'allow'], [140, 'new'], [10, 's:a']);
    const update = message([1, message([1, 'default'], [2, 'p'])], [2, message([2, rule])]);
    expect(decode(message([7, update]))).toMatchObject({
      policy: { outbound: [{ rule: { srcIpSetIds: ['s:a'] }, unknownFields: [140] }] },
    });
  });

  it('takes one dialect only, if told so', () => {
    const older = envelope({ $case: 'activePolicyRemove', value: { id: { tier: 'default', name: 'p' } } });
    const newer = message([8, message([1, newPolicyId({ kind: 'K', namespace: 'n', name: 'p' })])]);
    const tiers = message([7, message([1, 'default'], [3, 'a-name'])]);
    const endpoint = message([11, message([1, message([3, 'ns/web'])], [5, tiers])]);
    expect(() => decodeToDataplane(older, 'tier-names')).not.toThrow();
    expect(() => decodeToDataplane(newer, 'policy-ids')).not.toThrow();
    for (const [bytes, dialect] of [
      [older, 'policy-ids'],
      [newer, 'tier-names'],
      [endpoint, 'policy-ids'],
    ] as const) {
      expect(() => decodeToDataplane(bytes, dialect)).toThrow(
        expect.objectContaining({ code: 'WRONG_DIALECT' }),
      );
    }
  });

  it('passes unknown payloads on by their number', () => {
    expect(decode(message([99, 'whatever']))).toEqual({ type: 'unknown', field: 99 });
  });

  it.each([
    ['no protobuf', Uint8Array.from([0xff, 0xff])],
    ['a payload that ends early', Uint8Array.from([0x3a, 0x10, 0x01])],
    ['no protobuf within', message([7, Uint8Array.from([0x0a, 0x7f])])],
    ['a policy without a name', message([7, message([2, message()])])],
    ['an endpoint without a workload', message([12, message([1, message([4, 'eth0'])])])],
    ['a set without an id', message([2, message([2, '10.0.0.1'])])],
    ['a profile without a name', message([6, message()])],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodeToDataplane(bytes)).toThrow(expect.objectContaining({ code: 'MALFORMED_MESSAGE' }));
  });

  it('takes any bytes for a message or for a FelixError', () => {
    const nested = fc
      .tuple(fc.integer({ min: 1, max: 40 }), fc.uint8Array({ maxLength: 30 }))
      .map((field) => message(field));
    const deeper = fc.tuple(fc.integer({ min: 1, max: 13 }), nested).map((field) => message(field));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 60 }), nested, deeper), (bytes) => {
        try {
          decodeToDataplane(bytes);
        } catch (error) {
          expect(FelixError.is(error)).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('encodeFromDataplane', () => {
  it('says what Felix understands', () => {
    const decoded = (from: Parameters<typeof encodeFromDataplane>[0]) =>
      felix.FromDataplane.decode(encodeFromDataplane(from, 3n));
    const endpoint = { orchestrator: 'k8s', workload: 'ns/web', endpoint: 'eth0' };
    const time = new Date('2026-01-02T03:04:05.678Z');
    expect(decoded({ type: 'processStatus', time, uptime: 1.5 })).toEqual({
      sequenceNumber: 3n,
      payload: {
        $case: 'processStatusUpdate',
        value: { isoTimestamp: '2026-01-02T03:04:05.678Z', uptime: 1.5 },
      },
    });
    expect(decoded({ type: 'workloadEndpointStatus', id: endpoint, status: 'up' }).payload).toEqual({
      $case: 'workloadEndpointStatusUpdate',
      value: { id, status: { status: 'up' } },
    });
    expect(decoded({ type: 'workloadEndpointStatusRemove', id: endpoint }).payload).toEqual({
      $case: 'workloadEndpointStatusRemove',
      value: { id },
    });
    // Field 8 as a varint, field 10 as an empty message.
    expect([...encodeFromDataplane({ type: 'inSync' }, 3n)]).toEqual([0x40, 3, 0x52, 0]);
  });
});
