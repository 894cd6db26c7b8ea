import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { P4rtError } from '../errors.js';
import { SetForwardingPipelineConfigRequest_Action as Action, type Entity } from '../gen/p4/v1/p4runtime.js';
import { FakeServer, updateErrors } from '../testing/fake-server.js';
import { fixture } from '../testing/fixture.js';
import { once, Sessions } from '../testing/sessions.js';
import { typedProgram } from '../typed/program.js';
import type { SessionOptions } from './options.js';

const { service } = typedProgram(fixture).tables;
const P4INFO = { ...emptyP4Info() };
let server: FakeServer;
let sessions: Sessions;

beforeEach(async () => {
  server = await FakeServer.start();
  sessions = new Sessions(server);
});

afterEach(() => {
  sessions.close();
  server.stop();
});

const open = (options?: Partial<SessionOptions>) => sessions.open(options);

describe('arbitration', () => {
  it('makes the highest election id the primary, in 128 bits', async () => {
    const low = await open({ electionId: 2n ** 64n - 1n });
    expect(low.state).toEqual({ kind: 'primary' });
    const lost = once(low, 'backup');
    const high = await open({ electionId: 2n ** 127n + 5n });
    expect(high.isPrimary).toBe(true);
    await lost;
    const highest = 2n ** 127n + 5n;
    expect(low.state).toEqual({ kind: 'backup', primaryElectionId: highest, highestElectionId: highest });
    const vacant = once(low, 'backup');
    high.close();
    expect(await vacant).toEqual([
      { kind: 'backup', primaryElectionId: undefined, highestElectionId: highest },
    ]);
  });

  it('carries the role by name and id', async () => {
    const session = await open({ role: { name: 'offload', id: 7n } });
    await session.write([]);
    await session.write([{ type: 1, entity: service.all() }]);
    expect(server.writes[0]).toMatchObject({
      role: 'offload',
      roleId: 7n,
      deviceId: 1n,
      electionId: { high: 0n, low: 1n },
    });
  });

  it.each([
    [{ deviceId: -1 }, 'deviceId -1'],
    [{ deviceId: 1.5 }, 'deviceId 1.5'],
    [{ deadlineMs: 0 }, 'deadlineMs'],
    [{ maxUpdatesPerWrite: 0 }, 'maxUpdatesPerWrite'],
    [{ maxBytesPerWrite: Number.NaN }, 'maxBytesPerWrite'],
    [{ reconnect: { maxDelayMs: 0 } }, 'reconnect.maxDelayMs'],
    [{ address: '' }, "address ''"],
  ])('refuses options that cannot be: %j', async (options, message) => {
    await expect(open(options)).rejects.toMatchObject({
      code: 'INVALID',
      message: expect.stringContaining(message),
    });
  });

  it('refuses election ids that cannot be', async () => {
    await expect(open({ electionId: 0n })).rejects.toMatchObject({ code: 'INVALID' });
    await expect(open({ electionId: 1n << 128n })).rejects.toMatchObject({ code: 'INVALID' });
  });

  it('fails to open at once where nobody listens', async () => {
    const { address } = server;
    server.stop();
    const error = await open().catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'UNAVAILABLE', details: { method: 'StreamChannel', address } });
    expect(P4rtError.is(error, 'UNAVAILABLE') && error.cause).toBeInstanceOf(Error);
  });

  it('fails to open when the server does not answer', async () => {
    server.arbitrates = false;
    await expect(open({ deadlineMs: 50 })).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
  });
});

describe('a broken stream', () => {
  it('is told, calls fail at once, and the same election id comes back', async () => {
    const session = await open({ reconnect: { initialDelayMs: 400, maxDelayMs: 400 } });
    const disconnected = once(session, 'disconnected');
    server.cutStreams();
    const [error] = await disconnected;
    expect(error).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('cut by the test') });
    expect(session.state).toMatchObject({ kind: 'disconnected', retryInMs: expect.any(Number) });
    const failed = { code: 'UNAVAILABLE', message: expect.stringContaining('disconnected') };
    await expect(session.write([{ type: 1, entity: service.all() }])).rejects.toMatchObject(failed);
    await expect(session.capabilities()).rejects.toMatchObject(failed);
    await expect(session.read(service.all()).next()).rejects.toMatchObject(failed);
    expect(() => session.packetOut(new Uint8Array(1))).toThrow(P4rtError);
    await once(session, 'primary');
    expect(session.isPrimary).toBe(true);
    await expect(session.capabilities()).resolves.toEqual({ apiVersion: '1.5.0' });
  });

  it('survives a restart of the server', async () => {
    const session = await open();
    const back = once(session, 'connected');
    await server.restart();
    await back;
    await expect.poll(() => session.isPrimary).toBe(true);
    await session.write([{ type: 1, entity: service.all() }]);
    expect(server.writes).toHaveLength(1);
  });

  it('stays broken when reconnecting is switched off', async () => {
    const session = await open({ reconnect: false });
    const disconnected = once(session, 'disconnected');
    server.cutStreams();
    await disconnected;
    expect(session.state).toMatchObject({ kind: 'disconnected', retryInMs: undefined });
  });
});

describe('close', () => {
  it('may be called again, ends calls under way and emits nothing more', async () => {
    const session = await open();
    const events: string[] = [];
    session.on('disconnected', () => events.push('disconnected'));
    server.onWrite = () => 'hang';
    const write = session.write([{ type: 1, entity: service.all() }]).catch((error: unknown) => error);
    await expect.poll(() => server.writes).toHaveLength(1);
    session.close();
    session.close();
    expect(session.state).toEqual({ kind: 'closed' });
    expect(await write).toMatchObject({
      code: 'WRITE_FAILED',
      details: { failures: [{ code: 'CANCELLED' }] },
    });
    await expect(session.capabilities()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('session is closed'),
    });
    await expect.poll(() => server.controllers).toBe(0);
    expect(events).toEqual([]);
  });
});

describe('stream messages', () => {
  it('arrive as events, and digests are acknowledged', async () => {
    const session = await open();
    const packet = once(session, 'packetIn');
    const idle = once(session, 'idleTimeout');
    const digest = once(session, 'digest');
    const failed = once(session, 'streamError');
    server.send({ $case: 'packet', value: { payload: Uint8Array.of(1, 2), metadata: [] } });
    server.send({ $case: 'idleTimeoutNotification', value: { tableEntry: [], timestamp: 5n } });
    server.send({ $case: 'digest', value: { digestId: 3, listId: 9n, data: [], timestamp: 0n } });
    server.send({
      $case: 'error',
      value: {
        canonicalCode: status.INVALID_ARGUMENT,
        message: 'no such port',
        space: '',
        code: 0,
        details: undefined,
      },
    });
    expect((await packet)[0].payload).toEqual(Buffer.of(1, 2));
    expect((await idle)[0].timestamp).toBe(5n);
    expect((await failed)[0]).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('no such port'),
    });
    const [list, acknowledge] = await digest;
    expect(list.listId).toBe(9n);
    acknowledge();
    session.packetOut(Uint8Array.of(7));
    await expect.poll(() => server.fromControllers).toHaveLength(2);
    expect(server.fromControllers).toMatchObject([
      { $case: 'digestAck', value: { digestId: 3, listId: 9n } },
      { $case: 'packet', value: { payload: Buffer.of(7) } },
    ]);
  });

  it('do not break the session when a listener throws', async () => {
    const session = await open();
    const failures: unknown[] = [];
    session.on('listenerError', (error, event) => failures.push([event, String(error)]));
    session.on('packetIn', () => {
      throw new Error('listener');
    });
    session.on('packetIn', () => Promise.reject(new Error('async listener')));
    const other = once(session, 'packetIn');
    server.send({ $case: 'packet', value: { payload: new Uint8Array(0), metadata: [] } });
    await other;
    await expect.poll(() => failures).toHaveLength(2);
    expect(failures).toEqual([
      ['packetIn', 'Error: listener'],
      ['packetIn', 'Error: async listener'],
    ]);
    expect(session.isPrimary).toBe(true);
  });
});

describe('pipelines', () => {
  it('are set with cookie and action, and read back', async () => {
    const session = await open();
    await session.setPipeline(P4INFO, Uint8Array.of(1, 2, 3), { action: 'VERIFY_AND_COMMIT', cookie: 42n });
    await session.commitPipeline();
    expect(server.pipelineSets).toMatchObject([
      {
        action: Action.VERIFY_AND_COMMIT,
        config: { p4DeviceConfig: Buffer.of(1, 2, 3), cookie: { cookie: 42n } },
      },
      { action: Action.COMMIT, config: undefined },
    ]);
    expect(await session.getPipeline()).toBeUndefined();
    server.pipeline = {
      config: { p4info: undefined, p4DeviceConfig: new Uint8Array(0), cookie: { cookie: 42n } },
    };
    expect(await session.getPipeline('COOKIE_ONLY')).toEqual({ cookie: 42n });
  });

  it('that a device does not have are undefined, however it says so', async () => {
    const session = await open();
    expect(await session.getPipeline()).toBeUndefined();
    server.onGetPipeline = () => ({
      code: status.FAILED_PRECONDITION,
      message: 'No forwarding pipeline config set',
    });
    expect(await session.getPipeline()).toBeUndefined();
    server.onGetPipeline = () => ({ code: status.NOT_FOUND, message: 'no such device' });
    await expect(session.getPipeline()).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('that are larger than 4 MB go both ways', async () => {
    const session = await open();
    const large = new Uint8Array(6_000_000).fill(7);
    server.pipeline = { config: { p4info: undefined, p4DeviceConfig: large, cookie: undefined } };
    expect((await session.getPipeline())?.deviceConfig).toHaveLength(large.length);
  });

  it('fall back from reconcile only where the target has no reconcile', async () => {
    const session = await open();
    server.onSetPipeline = ({ action }) =>
      action === Action.RECONCILE_AND_COMMIT ? { code: status.UNIMPLEMENTED, message: 'no' } : 'ok';
    await expect(
      session.setPipeline(P4INFO, new Uint8Array(0), { action: 'RECONCILE_AND_COMMIT' }),
    ).rejects.toMatchObject({ code: 'UNIMPLEMENTED', details: { method: 'SetForwardingPipelineConfig' } });
    expect(await session.reconcilePipeline(P4INFO, new Uint8Array(0))).toBe('VERIFY_AND_COMMIT');
    server.onSetPipeline = () => 'ok';
    expect(await session.reconcilePipeline(P4INFO, new Uint8Array(0))).toBe('RECONCILE_AND_COMMIT');
    server.onSetPipeline = () => ({ code: status.INVALID_ARGUMENT, message: 'bad config' });
    await expect(session.reconcilePipeline(P4INFO, new Uint8Array(0))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});

describe('read', () => {
  const batch = (n: number): { entities: Entity[] } => ({
    entities: [0, 1].map((i) => service.key({ dst_ip: n * 2 + i, protocol: 6, dst_port: 80 })),
  });

  it('streams entities of any number of answers', async () => {
    const session = await open();
    server.onRead = (request, call) => {
      expect(request).toMatchObject({ deviceId: 1n, entities: [{ entity: { $case: 'tableEntry' } }] });
      for (let n = 0; n < 50; n++) call.write(batch(n));
      call.end();
    };
    const addresses: number[] = [];
    for await (const entity of session.read(service.all()))
      addresses.push(service.decode(entity).match.dst_ip);
    expect(addresses).toEqual(Array.from({ length: 100 }, (_, i) => i));
  });

  it('is cancelled when the loop is left, and does not run ahead of it', async () => {
    const session = await open();
    let cancelled = false;
    let written = 0;
    server.onRead = (_, call) => {
      call.on('cancelled', () => {
        cancelled = true;
      });
      const more = () => {
        while (!cancelled && written < 1_000_000) {
          written++;
          if (!call.write(batch(written))) {
            call.once('drain', more);
            return;
          }
        }
      };
      more();
    };
    for await (const _ of session.read([service.all()])) break;
    await expect.poll(() => cancelled).toBe(true);
    expect(written).toBeLessThan(100_000);
  });

  it('tells which entity could not be read, where the server does', async () => {
    const session = await open();
    server.onRead = (_, call) => {
      const failure = updateErrors([0, status.NOT_FOUND], 'no entry');
      if (typeof failure === 'object') call.emit('error', { ...failure, details: failure.message });
    };
    await expect(session.read([service.all(), service.all()]).next()).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `Read at ${server.address}: NOT_FOUND: entities[1]: no entry`,
    });
  });

  it('wraps errors of the server, and a silence', async () => {
    const session = await open();
    server.onRead = (_, call) => {
      call.write(batch(0));
      call.emit('error', { code: status.NOT_FOUND, details: 'no table' });
    };
    const seen: Entity[] = [];
    const read = async (deadlineMs: number) => {
      for await (const entity of session.read(service.all(), { deadlineMs })) seen.push(entity);
    };
    await expect(read(5_000)).rejects.toMatchObject({ code: 'NOT_FOUND', details: { method: 'Read' } });
    expect(seen).toHaveLength(2);
    server.onRead = (_, call) => call.write(batch(0));
    await expect(read(60)).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: expect.stringContaining('no answer within 60 ms'),
    });
  });
});

function emptyP4Info() {
  return {
    pkgInfo: undefined,
    tables: [],
    actions: [],
    actionProfiles: [],
    counters: [],
    directCounters: [],
    meters: [],
    directMeters: [],
    controllerPacketMetadata: [],
    valueSets: [],
    registers: [],
    digests: [],
    externs: [],
    typeInfo: undefined,
  };
}
