import { P4rtError, type WriteFailure } from '@infra-offload/p4rt';
import { type Entity, type Update, Update_Type } from '@infra-offload/p4rt/proto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLoggers } from '../log.js';
import { Epochs } from './epochs.js';
import { Owner } from './model.js';
import { type Device, Reconciler, type ReconcilerOptions, type RowCodec } from './reconciler.js';
import { type ToyRow, toyModel } from './testing.js';

const logger = createLoggers({ level: 'silent', modules: {} }).reconciler;
const TABLES = ['leaf', 'group', 'head'];
const leaf = (id: number, value = 0): ToyRow => ({ table: 'leaf', id, value });
const group = (id: number, ...leaves: number[]): ToyRow => ({ table: 'group', id, leaves });

/** An entity is the text of a row, or of what is asked. */
const entityOf = (text: string): Entity => ({
  entity: {
    $case: 'externEntry',
    value: { externTypeId: 0, externId: 0, entry: { typeUrl: text, value: new Uint8Array() } },
  },
});
const textOf = ({ entity }: Entity): string =>
  entity?.$case === 'externEntry' ? (entity.value.entry?.typeUrl ?? '') : '';
const EPOCH = 'epoch';
const RPC = { address: 'x', method: 'Write', grpcCode: 14, serverMessage: '' };

const codec: RowCodec<ToyRow> = {
  ...toyModel,
  tables: TABLES,
  toEntity: (row) => entityOf(JSON.stringify(row)),
  fromEntity: (entity) =>
    textOf(entity).startsWith('{') ? (JSON.parse(textOf(entity)) as ToyRow) : undefined,
  readAll: (table) => [entityOf(table)],
};
const withFlows: RowCodec<ToyRow> = {
  ...codec,
  flows: {
    read: entityOf(EPOCH),
    of: (entity) => (textOf(entity).startsWith('epoch ') ? Number(textOf(entity).slice(6)) : undefined),
    entity: (epoch) => entityOf(`epoch ${epoch}`),
    outdatedBy: ({ kind }) => kind === 'delete',
  },
};

/** Takes writes at once, unless they are held; notes them. */
class NotingDevice implements Device {
  readonly rows = new Map<string | number, ToyRow>();
  readonly writes: string[][] = [];
  epoch: number | undefined;
  /** Held until this resolves. */
  gate: Promise<void> | undefined;
  fails: (text: string) => WriteFailure['code'] | Error | undefined = () => undefined;

  async write(updates: readonly Update[]): Promise<void> {
    this.writes.push(updates.map(({ type, entity }) => `${Update_Type[type]} ${keyOf(entity)}`));
    await this.gate;
    const failures: WriteFailure[] = [];
    updates.forEach((update, index) => {
      const text = update.entity === undefined ? '' : textOf(update.entity);
      const code = this.fails(text);
      if (code instanceof Error) throw code;
      if (code !== undefined) failures.push({ update, index, code, message: '', sent: true, entry: text });
      else this.#take(update, text);
    });
    if (failures.length > 0)
      throw new P4rtError('WRITE_FAILED', 'some failed', {
        details: { failures, total: updates.length, address: 'x' },
      });
  }

  async *read(wanted: readonly Entity[]): AsyncIterable<Entity> {
    for (const one of wanted) {
      const table = textOf(one);
      if (table === EPOCH && this.epoch !== undefined) yield entityOf(`epoch ${this.epoch}`);
      for (const row of [...this.rows.values()]) if (row.table === table) yield codec.toEntity(row);
    }
  }

  hold(row: ToyRow): void {
    this.rows.set(codec.key(row), row);
  }

  #take({ type }: Update, text: string): void {
    if (text.startsWith('epoch ')) {
      this.epoch = Number(text.slice(6));
      return;
    }
    const row = JSON.parse(text) as ToyRow;
    if (type === Update_Type.DELETE) this.rows.delete(codec.key(row));
    else this.hold(row);
  }
}

function keyOf(entity: Entity | undefined): string {
  const text = entity === undefined ? '' : textOf(entity);
  return text.startsWith('{') ? String(codec.key(JSON.parse(text) as ToyRow)) : text;
}

let device: NotingDevice;
let owner: Owner<ToyRow>;
let told: string[];
let made: Reconciler<ToyRow>[];
beforeEach(() => {
  device = new NotingDevice();
  owner = new Owner('a');
  told = [];
  made = [];
});
afterEach(() => {
  for (const reconciler of made) reconciler.detach();
  vi.useRealTimers();
});

function start(options: Partial<ReconcilerOptions> = {}, of = codec): Reconciler<ToyRow> {
  const reconciler = new Reconciler<ToyRow>(
    of,
    new Epochs(() => 5_000),
    {
      batchUpdates: 100,
      batchBytes: 1e6,
      writesInFlight: 1,
      maxRetryMs: 1_000,
      keepsUnknown: false,
      ...options,
    },
    {
      found: (rows) => void told.push(`found ${rows.map((row) => codec.key(row)).join(' ')}`),
      progressed: (owners) => void told.push(...owners.map(({ key, progress }) => `${key} ${progress}`)),
      suspected: (suspicion) => void told.push(`suspected ${suspicion}`),
    },
    logger,
  );
  made.push(reconciler);
  return reconciler;
}

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a reconciler', () => {
  it('reads what a device holds, tells it, and writes what differs', async () => {
    device.hold(leaf(1));
    device.hold(leaf(9));
    const reconciler = start();
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
    const reconciler = start();
    reconciler.setWanted(owner, [leaf(1)]);
    device.hold(leaf(2));
    expect(await reconciler.attach(device, () => false)).toBe(1);
    await settled();
    expect(reconciler.attached).toBe(false);
    expect(device.writes).toEqual([]);
    expect(told).toEqual(['a pending']);
  });

  it('writes changes that come together in one request, up to the size of one, and so many at a time', async () => {
    const reconciler = start({ batchUpdates: 2, writesInFlight: 2 });
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

    const small = start({ batchBytes: 15 });
    const other = new NotingDevice();
    await small.attach(other, () => true);
    small.setWanted(new Owner('c'), [leaf(1), leaf(2), leaf(3)]);
    await settled();
    expect(other.writes.map(({ length }) => length)).toEqual([2, 1]);
  });

  it('tries what was refused again, and counts it', async () => {
    const reconciler = start();
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
    const reconciler = start({ maxRetryMs: 1e9 });
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
      const reconciler = start();
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
    const reconciler = start();
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
      ...codec,
      toEntity: (row) => {
        if (row.id === 1) throw new Error('too wide');
        return codec.toEntity(row);
      },
    };
    const reconciler = start({}, broken);
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
    const reconciler = start(
      {},
      {
        ...codec,
        toEntity: (row) => {
          if (row.id === 2) throw new Error('too wide');
          return codec.toEntity(row);
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
    const reconciler = start();
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
    const reconciler = start({ keepsUnknown: true });
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

describe('an audit', () => {
  it('finds what is lost, changed or extra, and repairs it', async () => {
    const reconciler = start();
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
    const reconciler = start();
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

  it('lets others have their turn', async () => {
    const rows = Array.from({ length: 600 }, (_, id) => leaf(id));
    const reconciler = start();
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
    const reconciler = start({}, withFlows);
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
    const reconciler = start({}, withFlows);
    await reconciler.attach(device, () => true);
    await settled();
    expect(device.writes).toEqual([['MODIFY epoch 5']]);
  });

  it('is tried again alone when it failed', async () => {
    device.epoch = 7;
    device.hold(leaf(1));
    const reconciler = start({ maxRetryMs: 20 }, withFlows);
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
    const reconciler = start({ maxRetryMs: 1e6 }, withFlows);
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

it('an error of its own has it synchronise anew', async () => {
  const reconciler = start();
  await reconciler.attach(device, () => true);
  const { key } = codec;
  reconciler.setWanted(owner, [leaf(1)]);
  const takes = vi.spyOn(device, 'write').mockImplementation(() => {
    throw Object.assign(new Error('thrown at once'), { key });
  });
  await settled();
  expect(reconciler.cell('leaf/1')?.failure?.message).toBe('thrown at once');
  takes.mockRestore();
});
