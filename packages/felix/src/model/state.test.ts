import { PolicyAction, type WantedObject } from '@infra-offload/infra-api';
import { describe, expect, it } from 'vitest';
import type { FelixMessage } from '../messages.js';
import { endpoint, podId, policy, policyId, profile, protocol, rule, tier } from '../testing/messages.js';
import { WireSemantics } from '../testing/wire-semantics.js';
import { FelixState } from './state.js';

const { POLICY_ACTION_DENY: DENY, POLICY_ACTION_PASS: PASS } = PolicyAction;

function stateOf(...messages: FelixMessage[]): FelixState {
  const state = new FelixState();
  for (const message of messages) state.apply(message);
  return state;
}

/** What the state tells now, in short: `+` and `-` with kind and name. */
function changes(state: FelixState): string[] {
  return state.takeChanges().map((change) => {
    if (change.type === 'remove') return `- ${change.reference.kind} ${change.reference.name}`;
    return `+ ${nameOf(change.object)}`;
  });
}

function nameOf({ object }: WantedObject): string {
  if (object?.$case === 'podIsolation') return `6 ${object.value.namespace}/${object.value.name}`;
  return `${object?.$case === 'addressSet' ? 4 : 5} ${object?.value.name}`;
}

function contents(state: FelixState): WireSemantics {
  const wire = new WireSemantics();
  for (const object of state.objects()) wire.upsert(object);
  return wire;
}

const allowFromA = { inbound: [rule({ srcIpSetIds: ['s:a'] })] };
const setA = (...members: string[]): FelixMessage => ({
  type: 'ipSetUpdate',
  id: 's:a',
  kind: 'ip',
  members,
});

describe('FelixState', () => {
  it('tells sets before policies before isolations, and takes them back the other way round', () => {
    const state = stateOf(
      endpoint('ns/web', { tiers: [tier('default', ['p'])], profiles: ['kns.ns'] }),
      policy('p', allowFromA),
      profile('kns.ns', {}),
      setA('10.0.0.1'),
    );
    expect(changes(state)).toEqual([
      '+ 4 ipset/s:a',
      '+ 5 profile/kns.ns',
      '+ 5 policy/default/p',
      '+ 6 ns/web',
    ]);
    expect(changes(state)).toEqual([]);
    state.apply({ type: 'workloadEndpointRemove', id: podId('ns/web') });
    expect(changes(state)).toEqual([
      '- 6 ns/web',
      '- 5 profile/kns.ns',
      '- 5 policy/default/p',
      '- 4 ipset/s:a',
    ]);
    expect(state.objects()).toEqual([]);
  });

  it('tells only what is different', () => {
    const state = stateOf(
      setA('10.0.0.1'),
      policy('p', allowFromA),
      policy('q', {}),
      endpoint('ns/web', { tiers: [tier('default', ['p', 'q'])] }),
      endpoint('ns/db', { tiers: [tier('default', ['q'])] }),
    );
    changes(state);
    state.apply(policy('p', allowFromA));
    state.apply(setA('10.0.0.1'));
    state.apply({ type: 'ipSetDelta', id: 's:a', added: ['10.0.0.1', 'fd00::1'], removed: ['10.0.0.9'] });
    expect(changes(state)).toEqual([]);
    state.apply({ type: 'ipSetDelta', id: 's:a', added: ['10.0.0.2'], removed: ['10.0.0.1'] });
    expect(changes(state)).toEqual(['+ 4 ipset/s:a']);
    expect(contents(state).sets.get('ipset/s:a')?.cidrs).toEqual(['10.0.0.2']);
    state.apply(policy('p', {}));
    expect(changes(state)).toEqual(['+ 5 policy/default/p', '- 4 ipset/s:a']);
  });

  it('has no objects for what no pod uses', () => {
    expect(changes(stateOf(setA('10.0.0.1'), policy('p', allowFromA), profile('x', {})))).toEqual([]);
  });

  it('puts tiers with policies in order, passes what they say, and profiles last', () => {
    const state = stateOf(
      endpoint('ns/web', {
        tiers: [
          { ...tier('first', ['a', 'b']), defaultAction: 'Pass' },
          { ...tier('staged', ['staged:c', 'ns/staged:knp.d']) },
          { ...tier('default', ['e'], ['f']), defaultAction: 'Deny' },
        ],
        profiles: ['kns.ns', 'ksa.ns.default'],
      }),
    );
    const isolation = contents(state).isolations.get('ns/web');
    const last = { policies: ['profile/kns.ns', 'profile/ksa.ns.default'], defaultAction: DENY };
    expect(isolation?.ingress?.tiers).toEqual([
      { policies: ['policy/first/a', 'policy/first/b'], defaultAction: PASS },
      { policies: ['policy/default/e'], defaultAction: DENY },
      last,
    ]);
    expect(isolation?.egress?.tiers).toEqual([{ policies: ['policy/default/f'], defaultAction: DENY }, last]);
    expect(isolation?.conditions).toEqual([]);
  });

  it('knows policies by kind, namespace and name, too, and ignores staged ones', () => {
    const id = { tier: '', name: 'web', namespace: 'ns', kind: 'NetworkPolicy' };
    const staged = { ...id, kind: 'StagedKubernetesNetworkPolicy' };
    const state = stateOf(
      {
        type: 'policyUpdate',
        id,
        policy: { inbound: [rule()], outbound: [], untracked: false, preDnat: false },
      },
      endpoint('ns/web', {
        tiers: [{ name: 'default', ingress: [staged, id], egress: [staged], defaultAction: '' }],
      }),
    );
    const wire = contents(state);
    expect(wire.policies.get('policy/NetworkPolicy/ns/web')?.ingress).toHaveLength(1);
    expect(wire.isolations.get('ns/web')?.egress?.tiers).toHaveLength(1);
  });

  it('lets nothing pass at an endpoint that is not active, or is one of several of a pod', () => {
    const state = stateOf(profile('x', { inbound: [rule()] }), endpoint('ns/web', { profiles: ['x'] }));
    const tiers = () => contents(state).isolations.get('ns/web')?.ingress?.tiers.length;
    expect(tiers()).toBe(1);
    state.apply(endpoint('ns/web', { profiles: ['x'], state: 'inactive' }));
    expect(tiers()).toBe(0);
    state.apply(endpoint('ns/web', { profiles: ['x'] }));
    const second = { ...podId('ns/web'), endpoint: 'eth1' };
    state.apply({
      type: 'workloadEndpointUpdate',
      id: second,
      endpoint: { state: 'active', profiles: ['x'], ipv4Nets: [], tiers: [] },
    });
    expect(tiers()).toBe(0);
    expect(contents(state).isolations.get('ns/web')?.conditions[0]?.reason).toBe('SeveralEndpoints');
    state.apply({ type: 'workloadEndpointRemove', id: second });
    expect(tiers()).toBe(1);
  });

  it('resolves what rules say of the own address for each pod', () => {
    const rules = {
      inbound: [rule({ dstNet: ['10.0.0.2'], protocol: protocol('tcp') }), rule({ action: 'deny' })],
    };
    const tiers = [tier('default', ['p'])];
    const state = stateOf(
      policy('p', rules),
      endpoint('ns/a', { tiers }),
      endpoint('ns/b', { tiers }),
      endpoint('ns/c', { tiers, ipv4Nets: ['10.0.0.3/32'] }),
      endpoint('ns/d', { tiers, ipv4Nets: ['10.0.0.2/32', '10.0.0.3/32'] }),
    );
    const wire = contents(state);
    const policyFor = (pod: string) => {
      const name = wire.isolations.get(pod)?.ingress?.tiers[0]?.policies[0] ?? '';
      const found = wire.policies.get(name);
      return {
        name,
        rules: found?.ingress.length,
        conditions: found?.conditions.map(({ reason }) => reason),
      };
    };
    expect(policyFor('ns/a')).toMatchObject({ rules: 2, conditions: [] });
    expect(policyFor('ns/b').name).toBe(policyFor('ns/a').name);
    expect(policyFor('ns/c')).toMatchObject({ rules: 1, conditions: [] });
    expect(policyFor('ns/d')).toMatchObject({ rules: 1, conditions: ['OwnAddressNotSupported'] });
    changes(state);
    state.apply(policy('p', { inbound: [rule()] }));
    expect(changes(state).filter((change) => change.startsWith('- 5'))).toHaveLength(3);
  });

  it('passes a change of an unknown set over, and denies what depends on that set until it is told', () => {
    const state = stateOf(policy('p', allowFromA), endpoint('ns/web', { tiers: [tier('default', ['p'])] }));
    const conditions = () => contents(state).policies.get('policy/default/p')?.conditions;
    const delta: FelixMessage = { type: 'ipSetDelta', id: 's:a', added: ['10.0.0.1'], removed: [] };
    expect(state.apply(delta)).toMatch(/unknown IP set s:a/);
    expect(conditions()).toEqual([
      {
        reason: 'IpSetUnknown',
        message: 'ingress rule 1 (allow): IP set s:a has not been sent: it is left out',
      },
    ]);
    state.apply(setA('10.0.0.1'));
    expect(conditions()).toEqual([]);
    state.apply(setA('10.0.0.1', 'somewhere'));
    expect(conditions()?.[0]?.reason).toBe('IpSetInvalid');
  });

  it('reports what applies to no pod', () => {
    const state = stateOf(
      { type: 'hostEndpointUpdate', id: 'node-1-eth0', name: 'eth0', hasPolicy: true },
      { type: 'hostEndpointUpdate', id: 'node-1-eth1', name: 'eth1', hasPolicy: false },
      {
        type: 'workloadEndpointUpdate',
        id: { orchestrator: 'openstack', workload: 'vm', endpoint: 'tap' },
        endpoint: { state: 'active', profiles: [], ipv4Nets: [], tiers: [] },
      },
    );
    const reports = [...contents(state).policies.values()].map(({ name, conditions }) => [
      name,
      conditions[0]?.reason,
    ]);
    expect(reports).toEqual([
      ['host-endpoint/node-1-eth0', 'HostEndpointsNotSupported'],
      ['workload/openstack/vm/tap', 'WorkloadNotSupported'],
    ]);
    changes(state);
    state.apply({ type: 'hostEndpointRemove', id: 'node-1-eth0' });
    expect(changes(state)).toEqual(['- 5 host-endpoint/node-1-eth0']);
  });

  it('says of policies that are untracked or before DNAT what they cannot be', () => {
    const untracked: FelixMessage = {
      type: 'policyUpdate',
      id: policyId('p'),
      policy: { inbound: [rule(), rule({ action: 'deny' })], outbound: [], untracked: true, preDnat: true },
    };
    const found = contents(stateOf(untracked, endpoint('ns/web', { tiers: [tier('default', ['p'])] })));
    const wire = found.policies.get('policy/default/p');
    expect(wire?.ingress.map(({ action }) => action)).toEqual([DENY]);
    expect(wire?.conditions.map(({ reason }) => reason)).toEqual([
      'UntrackedNotSupported',
      'PreDnatNotSupported',
    ]);
  });

  it('keeps what else Felix says, and tells what was never told', () => {
    const state = stateOf(
      { type: 'config', config: { ReportingIntervalSecs: '30' } },
      { type: 'hostMetadataUpdate', hostname: 'node-1', ipv4Address: '192.0.2.1' },
    );
    expect(state.isInSync).toBe(false);
    expect(state.apply({ type: 'inSync' })).toBeUndefined();
    expect([state.isInSync, state.config, [...state.hosts]]).toEqual([
      true,
      { ReportingIntervalSecs: '30' },
      [['node-1', '192.0.2.1']],
    ]);
    expect(state.apply({ type: 'unused', name: 'route_update' })).toBeUndefined();
    const never: FelixMessage[] = [
      { type: 'unknown', field: 99 },
      { type: 'ipSetRemove', id: 's:a' },
      { type: 'policyRemove', id: policyId('p') },
      { type: 'profileRemove', name: 'x' },
      { type: 'workloadEndpointRemove', id: podId('ns/web') },
      { type: 'hostMetadataRemove', hostname: 'node-2' },
    ];
    for (const message of never) expect(state.apply(message)).toMatch(/never sent|: ignored/);
    expect(state.takeChanges()).toEqual([]);
  });

  it('gives names that the manager takes, and different ones to different policies', () => {
    const odd = ['a/b', 'b', 'x'.repeat(600), 'new\nline', '%'];
    const state = stateOf(
      ...odd.flatMap((name) => [policy(name, {}, 'a'), policy(name, {}, 'a/a')]),
      endpoint('ns/web', { tiers: [tier('a', odd), tier('a/a', odd)] }),
    );
    const names = [...contents(state).policies.keys()];
    expect(new Set(names).size).toBe(10);
    expect(names.every((name) => Buffer.byteLength(name) <= 300 && !/\p{C}/u.test(name))).toBe(true);
  });
});
