import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  group,
  leaf,
  NotingDevice,
  settled,
  ToyReconcilers,
  toyCodecWithFlows,
} from '../testing/toy-device.js';

let world: ToyReconcilers;
let device: NotingDevice;
let owner: ToyReconcilers['owner'];
beforeEach(() => {
  world = new ToyReconcilers();
  ({ device, owner } = world);
});
afterEach(() => world.stop());

describe('an audit', () => {
  it('finds what is lost, changed or extra, and repairs it', async () => {
    const reconciler = world.start();
    reconciler.setWanted(owner, [leaf(1), leaf(2), leaf(3)]);
    await reconciler.attach(device, () => true);
    await settled();
    expect(await reconciler.audit()).toBe(0);
    device.rows.delete('leaf/1');
    device.hold(leaf(2, 99));
    device.hold(leaf(8));
    device.hold(group(5, 8));
    expect(await reconciler.audit()).toBe(4);
    await settled();
    expect(reconciler.stats.driftFound).toBe(4);
    expect([...device.rows.values()]).toEqual(expect.arrayContaining([leaf(1), leaf(2), leaf(3)]));
    expect(device.rows.size).toBe(3);
    expect(await reconciler.audit()).toBe(0);
  });

  it('ends with the device', async () => {
    const reconciler = world.start();
    expect(await reconciler.audit()).toBe(0);
    reconciler.setWanted(owner, [leaf(1)]);
    await reconciler.attach(device, () => true);
    await settled();
    device.rows.clear();
    const read = device.read.bind(device);
    device.read = async function* (wanted) {
      reconciler.detach();
      yield* read(wanted);
    };
    expect(await reconciler.audit()).toBe(0);
    expect(reconciler.stats.driftFound).toBe(0);
  });

  it('ends with the device in the middle of a table, too, and has repaired nothing', async () => {
    const reconciler = world.start();
    reconciler.setWanted(owner, [leaf(1), leaf(2)]);
    await reconciler.attach(device, () => true);
    await settled();
    const { length } = device.writes;
    device.hold(leaf(1, 99));
    const read = device.read.bind(device);
    device.read = async function* (wanted) {
      for await (const entity of read(wanted)) {
        yield entity;
        reconciler.detach();
      }
    };
    expect(await reconciler.audit()).toBe(0);
    await settled();
    expect(device.writes).toHaveLength(length);
  });

  it('lets others have their turn', async () => {
    const rows = Array.from({ length: 600 }, (_, id) => leaf(id));
    const reconciler = world.start();
    reconciler.setWanted(owner, rows);
    await reconciler.attach(device, () => true);
    await settled();
    let turns = 0;
    let isDone = false;
    const count = () => {
      turns++;
      if (!isDone) setImmediate(count);
    };
    setImmediate(count);
    expect(await reconciler.audit()).toBe(0);
    isDone = true;
    expect(turns).toBeGreaterThanOrEqual(2);
  });
});

describe('the epoch of flows', () => {
  it('is raised with what they may remember, in the same request and last', async () => {
    device.epoch = 7;
    const reconciler = world.start({}, toyCodecWithFlows);
    reconciler.setWanted(owner, [leaf(1), leaf(2)]);
    await reconciler.attach(device, () => true);
    await settled();
    expect(device.writes).toEqual([['INSERT leaf/1', 'INSERT leaf/2']]);
    reconciler.setWanted(owner, [leaf(1)]);
    await settled();
    expect(device.writes.at(-1)).toEqual(['DELETE leaf/2', 'MODIFY epoch 8']);
    expect(device.epoch).toBe(8);
  });

  it('is raised on a device that has none of ours, even if nothing else differs', async () => {
    const reconciler = world.start({}, toyCodecWithFlows);
    await reconciler.attach(device, () => true);
    await settled();
    expect(device.writes).toEqual([['MODIFY epoch 5']]);
  });

  it('is tried again alone when it failed', async () => {
    device.epoch = 7;
    device.hold(leaf(1));
    const reconciler = world.start({ maxRetryMs: 20 }, toyCodecWithFlows);
    let failures = 2;
    device.fails = (text) => (text.startsWith('epoch') && failures-- > 0 ? 'INTERNAL' : undefined);
    await reconciler.attach(device, () => true);
    await expect.poll(() => device.epoch).toBeGreaterThan(7);
    expect(device.writes[0]).toEqual(['DELETE leaf/1', 'MODIFY epoch 8']);
    expect(device.writes.slice(1).map(([first]) => first)).toEqual(['MODIFY epoch 9', 'MODIFY epoch 10']);
    await settled();
    expect(device.writes).toHaveLength(3);
  });

  it('that failed is due on the next device', async () => {
    device.epoch = 7;
    device.hold(leaf(1));
    const reconciler = world.start({ maxRetryMs: 1e6 }, toyCodecWithFlows);
    device.fails = (text) => (text.startsWith('epoch') ? 'INTERNAL' : undefined);
    await reconciler.attach(device, () => true);
    await settled();
    reconciler.detach();
    const next = new NotingDevice();
    next.epoch = 8;
    await reconciler.attach(next, () => true);
    await settled();
    expect(next.writes).toEqual([['MODIFY epoch 9']]);
  });
});
