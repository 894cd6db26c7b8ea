import { P4rtError } from '@infra-offload/p4rt';
import { Owner } from '@infra-offload/reconciler';
import type { ToyRow } from '@infra-offload/reconciler/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { group, leaf, NotingDevice, RPC, settled, ToyReconcilers, toyCodec } from '../testing/toy-device.js';
import type { RowCodec } from './reconciler.js';

let world: ToyReconcilers;
let device: NotingDevice;
let owner: ToyReconcilers['owner'];
let told: string[];
beforeEach(() => {
  world = new ToyReconcilers();
  ({ device, owner, told } = world);
});
afterEach(() => {
  world.stop();
  vi.useRealTimers();
});

describe('a reconciler', () => {
  it('reads what a device holds, tells it, and writes what differs', async () => {
    device.hold(leaf(1));
    device.hold(leaf(9));
    const reconciler = world.start();
    reconciler.setWanted(owner, [leaf(1), leaf(2), group(1, 1, 2)]);
    expect(reconciler.attached).toBe(false);
    expect(reconciler.backlog).toBe(0);
    expect(await reconciler.attach(device, () => true)).toBe(2);
    expect(told.slice(0, 2)).toEqual(['a pending', 'found leaf/1 leaf/9']);
    expect(device.writes[0]).toEqual(['INSERT leaf/2', 'DELETE leaf/9']);
    expect(reconciler.backlog).toBeGreaterThan(0);
    expect(reconciler.inSync).toBe(false);
    await settled();
    expect(device.writes.slice(1)).toEqual([['INSERT group/1']]);
    expect(told.at(-1)).toBe('a done');
    expect(reconciler.inSync).toBe(true);
    expect(reconciler.backlog).toBe(0);
    expect(reconciler.stats).toMatchObject({ writeRequests: 2, updatesWritten: 3, updatesFailed: 0 });
    expect([...reconciler.cells()].map(({ key }) => key).sort()).toEqual(['group/1', 'leaf/1', 'leaf/2']);
    expect(reconciler.cell('leaf/1')?.installed).toEqual(leaf(1));
  });

  it('writes nothing to a device that is no longer its own when it has been read', async () => {
    const reconciler = world.start();
    reconciler.setWanted(owner, [leaf(1)]);
    device.hold(leaf(2));
    expect(await reconciler.attach(device, () => false)).toBe(1);
    await settled();
    expect(reconciler.attached).toBe(false);
    expect(device.writes).toEqual([]);
    expect(told).toEqual(['a pending']);
  });

  it('writes changes that come together in one request, up to the size of one, and so many at a time', async () => {
    const reconciler = world.start({ batchUpdates: 2, writesInFlight: 2 });
    await reconciler.attach(device, () => true);
    let open = () => {};
    device.gate = new Promise((resolve) => {
      open = resolve;
    });
    reconciler.setWanted(owner, [leaf(1), leaf(2), leaf(3), leaf(4)]);
    reconciler.setWanted(new Owner('b'), [leaf(5)]);
    expect(device.writes).toEqual([]);
    await settled();
    expect(device.writes.map(({ length }) => length)).toEqual([2, 2]);
    open();
    await settled();
    expect(device.writes.map(({ length }) => length)).toEqual([2, 2, 1]);
    expect(reconciler.inSync).toBe(true);

    const small = world.start({ batchBytes: 15 });
    const other = new NotingDevice();
    await small.attach(other, () => true);
    small.setWanted(new Owner('c'), [leaf(1), leaf(2), leaf(3)]);
    await settled();
    expect(other.writes.map(({ length }) => length)).toEqual([2, 1]);
  });

  it('tries what was refused again, and counts it', async () => {
    const reconciler = world.start();
    await reconciler.attach(device, () => true);
    device.fails = (text) => (text.includes('"id":1') ? 'INVALID_ARGUMENT' : undefined);
    reconciler.setWanted(owner, [leaf(1), leaf(2)]);
    await settled();
    expect(told.at(-1)).toBe('a failed');
    expect(reconciler.cell('leaf/1')?.failure).toMatchObject({ reason: 'WriteFailed', attempts: 1 });
    expect(reconciler.stats).toMatchObject({ updatesWritten: 1, updatesFailed: 1 });
    expect(reconciler.inSync).toBe(false);
    device.fails = () => undefined;
    await expect.poll(() => told.at(-1)).toBe('a done');
    expect(reconciler.inSync).toBe(true);
  });

  it('gives the room that a deletion makes to what a full table refused, at once', async () => {
    const reconciler = world.start({ maxRetryMs: 1e9 });
    await reconciler.attach(device, () => true);
    const other = new Owner<ToyRow>('b');
    reconciler.setWanted(other, [leaf(7), group(1, 7)]);
    await settled();
    device.fails = (text) => (text.includes('"id":1,"value"') ? 'RESOURCE_EXHAUSTED' : undefined);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    reconciler.setWanted(owner, [leaf(1)]);
    await settled();
    expect(told.at(-1)).toBe('a failed');
    device.fails = () => undefined;
    // Another table has nothing to do with it.
    reconciler.setWanted(other, [leaf(7)]);
    await settled();
    expect(owner.progress).toBe('failed');
    reconciler.setWanted(other, []);
    await settled();
    expect(owner.progress).toBe('done');
  });

  it('stops when nobody listens, or when another is primary, and says so', async () => {
    for (const [failure, suspicion] of [
      ['UNAVAILABLE', 'disconnected'],
      ['PERMISSION_DENIED', 'not-primary'],
      [new P4rtError('UNAVAILABLE', 'gone', { details: RPC }), 'disconnected'],
    ] as const) {
      device = new NotingDevice();
      const reconciler = world.start();
      const one = new Owner<ToyRow>('a');
      await reconciler.attach(device, () => true);
      device.fails = () => failure;
      reconciler.setWanted(one, [leaf(1)]);
      await settled();
      expect(told.at(-1)).toBe(`suspected ${suspicion}`);
      expect(reconciler.attached).toBe(false);
      expect(one.progress).toBe('pending');
      expect(device.writes).toHaveLength(1);
      device.fails = () => undefined;
      await reconciler.attach(device, () => true);
      await settled();
      expect(one.progress).toBe('done');
    }
  });

  it('goes on while the pipeline is looked for', async () => {
    const reconciler = world.start();
    await reconciler.attach(device, () => true);
    device.fails = (text) => (text.includes('"id":1') ? 'FAILED_PRECONDITION' : undefined);
    reconciler.setWanted(owner, [leaf(1)]);
    await settled();
    expect(told).toContain('suspected pipeline');
    expect(reconciler.attached).toBe(true);
    reconciler.setWanted(new Owner('b'), [leaf(2)]);
    await settled();
    expect(device.rows.has('leaf/2')).toBe(true);
  });

  it('takes a row that cannot be encoded, or a batch that cannot be sent, for refused', async () => {
    const broken: RowCodec<ToyRow> = {
      ...toyCodec,
      toEntity: (row) => {
        if (row.id === 1) throw new Error('too wide');
        return toyCodec.toEntity(row);
      },
    };
    const reconciler = world.start({}, broken);
    await reconciler.attach(device, () => true);
    reconciler.setWanted(owner, [leaf(1), leaf(2)]);
    await settled();
    expect(device.writes).toEqual([['INSERT leaf/2']]);
    expect(reconciler.cell('leaf/1')?.failure).toMatchObject({ reason: 'WriteFailed', message: 'too wide' });
    expect(reconciler.cell('leaf/2')?.failure).toBeUndefined();
    device.fails = () => new Error('no room');
    reconciler.setWanted(new Owner('b'), [leaf(3)]);
    await settled();
    expect(reconciler.cell('leaf/3')?.failure).toMatchObject({ reason: 'WriteFailed', message: 'no room' });
    expect(reconciler.attached).toBe(true);
  });

  it('knows which of several failures is of which update', async () => {
    const reconciler = world.start(
      {},
      {
        ...toyCodec,
        toEntity: (row) => {
          if (row.id === 2) throw new Error('too wide');
          return toyCodec.toEntity(row);
        },
      },
    );
    await reconciler.attach(device, () => true);
    device.fails = (text) => (text.includes('"id":3') ? 'RESOURCE_EXHAUSTED' : undefined);
    reconciler.setWanted(owner, [leaf(1), leaf(2), leaf(3), leaf(4)]);
    await settled();
    expect([1, 2, 3, 4].map((id) => reconciler.cell(`leaf/${id}`)?.failure?.reason)).toEqual([
      undefined,
      'WriteFailed',
      'TableFull',
      undefined,
    ]);
  });

  it('forgets a device that it is detached from, with all that was under way', async () => {
    const reconciler = world.start();
    await reconciler.attach(device, () => true);
    let open = () => {};
    device.gate = new Promise((resolve) => {
      open = resolve;
    });
    reconciler.setWanted(owner, [leaf(1)]);
    await settled();
    reconciler.detach();
    expect(owner.progress).toBe('pending');
    const next = new NotingDevice();
    await reconciler.attach(next, () => true);
    open();
    await settled();
    expect(owner.progress).toBe('done');
    expect([...next.rows.keys()]).toEqual(['leaf/1']);
    expect(reconciler.stats.updatesWritten).toBe(1);
  });

  it('keeps what nobody has wanted until all that is wanted is known', async () => {
    device.hold(leaf(9));
    const reconciler = world.start({ keepsUnknown: true });
    reconciler.setWanted(owner, [leaf(1)]);
    await reconciler.attach(device, () => true);
    await settled();
    expect(reconciler.keepsUnknown).toBe(true);
    expect(reconciler.kept).toBe(1);
    expect([...device.rows.keys()].sort()).toEqual(['leaf/1', 'leaf/9']);
    reconciler.forgetUnknown();
    await settled();
    expect(reconciler.keepsUnknown).toBe(false);
    expect(reconciler.kept).toBe(0);
    expect([...device.rows.keys()]).toEqual(['leaf/1']);
  });
});

it('an error of its own has it synchronise anew', async () => {
  const reconciler = world.start();
  await reconciler.attach(device, () => true);
  const { key } = toyCodec;
  reconciler.setWanted(owner, [leaf(1)]);
  const takes = vi.spyOn(device, 'write').mockImplementation(() => {
    throw Object.assign(new Error('thrown at once'), { key });
  });
  await settled();
  expect(reconciler.cell('leaf/1')?.failure?.message).toBe('thrown at once');
  takes.mockRestore();
});
