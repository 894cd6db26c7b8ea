import { type IPv4, ipv4, mac } from '@infra-offload/net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { AddressSetObject, IsolationObject, PolicyObject } from '../model/policy-objects.js';
import { aNode, aPod, Core } from '../testing/core.js';

const POD = 'pod/c1/eth0';
const PEER = ipv4('10.244.1.7');
const NEXT = ipv4('10.244.1.8');

const set = (addresses: readonly IPv4[]): AddressSetObject => ({
  kind: 'set',
  name: 'peers',
  addresses,
  cidrs: [],
  addressPorts: [],
});
const policy = (): PolicyObject => ({
  kind: 'policy',
  name: 'allow',
  ingress: [
    {
      action: 'allow',
      peers: [{ negated: false, cidrs: [], sets: ['peers'] }],
      ports: [],
      notPorts: [],
    },
  ],
  egress: [],
  agentConditions: [],
});
const isolation = (...policies: readonly string[]): IsolationObject => ({
  kind: 'isolation',
  namespace: 'default',
  name: 'pod-1',
  ingress: [{ policies, defaultAction: 'deny' }],
  egress: undefined,
  agentConditions: [],
});

let core: Core;
beforeEach(async () => {
  core = new Core();
  core.controller.upsert(aPod(1));
  core.tellPorts('mem1');
  await core.attach();
});
afterEach(() => core.stop());

const isolating = () => core.device.rows.filter(({ table }) => table.startsWith('policy_'));
const tables = () => [...new Set(isolating().map(({ table }) => table))];
const status = (key: Parameters<Core['controller']['status']>[0]) => core.controller.status(key);

async function isolate(): Promise<void> {
  core.controller.upsert(set([PEER]));
  core.controller.upsert(policy());
  core.controller.upsert(isolation('allow'));
  await core.settled();
}

describe('policies', () => {
  it('isolate the pods that they are for, in the directions that they have', async () => {
    expect(isolating()).toEqual([]);
    await isolate();
    for (const key of ['set/peers', 'policy/allow', 'isolation/default/pod-1', POD] as const)
      expect(status(key)?.state, key).toBe('programmed');
    expect(tables()).toContain('policy_ingress');
    expect(tables()).not.toContain('policy_egress');
    core.controller.remove('isolation/default/pod-1');
    await core.settled();
    expect(isolating()).toEqual([]);
    expect(status('isolation/default/pod-1')).toBeUndefined();
    expect(status('set/peers')?.state).toBe('programmed');
  });

  it('have owners, who tell which policies they are from', async () => {
    await isolate();
    const owners = core.controller.owners('policy/allow');
    expect(owners.length).toBeGreaterThan(0);
    for (const owner of owners) expect(core.controller.objectsOf(owner)).toContain('policy/allow');
    expect(core.controller.owners('policy/other')).toEqual([]);
  });

  it('follow their sets', async () => {
    await isolate();
    const before = core.device.rows;
    core.controller.upsert(set([PEER, NEXT]));
    await core.settled();
    expect(status('set/peers')?.state).toBe('programmed');
    expect(core.device.rows).not.toEqual(before);
    const { updates } = core.device;
    core.controller.upsert(set([PEER, NEXT]));
    await core.settled();
    expect(core.device.updates).toBe(updates);
  });

  it('that are missing let nothing in, and their isolation says so', async () => {
    core.controller.upsert(isolation('nowhere'));
    await core.settled();
    expect(status('isolation/default/pod-1')).toMatchObject({ state: 'degraded' });
    expect(status('isolation/default/pod-1')?.message).toMatch(/nowhere/);
    expect(tables()).toContain('policy_ingress');
  });

  it('of which a set makes no sense deny more, and say so', async () => {
    await isolate();
    core.controller.refuse('set/peers', 'addresses: make no sense');
    await core.settled();
    expect(status('set/peers')).toMatchObject({ state: 'degraded', reason: 'ObjectInvalid' });
    core.controller.upsert(set([PEER]));
    await core.settled();
    expect(status('set/peers')?.state).toBe('programmed');
    core.controller.refuse('isolation/default/pod-1', 'tiers: make no sense');
    await core.settled();
    expect(status('isolation/default/pod-1')).toMatchObject({ state: 'degraded', reason: 'ObjectInvalid' });
    expect(tables()).toContain('policy_ingress');
  });

  it('hold after a restart as before, without a write', async () => {
    await isolate();
    core.stop();
    const { device, store } = core;
    const { updates } = device;
    core = new Core({ store });
    await core.attach(device);
    expect(device.updates).toBe(updates);
    for (const key of ['set/peers', 'policy/allow', 'isolation/default/pod-1', POD] as const)
      expect(status(key)?.state, key).toBe('programmed');
  });

  it('always let the node in, which they follow', async () => {
    await isolate();
    const rows = () => core.device.rows.filter(({ table }) => table.startsWith('policy'));
    const before = rows();
    core.controller.upsert(aNode());
    core.tellPorts('mem0');
    await core.settled();
    const withNode = rows();
    expect(withNode).not.toEqual(before);
    // Another node than the first has no say.
    core.controller.upsert(
      aNode({
        name: 'node-2',
        host: { interfaceName: 'mem3', mac: mac(0x0200_0000_0003), addresses: [ipv4('10.9.9.9')] },
      }),
    );
    await core.settled();
    expect(rows()).toEqual(withNode);
    core.controller.remove('node/node-2');
    await core.settled();
    expect(rows()).toEqual(withNode);
    core.controller.upsert(aNode({ host: undefined }));
    await core.settled();
    expect(rows()).not.toEqual(withNode);
  });

  it('let the node in no more when it has gone', async () => {
    const rows = () => core.device.rows.filter(({ table }) => table.startsWith('policy'));
    core.controller.upsert(aNode());
    core.controller.remove('node/node-1');
    await isolate();
    const without = rows();
    core.controller.upsert(aNode());
    core.tellPorts('mem0');
    await core.settled();
    expect(rows()).not.toEqual(without);
    core.controller.remove('node/node-1');
    await core.settled();
    expect(new Set(rows())).toEqual(new Set(without));
  });

  it('isolate no pod that has no rows yet, and those that get some from their first packet', async () => {
    core.controller.upsert(aPod(2));
    core.controller.upsert({ ...isolation('allow'), name: 'pod-2' });
    await core.settled();
    const isolated = () => isolating().filter(({ table }) => table === 'policy_ingress').length;
    expect(isolated()).toBe(0);
    expect(core.controller.status('pod/c2/eth0')?.reason).toBe('InterfaceUnknown');
    core.tellPorts('mem2');
    await core.settled();
    expect(isolated()).toBe(1);
    core.controller.remove('pod/c2/eth0');
    await core.settled();
    expect(isolated()).toBe(0);
  });

  it('are told once all that changes together is worked out, if nobody asks before', async () => {
    core.told.length = 0;
    core.controller.upsert(set([PEER]));
    core.controller.upsert(policy());
    core.controller.upsert(isolation('allow'));
    expect(core.told).not.toContain('policy/allow');
    await core.settled();
    expect(core.told).toContain('policy/allow');
    expect(core.told).toContain('isolation/default/pod-1');
  });
});
