import { Metadata, status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { entityKey } from '../entity-key.js';
import type { WriteFailure } from '../errors.js';
import { type Entity, Update, WriteRequest, WriteRequest_Atomicity } from '../gen/p4/v1/p4runtime.js';
import { FakeServer, type Outcome, updateErrors } from '../testing/fake-server.js';
import { fixture } from '../testing/fixture.js';
import { writeFailure } from '../testing/write-failure.js';
import { typedProgram } from '../typed/program.js';
import { insert, modify, remove } from '../updates.js';
import type { SessionOptions } from './options.js';
import { P4RuntimeSession } from './session.js';
import { planBatches } from './write-plan.js';

const program = typedProgram(fixture);
const { service } = program.tables;

let server: FakeServer;
let session: P4RuntimeSession;

beforeEach(async () => {
  server = await FakeServer.start();
  session = await open();
});

afterEach(() => {
  session.close();
  server.stop();
});

function open(options: Partial<SessionOptions> = {}): Promise<P4RuntimeSession> {
  return P4RuntimeSession.open({
    address: server.address,
    deviceId: 1,
    electionId: 1n,
    program,
    ...options,
  });
}

function entry(n: number, group = 1): Entity {
  return service.entry(
    { dst_ip: n, protocol: 6, dst_port: 80 },
    service.actions.set_service({ group_id: group, flags: 0 }),
  );
}

function entries(count: number): Entity[] {
  return Array.from({ length: count }, (_, i) => entry(i));
}

function address(update: Update): number {
  return update.entity === undefined ? -1 : Number(service.decode(update.entity).match.dst_ip);
}

function brief(failures: readonly WriteFailure[]): unknown[] {
  return failures.map(({ index, code, sent }) => (sent ? [index, code] : [index, code, 'not sent']));
}

/** A server with a table: it inserts, modifies and deletes for real. `outcome` is asked after that. */
function table(outcome: (request: WriteRequest, codes: number[]) => Outcome): Map<string, Entity> {
  const installed = new Map<string, Entity>();
  server.onWrite = (request) => {
    const codes = request.updates.map(({ type, entity }) => {
      const key = entity === undefined ? '' : entityKey(entity);
      if (type === 1 && installed.has(key)) return status.ALREADY_EXISTS;
      if (type === 3) return installed.delete(key) ? 0 : status.NOT_FOUND;
      if (entity !== undefined) installed.set(key, entity);
      return 0;
    });
    return outcome(request, codes);
  };
  server.onRead = (request, call) => {
    for (const { entity } of request.entities) expect(entity?.value).toMatchObject({ action: undefined });
    const wanted = request.entities.map(entityKey);
    const found = wanted.flatMap((key) => installed.get(key) ?? []);
    call.write({ entities: found });
    call.end();
  };
  return installed;
}

const honest = (codes: number[]): Outcome => (codes.every((code) => code === 0) ? 'ok' : updateErrors(codes));

describe('batches', () => {
  it('are cut by number, in order', async () => {
    await session.write(entries(600).map(insert));
    expect(server.writes.map((write) => write.updates.length)).toEqual([256, 256, 88]);
    expect(server.writes.flatMap((write) => write.updates.map(address))).toEqual(
      entries(600).map((_, i) => i),
    );
  });

  it('are cut by bytes, and an update that is too large goes alone', async () => {
    session.close();
    session = await open({ maxBytesPerWrite: 200 });
    const large = service.entry(
      { dst_ip: 9, protocol: 6, dst_port: 80 },
      service.actions.set_service({ group_id: 1, flags: 0 }),
      { metadata: new Uint8Array(500) },
    );
    await session.write([insert(entry(1)), insert(large), insert(entry(2)), insert(entry(3))]);
    expect(server.writes.map((write) => write.updates.map(address))).toEqual([[1], [9], [2, 3]]);
  });

  it('never have a key twice', async () => {
    const updates = [
      insert(entry(1)),
      insert(entry(2)),
      modify(entry(1, 5)),
      remove(entry(2)),
      insert(entry(2)),
    ];
    await session.write(updates);
    expect(
      server.writes.map((write) =>
        write.updates.map(({ type, entity }) => [type, entity && address({ type, entity })]),
      ),
    ).toEqual([
      [
        [1, 1],
        [1, 2],
      ],
      [
        [2, 1],
        [3, 2],
      ],
      [[1, 2]],
    ]);
  });

  it('are under way together only when told so, but never with a key that an earlier one has', async () => {
    let open = 0;
    let most = 0;
    session.close();
    session = await P4RuntimeSession.open({
      address: server.address,
      deviceId: 1,
      electionId: 1n,
      maxUpdatesPerWrite: 2,
    });
    server.onWrite = () => {
      open++;
      most = Math.max(most, open);
      setTimeout(() => open--, 5);
      return 'ok';
    };
    await session.write(entries(40).map(insert), { concurrency: 4 });
    expect(most).toBeGreaterThan(1);
    server.writes.length = 0;
    const order = [insert(entry(1)), insert(entry(2)), insert(entry(3)), remove(entry(1)), insert(entry(4))];
    await session.write(order, { concurrency: 4 });
    expect(server.writes.flatMap((write) => write.updates.map(address))).toEqual([1, 2, 3, 1, 4]);
  });

  it('that have to be atomic are refused when they do not fit one Write', async () => {
    await expect(
      session.write(entries(257).map(insert), { atomicity: 'ROLLBACK_ON_ERROR' }),
    ).rejects.toMatchObject({
      code: 'INVALID',
      message: expect.stringContaining('do not fit one Write'),
    });
    expect(server.writes).toHaveLength(0);
    await session.write(entries(3).map(insert), { atomicity: 'DATAPLANE_ATOMIC' });
    expect(server.writes[0]?.atomicity).toBe(WriteRequest_Atomicity.DATAPLANE_ATOMIC);
  });

  it('cannot be under way in no number', async () => {
    await expect(session.write([insert(entry(1))], { concurrency: 0 })).rejects.toMatchObject({
      code: 'INVALID',
    });
  });

  it('with an update that cannot be encoded are not sent at all', async () => {
    const bad = program.counters.drops.all();
    if (bad.entity?.$case === 'counterEntry') bad.entity.value.counterId = -1;
    await expect(session.write([insert(entry(1)), modify(bad)])).rejects.toMatchObject({
      code: 'INVALID',
      details: { index: 1 },
    });
    expect(server.writes).toHaveLength(0);
  });

  const updates = fc.array(
    fc.record({
      type: fc.constantFrom(1, 2, 3),
      n: fc.integer({ min: 0, max: 12 }),
      size: fc.integer({ min: 0, max: 90 }),
    }),
    { maxLength: 40 },
  );
  it('cover every update once and in order, within the limits (property)', () => {
    fc.assert(
      fc.property(
        updates,
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 400 }),
        (list, maxUpdates, maxBytes) => {
          const wanted = list.map(({ type, n, size }) => {
            const key = service.key({ dst_ip: n, protocol: 6, dst_port: 80 });
            if (key.entity?.$case === 'tableEntry') key.entity.value.metadata = new Uint8Array(size).fill(1);
            return { type, entity: key };
          });
          const batches = planBatches(wanted, { maxUpdates, maxBytes });
          expect(batches.flatMap((batch) => batch.updates)).toEqual(wanted);
          let index = 0;
          const seen = new Map<string, number>();
          for (const [b, batch] of batches.entries()) {
            expect(batch.start).toBe(index);
            expect(batch.updates.length).toBeLessThanOrEqual(maxUpdates);
            if (batch.updates.length > 1) expect(batch.bytes).toBeLessThanOrEqual(maxBytes);
            const keys = batch.updates.map(({ entity }) => (entity === undefined ? '' : entityKey(entity)));
            expect(new Set(keys).size).toBe(keys.length);
            // Between two batches with one key there is a barrier: at the later one or between them.
            for (const key of keys) {
              const before = seen.get(key);
              if (before !== undefined)
                expect(batches.slice(before + 1, b + 1).some((one) => one.barrier)).toBe(true);
              seen.set(key, b);
            }
            const request = WriteRequest.decode(Buffer.concat(batch.encoded));
            expect(request.updates.map((update) => Update.encode(update).finish())).toEqual(
              batch.updates.map((update) => Update.encode(update).finish()),
            );
            index += batch.updates.length;
          }
          expect(index).toBe(wanted.length);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('failures', () => {
  it('are told for each update, with index, entry and code', async () => {
    server.onWrite = (request) => {
      const codes = request.updates.map((update) =>
        address(update) % 300 === 7 ? status.RESOURCE_EXHAUSTED : 0,
      );
      return honest(codes);
    };
    const error = await writeFailure(session.write(entries(600).map(insert)));
    expect(brief(error.details.failures)).toEqual([
      [7, 'RESOURCE_EXHAUSTED'],
      [307, 'RESOURCE_EXHAUSTED'],
    ]);
    expect(error.details.total).toBe(600);
    expect(error.message).toBe(
      `Write at ${server.address}: 2 of 600 updates failed: ` +
        '[7] INSERT service dst_ip=0.0.0.7 protocol=6 dst_port=80 -> set_service(group_id=1, flags=0): RESOURCE_EXHAUSTED refused; ' +
        '[307] INSERT service dst_ip=0.0.1.51 protocol=6 dst_port=80 -> set_service(group_id=1, flags=0): RESOURCE_EXHAUSTED refused',
    );
  });

  it('without enough details leave updates unknown, and unknown is failed', async () => {
    server.onWrite = () => updateErrors([0, status.NOT_FOUND]);
    const error = await writeFailure(session.write(entries(3).map(insert)));
    expect(brief(error.details.failures)).toEqual([
      [1, 'NOT_FOUND'],
      [2, 'UNKNOWN'],
    ]);
    expect(error.details.failures[1]?.message).toContain('gave no status for this update');
  });

  it('without any details are found by halving', async () => {
    const installed = table((request) =>
      request.updates.some((update) => address(update) === 77)
        ? { code: status.INVALID_ARGUMENT, message: 'bad' }
        : 'ok',
    );
    const error = await writeFailure(session.write(entries(256).map(insert)));
    expect(brief(error.details.failures)).toEqual([[77, 'INVALID_ARGUMENT']]);
    expect(installed.size).toBe(256);
  });

  it('with details that say all is well, or are no protobuf, count as none', async () => {
    server.onWrite = () => updateErrors([0]);
    expect(brief((await writeFailure(session.write([insert(entry(1))]))).details.failures)).toEqual([
      [0, 'UNKNOWN'],
    ]);
    const metadata = new Metadata();
    metadata.set('grpc-status-details-bin', Buffer.from([0xff, 0xff, 0xff]));
    server.onWrite = () => ({ code: status.INTERNAL, message: 'odd', metadata });
    expect(brief((await writeFailure(session.write([insert(entry(1))]))).details.failures)).toEqual([
      [0, 'INTERNAL'],
    ]);
  });

  it('of the controller itself stop the rest', async () => {
    server.onWrite = () => ({ code: status.PERMISSION_DENIED, message: 'not primary' });
    const error = await writeFailure(session.write(entries(300).map(insert)));
    expect(server.writes).toHaveLength(1);
    expect(error.details.failures).toHaveLength(300);
    expect(brief(error.details.failures.slice(255, 257))).toEqual([
      [255, 'PERMISSION_DENIED'],
      [256, 'PERMISSION_DENIED', 'not sent'],
    ]);
  });

  it('of an atomic write are never tried again', async () => {
    server.onWrite = () => ({ code: status.ABORTED, message: 'rolled back' });
    const error = await writeFailure(
      session.write(entries(8).map(insert), { atomicity: 'ROLLBACK_ON_ERROR' }),
    );
    expect(server.writes).toHaveLength(1);
    expect(error.details.failures).toHaveLength(8);
  });
});

describe('a Write without an answer', () => {
  // Parts of a batch get a quarter of it, which has to do on a busy machine, too.
  const deadlineMs = 1_200;

  it('is halved until the update that hangs is alone; what was done before is no failure', async () => {
    const installed = table((request, codes) =>
      request.updates.some((update) => address(update) === 5) ? 'hang' : honest(codes),
    );
    const updates = [...entries(16).map(insert), remove(entry(100))];
    installed.set(entityKey(entry(100)), entry(100));
    const error = await writeFailure(session.write(updates, { deadlineMs }));
    expect(brief(error.details.failures)).toEqual([[5, 'DEADLINE_EXCEEDED']]);
    expect(installed.size).toBe(16);
  });

  it('whose failures are too many to arrive is understood in parts', async () => {
    const installed = table((_, codes) =>
      codes.filter((code) => code !== 0).length > 4 ? 'hang' : honest(codes),
    );
    for (let n = 0; n < 12; n++) installed.set(entityKey(entry(n)), entry(n, 99));
    const error = await writeFailure(session.write(entries(16).map(insert), { deadlineMs }));
    expect(brief(error.details.failures)).toEqual(
      Array.from({ length: 12 }, (_, i) => [i, 'ALREADY_EXISTS']),
    );
  });

  it('because its error details are larger than grpc-js can receive is understood, too', async () => {
    session.close();
    session = await open({ maxUpdatesPerWrite: 400 });
    server.onWrite = ({ updates }) =>
      updateErrors(
        updates.map(() => status.INVALID_ARGUMENT),
        'x'.repeat(200),
      );
    // Halves get half of it, and are to be answered: no sooner.
    const error = await writeFailure(session.write(entries(400).map(insert), { deadlineMs: 4_000 }));
    expect(error.details.failures).toHaveLength(400);
    expect(error.details.failures.every(({ code }) => code === 'INVALID_ARGUMENT')).toBe(true);
    expect(server.writes.map(({ updates }) => updates.length)).toEqual([400, 200, 200]);
  });

  it('of a server that answers nothing any more ends, too', async () => {
    server.onWrite = () => 'hang';
    server.answersCapabilities = false;
    session.close();
    session = await open({ reconnect: false });
    const error = await writeFailure(session.write(entries(600).map(insert), { deadlineMs: 100 }));
    expect(server.writes).toHaveLength(1);
    expect(brief(error.details.failures.slice(255, 257))).toEqual([
      [255, 'DEADLINE_EXCEEDED'],
      [256, 'DEADLINE_EXCEEDED', 'not sent'],
    ]);
  });

  it('does not hang for ever when the server never answers', async () => {
    server.onWrite = () => 'hang';
    const error = await writeFailure(session.write(entries(600).map(insert), { deadlineMs: 200 }));
    expect(error.details.failures).toHaveLength(600);
    expect(error.details.failures.every(({ code }) => code === 'DEADLINE_EXCEEDED')).toBe(true);
    expect(server.writes.length).toBeLessThan(15);
  });
});
