import { mac } from '@infra-offload/net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ObjectKey } from '../model/objects.js';
import { aPod, aService, Core, type InstantDevice, twoPods } from '../testing/core.js';

const POD: ObjectKey = 'pod/c1/eth0';
const WEB: ObjectKey = 'service/default/web:/TCP';

let core: Core;
beforeEach(() => {
  core = new Core();
});
afterEach(() => core.stop());

describe('when state was lost', () => {
  async function lose(): Promise<InstantDevice> {
    await twoPods(core);
    core.controller.upsert(aService('other', 11, [1]));
    core.controller.upsert(aService('web', 10, [1, 2]));
    await core.settled();
    core.stop();
    const { device } = core;
    core = new Core({ contents: { isWhole: false } });
    return device;
  }

  it('what the device holds stays until the snapshot, which then decides', async () => {
    const device = await lose();
    await core.attach(device);
    expect(core.controller.recovery.awaitsSnapshot).toBe(true);
    expect(device.keys('pod_forward')).toHaveLength(2);
    const generation = core.controller.beginSnapshot();
    core.controller.upsert(aPod(2));
    core.controller.sweep(generation);
    // Not before all is known that is wanted.
    await core.settled();
    expect(device.keys('pod_forward')).toHaveLength(2);
    core.tellPorts('mem2');
    await core.settled();
    expect(core.controller.recovery.awaitsSnapshot).toBe(false);
    expect(device.keys('pod_forward')).toEqual([`pod_forward/${aPod(2).ip}`]);
    expect(device.keys('endpoint')).toEqual([]);
  });

  it('nobody waits for a snapshot if nothing was lost, or the device holds nothing', async () => {
    const device = await lose();
    core = new Core({ store: core.store });
    await core.attach(device);
    expect(core.reconciler.kept).toBeGreaterThan(0);
    expect(core.controller.recovery.awaitsSnapshot).toBe(false);
    core.stop();
    core = new Core({ contents: { isWhole: false } });
    await core.attach();
    expect(core.controller.recovery.awaitsSnapshot).toBe(false);
  });

  it('ids of services that nobody wants any more rest after the snapshot', async () => {
    const device = await lose();
    await core.attach(device);
    const generation = core.controller.beginSnapshot();
    core.controller.upsert(aService('web', 10, [1, 2]));
    expect(core.store.contents().restingIds).toEqual([]);
    core.controller.sweep(generation);
    await core.settled();
    expect(core.store.contents().restingIds.map(([id]) => id)).toEqual([1]);
    expect(core.controller.recovery.hasSnapshot).toBe(true);
  });

  it('services get the ids back that the device has for them, whether they come before it or after', async () => {
    const before = [[2, WEB]];
    for (const early of [true, false]) {
      const device = await lose();
      const { updates } = device;
      const want = () => {
        core.controller.upsert(aPod(1));
        core.controller.upsert(aPod(2));
        core.tellPorts('mem1', 'mem2');
        core.controller.upsert(aService('web', 10, [1, 2]));
      };
      if (early) want();
      await core.attach(device);
      if (!early) want();
      await core.settled();
      expect([...core.controller.serviceIds()], `early: ${early}`).toEqual(before);
      expect(device.keys('endpoint')).toHaveLength(3);
      core.controller.sweep(core.controller.beginSnapshot() - 1);
      await core.settled();
      expect(device.keys('endpoint')).toHaveLength(2);
      expect(device.updates).toBeGreaterThan(updates);
      core.stop();
      core = new Core();
    }
  });
});

describe('since when a pod is there', () => {
  const since = (device = core.device) =>
    device.rows.flatMap((row) => (row.table === 'pod_forward' ? [row.since] : []));

  it('grows with its address and interface only, and stays over a restart', async () => {
    await core.attach();
    core.controller.upsert(aPod(1), 'now');
    core.tellPorts('mem1');
    await core.settled();
    const [first = 0] = since();
    core.controller.upsert(aPod(1, { name: 'renamed' }));
    await core.settled();
    expect(since()).toEqual([first]);
    core.controller.upsert(aPod(1, { mac: mac(0x0200_0000_0777) }));
    await core.settled();
    const [second = 0] = since();
    expect(second).toBeGreaterThan(first);
    core.stop();
    const { device, store } = core;
    core = new Core({ store });
    await core.attach(device);
    expect(since(device)).toEqual([second]);
  });

  it('is what the device knows, if it came earlier and state was lost', async () => {
    await core.attach();
    core.controller.upsert(aPod(1), 'now');
    core.tellPorts('mem1');
    await core.settled();
    const known = since();
    core.stop();
    const { device } = core;
    core = new Core({ contents: { isWhole: false } });
    core.now += 60_000;
    await core.attach(device);
    core.controller.upsert(aPod(1), 'earlier');
    core.tellPorts('mem1');
    await core.settled();
    expect(since(device)).toEqual(known);
    // One that comes now is new, whatever was there before.
    core.controller.remove(POD);
    core.controller.upsert(aPod(1), 'now');
    core.tellPorts('mem1');
    await core.settled();
    expect(since(device)[0]).toBeGreaterThan(known[0] ?? 0);
  });
});
