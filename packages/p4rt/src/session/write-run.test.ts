import { Metadata, status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { invalid, rpcError } from '../errors.js';
import { type Entity, Update } from '../gen/p4/v1/p4runtime.js';
import { updateErrors } from '../testing/fake-server.js';
import { fixture } from '../testing/fixture.js';
import { typedProgram } from '../typed/program.js';
import { insert, modify, remove } from '../updates.js';
import { type WriteRunOptions, type WriteTransport, writeBatches } from './write.js';
import { planBatches } from './write-plan.js';

const { service } = typedProgram(fixture).tables;

const entry = (n: number, group = 1): Entity =>
  service.entry(
    { dst_ip: n, protocol: 6, dst_port: 80 },
    service.actions.set_service({ group_id: group, flags: 0 }),
  );
const inserts = (count: number): Update[] => Array.from({ length: count }, (_, n) => insert(entry(n)));
const idOf = ({ entity }: Update): number =>
  entity === undefined ? -1 : Number(service.decode(entity).match.dst_ip);

/** A failed Write as grpc-js tells it. */
function failed(code: number, message = 'no', metadata = new Metadata()) {
  const cause = Object.assign(new Error(message), { code, details: message, metadata });
  return rpcError('Write', 'x:1', code, message, cause);
}

/** A failure with a status for each update. */
function judged(codes: readonly number[]) {
  const outcome = updateErrors(codes, 'refused');
  return failed(status.UNKNOWN, 'some failed', typeof outcome === 'object' ? outcome.metadata : undefined);
}

/** Writes with a server that does `answer`, which throws what it refuses. Gives what was sent, and what failed. */
async function write(
  updates: readonly Update[],
  answer: (ids: readonly number[], sends: number) => void | Promise<void>,
  options: Partial<WriteRunOptions & WriteTransport> & { readonly maxUpdates?: number } = {},
) {
  const { maxUpdates = 1000, concurrency = 1, divisible = true, ...more } = options;
  const sends: (readonly [ids: readonly number[], patience: number])[] = [];
  const transport: WriteTransport = {
    send: async (encoded, patience) => {
      const ids = encoded.map((bytes) => idOf(updateOf(bytes)));
      sends.push([ids, patience]);
      await answer(ids, sends.length);
    },
    recover: async () => true,
    readBack: async () => undefined,
    ...more,
  };
  const batches = planBatches(updates, { maxUpdates, maxBytes: 1e6 });
  const failures = await writeBatches(batches, transport, { concurrency, divisible });
  return { sends, failures, brief: failures.map(({ index, code, sent }) => [index, code, sent]) };
}

/** Of a field of WriteRequest: tag and length stand before it. */
function updateOf(bytes: Uint8Array): Update {
  let start = 1;
  while (((bytes[start] ?? 0) & 0x80) !== 0) start++;
  return Update.decode(bytes.subarray(start + 1));
}

describe('a batch that fails without a word on its updates', () => {
  it('is halved until the one at fault is alone; parts are waited for less long', async () => {
    const { sends, failures } = await write(inserts(8), (ids) => {
      if (ids.includes(3)) throw failed(status.INVALID_ARGUMENT, 'bad group');
    });
    expect(sends).toEqual([
      [[0, 1, 2, 3, 4, 5, 6, 7], 1],
      [[0, 1, 2, 3], 0.5],
      [[0, 1], 0.25],
      [[2, 3], 0.25],
      [[2], 0.25],
      [[3], 0.25],
      [[4, 5, 6, 7], 0.5],
    ]);
    expect(failures).toEqual([{ index: 3, code: 'INVALID_ARGUMENT', message: 'bad group', sent: true }]);
  });

  it('is not sent again where that would do a part of it', async () => {
    const { sends, brief } = await write(
      inserts(2),
      () => {
        throw failed(status.ABORTED);
      },
      { divisible: false },
    );
    expect(sends).toHaveLength(1);
    expect(brief).toEqual([
      [0, 'ABORTED', true],
      [1, 'ABORTED', true],
    ]);
  });

  it('is not halved for ever: each halving costs, however large the batch', async () => {
    const { sends, failures } = await write(inserts(64), () => {
      throw failed(status.INVALID_ARGUMENT);
    });
    // 8 for each of 6 levels, two a halving.
    expect(sends).toHaveLength(1 + 8 * 6);
    expect(failures.map(({ index }) => index)).toEqual(Array.from({ length: 64 }, (_, i) => i));
    expect(failures.every(({ sent }) => sent)).toBe(true);
  });
});

describe('a batch without an answer', () => {
  const timeout = () => {
    throw failed(status.DEADLINE_EXCEEDED, 'late');
  };

  it('is halved as long as the connection works', async () => {
    let recovered = 0;
    const recover = async () => {
      recovered++;
      return true;
    };
    const { sends, brief } = await write(inserts(4), (ids) => (ids.includes(0) ? timeout() : undefined), {
      recover,
    });
    expect(sends.map(([ids]) => ids)).toEqual([[0, 1, 2, 3], [0, 1], [0], [1], [2, 3]]);
    expect([recovered, brief]).toEqual([3, [[0, 'DEADLINE_EXCEEDED', true]]]);
  });

  it('ends it all, and what comes after it, where the connection does not work any more', async () => {
    const { sends, failures } = await write(inserts(4), timeout, {
      maxUpdates: 2,
      recover: async () => false,
    });
    expect(sends).toHaveLength(1);
    expect(failures).toEqual([
      { index: 0, code: 'DEADLINE_EXCEEDED', message: 'late', sent: true },
      { index: 1, code: 'DEADLINE_EXCEEDED', message: 'late', sent: true },
      ...[2, 3].map((index) => ({
        index,
        code: 'DEADLINE_EXCEEDED',
        message: 'not sent, because an earlier batch failed: late',
        sent: false,
      })),
    ]);
  });

  it('is given up after one more than an update that hangs alone costs', async () => {
    const { sends, failures } = await write(inserts(8), timeout);
    // 8, 4, 2, 1 and two more; the next one is not waited for.
    expect(sends).toHaveLength(6);
    expect(failures).toHaveLength(8);
  });
});

it.each(['UNAVAILABLE', 'CANCELLED', 'UNAUTHENTICATED', 'PERMISSION_DENIED'] as const)(
  '%s is the failure of all that comes after it',
  async (code) => {
    const { sends, brief } = await write(
      inserts(3),
      () => {
        throw failed(status[code]);
      },
      { maxUpdates: 2 },
    );
    expect(sends).toHaveLength(1);
    expect(brief).toEqual([
      [0, code, true],
      [1, code, true],
      [2, code, false],
    ]);
  },
);

describe('an update that was sent twice', () => {
  /** Sends updates 0 and 1 together without an answer, then the first alone with `code`. */
  const again = (first: Update, code: number, readBack?: WriteTransport['readBack']) =>
    write(
      [first, insert(entry(1))],
      (ids, sends) => {
        if (sends === 1) throw failed(status.DEADLINE_EXCEEDED);
        if (ids.includes(0)) throw judged([code]);
      },
      { ...(readBack && { readBack }) },
    );

  it('is no failure if the first time has done it', async () => {
    const exists = await again(insert(entry(0)), status.ALREADY_EXISTS, async (wanted) => wanted);
    expect(exists.failures).toEqual([]);
    expect((await again(remove(entry(0)), status.NOT_FOUND)).failures).toEqual([]);
  });

  it('is one if something else is there, nothing, or what cannot be read', async () => {
    const unread = () => Promise.reject(failed(status.UNAVAILABLE));
    for (const readBack of [async () => entry(0, 2), async () => undefined, unread]) {
      const { brief } = await again(insert(entry(0)), status.ALREADY_EXISTS, readBack);
      expect(brief).toEqual([[0, 'ALREADY_EXISTS', true]]);
    }
  });

  it.each([
    ['a modification that finds nothing', modify(entry(0)), status.NOT_FOUND],
    ['a removal that is refused', remove(entry(0)), status.FAILED_PRECONDITION],
    ['an insertion that is refused', insert(entry(0)), status.RESOURCE_EXHAUSTED],
    ['a modification of what is there', modify(entry(0)), status.ALREADY_EXISTS],
  ])('is one as %s', async (_, update, code) => {
    const { failures } = await again(update, code, async (wanted) => wanted);
    expect(failures).toMatchObject([{ index: 0, message: 'refused', sent: true }]);
  });

  it('is looked at only then', async () => {
    const { brief } = await write(
      [insert(entry(0))],
      () => {
        throw judged([status.ALREADY_EXISTS]);
      },
      { readBack: async (wanted) => wanted },
    );
    expect(brief).toEqual([[0, 'ALREADY_EXISTS', true]]);
  });
});

describe('batches', () => {
  /** A server that answers when it is told to, batch by batch. */
  function gated() {
    const gates: (() => void)[] = [];
    return { gates, answer: () => new Promise<void>((resolve) => gates.push(resolve)) };
  }
  const turn = () => new Promise((resolve) => setImmediate(resolve));

  it('are under way up to the number that is allowed', async () => {
    const { gates, answer } = gated();
    const done = write(inserts(4), answer, { maxUpdates: 1, concurrency: 2 });
    await turn();
    expect(gates).toHaveLength(2);
    gates[1]?.();
    await turn();
    expect(gates).toHaveLength(3);
    gates[0]?.();
    gates[2]?.();
    await turn();
    gates[3]?.();
    expect((await done).failures).toEqual([]);
  });

  it('with a key that one under way has, too, wait for all before them', async () => {
    const { gates, answer } = gated();
    const updates = [insert(entry(0)), insert(entry(1)), remove(entry(0)), insert(entry(2))];
    const done = write(updates, answer, { maxUpdates: 1, concurrency: 4 });
    await turn();
    expect(gates).toHaveLength(2);
    gates[1]?.();
    await turn();
    expect(gates).toHaveLength(2);
    gates[0]?.();
    await turn();
    // Those behind it are not held up.
    expect(gates).toHaveLength(4);
    for (const open of gates) open();
    expect((await done).failures).toEqual([]);
  });

  it('tell failures in the order of the updates, whichever ends first', async () => {
    const gates = new Map<number, () => void>();
    const done = write(
      inserts(2),
      async ([id = -1]) => {
        await new Promise<void>((resolve) => gates.set(id, resolve));
        throw failed(status.INVALID_ARGUMENT);
      },
      { maxUpdates: 1, concurrency: 2 },
    );
    await turn();
    gates.get(1)?.();
    await turn();
    gates.get(0)?.();
    expect((await done).brief.map(([index]) => index)).toEqual([0, 1]);
  });
});

it('an error that no server has made is no failure of an update', async () => {
  const fault = new TypeError('of our own');
  await expect(
    write(inserts(2), () => {
      throw fault;
    }),
  ).rejects.toBe(fault);
});

it('a request that cannot be sent is told as unknown, with why', async () => {
  const { failures } = await write(inserts(1), () => {
    throw invalid('cannot be encoded');
  });
  expect(failures).toEqual([{ index: 0, code: 'UNKNOWN', message: 'cannot be encoded', sent: true }]);
});
