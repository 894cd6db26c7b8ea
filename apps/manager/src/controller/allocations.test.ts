import { ipv4 } from '@infra-offload/net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { condition } from '../model/condition.js';
import { aPod, aService, Core, coreDriver } from '../testing/core.js';
import { MemoryStore } from '../testing/policy-world.js';

const WEB = 'service/default/web:/TCP';

let core: Core;
beforeEach(async () => {
  await start({ drainSeconds: 60 });
});
afterEach(() => {
  core.stop();
  vi.useRealTimers();
});

async function start(options: ConstructorParameters<typeof Core>[0]): Promise<void> {
  core?.stop();
  core = new Core(options);
  await core.attach();
}

const ids = () =>
  Object.fromEntries([...core.controller.serviceIds()].map(([id, key]) => [key.split('/')[2], id]));
const endpoints = () =>
  core.device.rows.flatMap((row) =>
    row.table === 'endpoint'
      ? [{ slot: row.id & 255, ip: row.ip - ipv4('10.244.1.0'), draining: row.isDraining }]
      : [],
  );

describe('ids of services', () => {
  it('rest after their service has gone, unless there are no others', async () => {
    core.controller.upsert(aService('a', 1, []));
    core.controller.remove('service/default/a:/TCP');
    core.controller.upsert(aService('b', 2, []));
    expect(ids()).toEqual({ 'b:': 2 });
    await start({ driver: { ...coreDriver, limits: { ...coreDriver.limits, serviceIds: 1 } } });
    core.controller.upsert(aService('a', 1, []));
    core.controller.remove('service/default/a:/TCP');
    core.controller.upsert(aService('b', 2, []));
    expect(ids()).toEqual({ 'b:': 1 });
  });

  it('rest over a restart, too', async () => {
    core.controller.upsert(aService('a', 1, []));
    core.controller.remove('service/default/a:/TCP');
    expect(core.store.contents().restingIds).toEqual([[1, core.now]]);
    await start({ store: core.store });
    core.controller.upsert(aService('b', 2, []));
    expect(ids()).toEqual({ 'b:': 2 });
    core.controller.remove('service/default/b:/TCP');
    // Those in use are awake.
    await start({
      store: core.store,
      driver: { ...coreDriver, limits: { ...coreDriver.limits, serviceIds: 2 } },
    });
    core.controller.upsert(aService('c', 3, []));
    core.controller.upsert(aService('d', 4, []));
    expect(core.store.contents().restingIds).toEqual([]);
    expect(ids()).toEqual({ 'c:': 1, 'd:': 2 });
  });

  it('of those that a smaller target has not are given anew', async () => {
    for (const i of [1, 2, 3]) core.controller.upsert(aService(`s${i}`, i, []));
    core.controller.remove('service/default/s1:/TCP');
    await start({
      store: core.store,
      driver: { ...coreDriver, limits: { ...coreDriver.limits, serviceIds: 2 } },
    });
    expect(ids()).toEqual({ 's2:': 2, 's3:': 1 });
    const slots = 100;
    await start({ store: core.store, driver: { ...coreDriver, limits: { ...coreDriver.limits, slots } } });
    expect(core.store.contents().records.get('service/default/s2:/TCP')?.plan?.size).toBe(slots);
  });

  it('that are all in use are had by the next service that waits, one after the other', async () => {
    await start({ driver: { ...coreDriver, limits: { ...coreDriver.limits, serviceIds: 1 } } });
    for (const [i, name] of ['a', 'b', 'c'].entries()) core.controller.upsert(aService(name, i + 1, []));
    core.controller.remove('service/default/b:/TCP');
    core.controller.remove('service/default/a:/TCP');
    await core.settled();
    expect(ids()).toEqual({ 'c:': 1 });
    core.controller.remove('service/default/c:/TCP');
    await core.settled();
    expect(ids()).toEqual({});
  });
});

describe('slots of endpoints', () => {
  it('stay, and one that drains has its own until it is over', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    core.controller.upsert(aService('web', 10, [1, 2]));
    await core.settled();
    const [first] = endpoints().filter(({ ip }) => ip === 1);
    core.controller.upsert(aService('web', 10, [2, 3]));
    await core.settled();
    expect(endpoints()).toContainEqual({ ...first, draining: true });
    expect(endpoints()).toHaveLength(3);
    core.now += 60_000;
    vi.advanceTimersByTime(60_000);
    await core.settled();
    expect(
      endpoints()
        .map(({ ip }) => ip)
        .sort(),
    ).toEqual([2, 3]);
  });

  it('drain for TCP only, and not where clients are remembered', async () => {
    for (const [more, left] of [
      [{}, 1],
      [{ protocol: 'UDP' as const }, 0],
      [{ affinitySeconds: 100 }, 0],
    ] as const) {
      await start({ drainSeconds: 60 });
      core.controller.upsert(aService('web', 10, [1, 2], more));
      core.controller.upsert(aService('web', 10, [2], more));
      await core.settled();
      expect(
        endpoints().filter(({ draining }) => draining),
        JSON.stringify(more),
      ).toHaveLength(left);
    }
  });

  it('are not given to another endpoint for as long as flows may remember them', async () => {
    const more = { affinitySeconds: 100 };
    core.controller.upsert(aService('web', 10, [1, 2], more));
    await core.settled();
    const slotOf = (of: number) => endpoints().find(({ ip }) => ip === of)?.slot;
    const before = slotOf(1);
    core.controller.upsert(aService('web', 10, [2], more));
    core.controller.upsert(aService('web', 10, [2, 3], more));
    await core.settled();
    expect(slotOf(3)).not.toBe(before);
  });

  it('of a pod that is gone do not drain, neither then nor when they leave later', async () => {
    for (const i of [1, 2]) core.controller.upsert(aPod(i));
    core.tellPorts('mem1', 'mem2');
    core.controller.upsert(aService('web', 10, [1, 2]));
    core.controller.upsert(aService('web', 10, [2]));
    await core.settled();
    expect(endpoints().filter(({ draining }) => draining)).toHaveLength(1);
    core.controller.remove('pod/c1/eth0');
    await core.settled();
    expect(endpoints().filter(({ draining }) => draining)).toEqual([]);
    core.controller.remove('pod/c2/eth0');
    core.controller.upsert(aService('web', 10, []));
    await core.settled();
    expect(endpoints()).toEqual([]);
    // Also after a restart.
    await start({ store: core.store, drainSeconds: 60 });
    core.controller.upsert(aService('web', 10, [1]));
    core.controller.upsert(aService('web', 10, []));
    await core.settled();
    expect(endpoints()).toEqual([]);
    // Until a pod has the address again.
    core.controller.upsert(aPod(1));
    core.controller.upsert(aService('web', 10, [1]));
    core.controller.upsert(aService('web', 10, []));
    await core.settled();
    expect(endpoints()).toHaveLength(1);
  });

  it('of two pods with one address drain until both are gone, over a restart, too', async () => {
    core.controller.upsert(aPod(1));
    core.controller.upsert(aPod(2, { ip: aPod(1).ip }));
    core.controller.upsert(aService('web', 10, [1]));
    core.controller.upsert(aService('web', 10, []));
    await start({ store: core.store, drainSeconds: 60 });
    core.controller.remove('pod/c1/eth0');
    await core.settled();
    expect(endpoints()).toHaveLength(1);
    core.controller.remove('pod/c2/eth0');
    await core.settled();
    expect(endpoints()).toEqual([]);
  });

  it('drain after a change of address of a pod no more', async () => {
    core.controller.upsert(aPod(1));
    core.tellPorts('mem1');
    core.controller.upsert(aService('web', 10, [1]));
    core.controller.upsert(aService('web', 10, []));
    await core.settled();
    expect(endpoints()).toHaveLength(1);
    core.controller.upsert(aPod(1, { ip: ipv4('10.244.1.99') }));
    await core.settled();
    expect(endpoints()).toEqual([]);
  });
});

it('a service that was deleted keeps its frontend for as long as something drains, over a restart, too', async () => {
  for (const i of [1, 2]) core.controller.upsert(aPod(i));
  core.controller.upsert(aService('web', 10, [1, 2]));
  core.controller.remove(WEB);
  await start({ store: core.store, drainSeconds: 60 });
  core.controller.remove('pod/c1/eth0');
  await core.settled();
  expect(endpoints()).toHaveLength(1);
  const frontend = { address: ipv4('10.96.0.10'), port: 80 };
  expect(core.store.contents().records.get(WEB)).toMatchObject({ frontend });
});

it('a service that the target cannot serve has no id, and says why', async () => {
  const refusal = condition('ProtocolNotSupported', 'not here');
  await start({ driver: { ...coreDriver, refusal: () => refusal } });
  core.controller.upsert(aService('web', 10, [1]));
  expect(core.controller.status(WEB)).toMatchObject({ state: 'degraded', reason: 'ProtocolNotSupported' });
  expect(ids()).toEqual({});
});

describe('buckets of a target without groups', () => {
  const driver = { ...coreDriver, limits: { ...coreDriver.limits, buckets: 8 } };

  it('name slots of endpoints, and stay over a restart', async () => {
    await start({ driver });
    core.controller.upsert(aService('web', 10, [1, 2]));
    const buckets = () => core.store.contents().records.get(WEB)?.buckets ?? [];
    const before = buckets();
    expect(before).toHaveLength(8);
    expect(new Set(before).size).toBe(2);
    await start({ driver, store: core.store });
    core.controller.upsert(aService('web', 10, [1, 2, 3]));
    expect(buckets().filter((slot, i) => slot === before[i]).length).toBeGreaterThan(4);
    expect(new Set(buckets()).size).toBe(3);
  });

  it('are given up with a target that has others', async () => {
    await start({ driver });
    core.controller.upsert(aService('web', 10, [1, 2]));
    await start({ store: core.store });
    core.controller.upsert(aService('web', 10, [1, 2]));
    expect(core.store.contents().records.get(WEB)?.buckets).toBeUndefined();
  });
});

it('a store that is empty restores nothing', async () => {
  await start({ store: new MemoryStore() });
  expect([...core.controller.statuses()]).toEqual([]);
});
