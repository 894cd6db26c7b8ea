import { ipv4, mac } from '@infra-offload/net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectKey } from '../model/objects.js';
import { aNode, aPod, aService, Core, coreDriver, twoPods } from '../testing/core.js';

const POD: ObjectKey = 'pod/c1/eth0';
const OTHER: ObjectKey = 'pod/c2/eth0';
const WEB: ObjectKey = 'service/default/web:/TCP';

let core: Core;
beforeEach(() => {
  core = new Core();
});
afterEach(() => core.stop());

const state = (key: ObjectKey) => core.controller.status(key)?.state;
const reason = (key: ObjectKey) => core.controller.status(key)?.reason;

describe('an object', () => {
  it('is pending while there is no target, or its port is not known, and programmed with its rows in the device', async () => {
    core.controller.upsert(aPod(1));
    expect(core.controller.status(POD)).toMatchObject({ state: 'pending', reason: 'TargetUnavailable' });
    expect(core.controller.isSettled(POD)).toBe(false);
    await core.attach();
    expect(core.controller.status(POD)).toMatchObject({ state: 'pending', reason: 'InterfaceUnknown' });
    expect(core.device.keys('pod_forward')).toEqual([]);
    core.tellPorts('mem1');
    await core.settled();
    expect(core.controller.status(POD)).toEqual({ state: 'programmed', reason: '', message: '' });
    expect(core.controller.isSettled(POD)).toBe(true);
    expect(core.device.keys('pod_forward')).toEqual([`pod_forward/${ipv4('10.244.1.1')}`]);
    core.detach();
    expect(reason(POD)).toBe('TargetUnavailable');
  });

  it('that is removed leaves nothing behind, in the device, the store or what is told', async () => {
    await twoPods(core);
    core.told.length = 0;
    core.controller.remove(POD);
    await core.settled();
    expect(core.controller.status(POD)).toBeUndefined();
    expect(core.controller.isSettled(POD)).toBe(true);
    expect(core.controller.object(POD)).toBeUndefined();
    expect([...core.controller.statuses()].map(([key]) => key)).toEqual([OTHER]);
    expect([...core.store.contents().records.keys()]).toEqual([OTHER]);
    expect(core.told).toContain(POD);
    expect(core.device.keys('pod_forward')).toEqual([`pod_forward/${ipv4('10.244.1.2')}`]);
    expect(core.controller.interfaces()).toEqual(['mem2']);
    core.controller.remove('pod/never/there');
  });

  it('that comes again unchanged costs nothing; a changed one costs what has changed', async () => {
    await twoPods(core);
    const { updates } = core.device;
    core.controller.upsert(aPod(1));
    await core.settled();
    expect(core.device.updates).toBe(updates);
    core.controller.upsert(aPod(1, { ip: ipv4('10.244.1.9') }));
    await core.settled();
    expect(core.device.keys('pod_forward')).toEqual(
      ['10.244.1.2', '10.244.1.9'].map((ip) => `pod_forward/${ipv4(ip)}`).sort(),
    );
    // A pod has a few rows and the epoch of flows; the other one was not touched.
    expect(core.device.updates - updates).toBeLessThan(10);
  });

  it('asks for the port of its interface, anew when its MAC address has changed', async () => {
    core.controller.upsert(aPod(1));
    expect(core.requested).toContain('mem1');
    core.tellPorts('mem1');
    core.requested.length = 0;
    core.controller.upsert(aPod(1, { name: 'renamed' }));
    expect(core.requested).toEqual([]);
    core.controller.upsert(aPod(1, { mac: mac(0x0200_0000_0999) }));
    expect(core.requested).toEqual(['mem1']);
  });

  it('is told as degraded while its interface is missing', async () => {
    await core.attach();
    core.controller.upsert(aPod(1));
    core.controller.setPort('mem1', { kind: 'missing', message: 'no such interface' });
    expect(core.controller.status(POD)).toEqual({
      state: 'degraded',
      reason: 'InterfaceNotFound',
      message: 'no such interface',
    });
    core.tellPorts('mem1');
    await core.settled();
    expect(state(POD)).toBe('programmed');
  });

  it('of which a newer version makes no sense keeps the older one, and says so', async () => {
    await twoPods(core);
    core.controller.refuse(POD, 'mac: is no MAC address');
    expect(core.controller.status(POD)).toEqual({
      state: 'degraded',
      reason: 'ObjectInvalid',
      message: 'mac: is no MAC address; the version before it stays in force',
    });
    expect(core.device.keys('pod_forward')).toHaveLength(2);
    core.controller.upsert(aPod(1));
    expect(state(POD)).toBe('programmed');

    core.controller.refuse('pod/c3/eth0', 'name: is empty');
    expect(core.controller.status('pod/c3/eth0')?.message).toBe('name: is empty');
    expect([...core.controller.statuses()].map(([key]) => key)).toContain('pod/c3/eth0');
    core.controller.remove('pod/c3/eth0');
    expect(core.controller.status('pod/c3/eth0')).toBeUndefined();
  });

  it('that the device refuses is degraded, and tried again', async () => {
    core.device.refuses = (row) => (row?.table === 'pod_forward' ? 'RESOURCE_EXHAUSTED' : undefined);
    await twoPods(core);
    expect(core.controller.status(POD)).toMatchObject({ state: 'degraded', reason: 'TableFull' });
    core.device.refuses = () => undefined;
    await expect.poll(() => state(POD)).toBe('programmed');
  });

  it('whose removal the device refuses is told until it has gone', async () => {
    await twoPods(core);
    core.device.refuses = () => 'INVALID_ARGUMENT';
    core.controller.remove(POD);
    await core.settled();
    expect([...core.controller.statuses()]).toContainEqual([
      POD,
      expect.objectContaining({ state: 'degraded', reason: 'WriteFailed' }),
    ]);
    core.device.refuses = () => undefined;
    await expect.poll(() => core.controller.status(POD)).toBeUndefined();
  });

  it('tells who listens of each change once, until they listen no more', async () => {
    const heard: ObjectKey[] = [];
    const stop = core.controller.onStatus((key) => void heard.push(key));
    await core.attach();
    core.controller.upsert(aPod(1));
    core.controller.upsert(aPod(1));
    expect(heard).toEqual([POD]);
    stop();
    core.tellPorts('mem1');
    await core.settled();
    expect(heard).toEqual([POD]);
  });

  it('has owners of its rows, who know it', async () => {
    await twoPods(core);
    const [owner] = core.controller.owners(POD);
    expect(owner?.key).toBe(POD);
    expect(owner && core.controller.objectsOf(owner)).toEqual([POD]);
    expect(core.controller.owners('pod/c9/eth0')).toEqual([]);
    expect(core.controller.macOf('mem2')).toBe(aPod(2).mac);
    expect(core.controller.macOf('mem9')).toBeUndefined();
  });
});

describe('what two objects claim', () => {
  it('belongs to the first, until that goes; then to the other', async () => {
    await twoPods(core);
    core.controller.upsert(aPod(2, { ip: aPod(1).ip }));
    await core.settled();
    expect(core.controller.status(OTHER)).toEqual({
      state: 'degraded',
      reason: 'AddressConflict',
      message: 'address 10.244.1.1 is held by pod c1/eth0',
    });
    expect(state(POD)).toBe('programmed');
    core.controller.remove(POD);
    await core.settled();
    expect(state(OTHER)).toBe('programmed');
    expect(core.device.rows).toContainEqual(
      expect.objectContaining({ table: 'pod_forward', ip: aPod(1).ip, port: 2 }),
    );
  });

  it('makes who has no interface of its own unreachable', async () => {
    const reachable: typeof coreDriver.reachable = ({ endpoints }, { resident }) =>
      endpoints.filter(({ address }) => resident(address) !== undefined);
    core = new Core({ driver: { ...coreDriver, reachable } });
    core.controller.upsert(aPod(1));
    core.controller.upsert(aPod(2, { interfaceName: 'mem1' }));
    core.tellPorts('mem1');
    await core.attach();
    core.controller.upsert(aService('web', 10, [1, 2]));
    await core.settled();
    expect(reason(OTHER)).toBe('InterfaceConflict');
    const reached = () => core.device.rows.flatMap((row) => (row.table === 'endpoint' ? [row.ip] : []));
    expect(reached()).toEqual([aPod(1).ip]);
    core.controller.remove(POD);
    await core.settled();
    expect(reached()).toEqual([aPod(2).ip]);
  });

  it('can be asked before', async () => {
    await twoPods(core);
    expect(core.controller.conflict(aPod(3, { interfaceName: 'mem1' }))).toEqual({
      severity: 'degraded',
      reason: 'InterfaceConflict',
      message: 'interface mem1 is held by pod c1/eth0',
    });
    expect(core.controller.conflict(aPod(3))).toBeUndefined();
    // What it has itself is none.
    expect(core.controller.conflict(aPod(1))).toBeUndefined();
  });

  it('is lost over a restart, too', async () => {
    await twoPods(core);
    core.controller.upsert(aPod(2, { ip: aPod(1).ip }));
    await core.settled();
    core.stop();
    const { device } = core;
    core = new Core({ store: core.store });
    await core.attach(device);
    expect(reason(OTHER)).toBe('AddressConflict');
    expect(state(POD)).toBe('programmed');
  });
});

describe('a snapshot', () => {
  it('removes what it does not name, of the objects of Sync', async () => {
    await twoPods(core);
    core.controller.upsert(aPod(3, { attachmentId: '~ipdk/c3' }));
    core.controller.refuse('pod/c4/eth0', 'no sense');
    const generation = core.controller.beginSnapshot();
    core.controller.upsert(aPod(2));
    core.controller.refuse('pod/c5/eth0', 'no sense');
    expect(core.controller.sweep(generation)).toEqual([POD, 'pod/c4/eth0']);
    await core.settled();
    expect([...core.controller.statuses()].map(([key]) => key).sort()).toEqual([
      OTHER,
      'pod/c5/eth0',
      'pod/~ipdk/c3',
    ]);
    expect(core.controller.sweep(generation)).toEqual([]);
  });
});

describe('a service', () => {
  it('sends to the pods that it has, and waits for those without a port where the target needs that', async () => {
    const reachable: typeof coreDriver.reachable = ({ endpoints }, { resident }) =>
      endpoints.filter(({ address }) => resident(address) !== undefined);
    core = new Core({ driver: { ...coreDriver, reachable } });
    await core.attach();
    core.controller.upsert(aService('web', 10, [1, 2]));
    await core.settled();
    expect(core.device.keys('endpoint')).toEqual([]);
    core.controller.upsert(aPod(1));
    core.tellPorts('mem1');
    await core.settled();
    const reached = () => core.device.rows.flatMap((row) => (row.table === 'endpoint' ? [row.ip] : []));
    expect(reached()).toEqual([ipv4('10.244.1.1')]);
    core.controller.upsert(aPod(2));
    core.tellPorts('mem2');
    await core.settled();
    expect(reached().sort()).toEqual([ipv4('10.244.1.1'), ipv4('10.244.1.2')]);
    expect(state(WEB)).toBe('programmed');
    core.controller.remove(POD);
    await core.settled();
    expect(reached()).toEqual([ipv4('10.244.1.2')]);
  });

  it('has the same id and slots after a restart', async () => {
    await twoPods(core);
    core.controller.upsert(aService('other', 11, [1]));
    core.controller.upsert(aService('web', 10, [1, 2]));
    await core.settled();
    const before = [...core.controller.serviceIds()];
    expect(before.map(([, key]) => key)).toEqual(['service/default/other:/TCP', WEB]);
    core.stop();
    const { device } = core;
    core = new Core({ store: core.store });
    const { updates } = device;
    await core.attach(device);
    expect([...core.controller.serviceIds()]).toEqual(before);
    expect(device.updates).toBe(updates);
    expect(core.controller.recovery.hasSnapshot).toBe(false);
  });

  it('that carries conditions of the agent is degraded, with all of them in the message', async () => {
    await twoPods(core);
    const agentConditions = [
      { reason: 'NodePortUnsupported', message: 'node ports are not served' },
      { reason: 'Second', message: 'nor is this' },
    ];
    core.controller.upsert(aService('web', 10, [1], { agentConditions }));
    await core.settled();
    expect(core.controller.status(WEB)).toEqual({
      state: 'degraded',
      reason: 'NodePortUnsupported',
      message: 'node ports are not served; nor is this',
    });
  });

  it('that finds no id says so, and gets the first that is free', async () => {
    const limits = { ...coreDriver.limits, serviceIds: 1 };
    core = new Core({ driver: { ...coreDriver, limits } });
    await twoPods(core);
    core.controller.upsert(aService('first', 11, [1]));
    core.controller.upsert(aService('web', 10, [1]));
    await core.settled();
    expect(core.controller.status(WEB)).toMatchObject({
      state: 'degraded',
      reason: 'IdsExhausted',
      message: expect.stringContaining('all 1 service ids are in use'),
    });
    core.controller.remove('service/default/first:/TCP');
    await core.settled();
    expect(state(WEB)).toBe('programmed');
    expect([...core.controller.serviceIds()]).toEqual([[1, WEB]]);
  });

  it('drains what left it, and goes when the last drain is over', async () => {
    core = new Core({ drainSeconds: 60 });
    await twoPods(core);
    core.controller.upsert(aService('web', 10, [1, 2]));
    await core.settled();
    core.controller.upsert(aService('web', 10, [2]));
    await core.settled();
    const draining = () =>
      core.device.rows.flatMap((row) => (row.table === 'endpoint' && row.isDraining ? [row.ip] : []));
    expect(draining()).toEqual([ipv4('10.244.1.1')]);
    core.controller.remove(WEB);
    await core.settled();
    expect(draining().sort()).toEqual([ipv4('10.244.1.1'), ipv4('10.244.1.2')]);
    expect(core.store.contents().records.get(WEB)).toMatchObject({ frontend: { port: 80 } });
    // Where no pod is any more, nothing drains.
    core.controller.remove(POD);
    core.controller.remove(OTHER);
    await core.settled();
    expect(core.device.keys('endpoint')).toEqual([]);
    expect(core.controller.status(WEB)).toBeUndefined();
    const { records, restingIds, departedAddresses } = core.store.contents();
    expect([...records.keys()]).toEqual([]);
    expect(restingIds.map(([id]) => id)).toEqual([1]);
    expect(departedAddresses.map(([address]) => address)).toEqual([aPod(1).ip, aPod(2).ip]);
  });
});

describe('the node', () => {
  it('has an interface of its own, whose MAC address is told, and is one', async () => {
    await core.attach();
    core.controller.upsert(aNode());
    core.tellPorts('mem0');
    await core.settled();
    expect(state('node/node-1')).toBe('programmed');
    expect(core.controller.macOf('mem0')).toBe(aNode().host?.mac);
    core.controller.upsert(aNode({ name: 'node-2' }));
    expect(core.controller.status('node/node-2')).toMatchObject({
      state: 'degraded',
      reason: 'NodeConflict',
    });
    core.controller.remove('node/node-1');
    await core.settled();
    expect(state('node/node-2')).toBe('programmed');
  });

  it('is where its addresses are reached', async () => {
    await core.attach();
    core.controller.upsert(aNode());
    core.controller.upsert(aService('web', 10, [254]));
    core.tellPorts('mem0');
    await core.settled();
    expect(core.device.rows.filter((row) => row.table === 'endpoint')).toHaveLength(1);
  });
});
