import { status } from '@grpc/grpc-js';
import { P4Program } from '@infra-offload/p4info';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { SetForwardingPipelineConfigRequest_Action as Action, type Entity } from '../gen/p4/v1/p4runtime.js';
import { FakeServer } from '../testing/fake-server.js';
import { fixture } from '../testing/fixture.js';
import { typedProgram } from '../typed/program.js';
import { insert } from '../updates.js';
import type { SessionOptions } from './options.js';
import { P4RuntimeSession } from './session.js';
import { DEFAULT_RECONNECT, reconnectOptions } from './state.js';

const { service } = typedProgram(fixture).tables;
const PROGRAM = P4Program.parse(`
  tables {
    preamble { id: 33554433 name: "ingress.renamed" alias: "renamed" }
    match_fields { id: 1 name: "dst_ip" bitwidth: 32 match_type: EXACT }
    match_fields { id: 2 name: "protocol" bitwidth: 8 match_type: EXACT }
    match_fields { id: 3 name: "dst_port" bitwidth: 16 match_type: EXACT }
    action_refs { id: 16777217 }
    size: 8
  }
  actions {
    preamble { id: 16777217 name: "ingress.set_service" alias: "set_service" }
    params { id: 1 name: "group_id" bitwidth: 32 }
    params { id: 2 name: "flags" bitwidth: 8 }
  }
`);

let server: FakeServer;
let session: P4RuntimeSession;

beforeEach(async () => {
  server = await FakeServer.start();
  session = await open();
});
afterEach(() => {
  vi.restoreAllMocks();
  session.close();
  server.stop();
});

function open(options: Partial<SessionOptions> = {}): Promise<P4RuntimeSession> {
  return P4RuntimeSession.open({ address: server.address, deviceId: 1, electionId: 7n, ...options });
}

/** How the session calls an entry of the table in an error. */
async function nameInErrors(): Promise<string> {
  const action = service.actions.set_service({ group_id: 1, flags: 0 });
  const entity: Entity = service.entry({ dst_ip: 1, protocol: 6, dst_port: 80 }, action);
  server.onWrite = () => ({ code: status.INVALID_ARGUMENT, message: 'no' });
  const error: unknown = await session.write([insert(entity)]).catch((reason: unknown) => reason);
  return /INSERT (\S+)/.exec(String(error))?.[1] ?? '';
}

describe('names in errors', () => {
  it('are those of the program that was last committed, however it was given', async () => {
    const before = await nameInErrors();
    expect(before).not.toBe('renamed');
    await session.setPipeline(PROGRAM, new Uint8Array(0), { action: 'VERIFY' });
    expect(await nameInErrors()).toBe(before);
    await session.setPipeline(PROGRAM, new Uint8Array(0), { action: 'VERIFY_AND_COMMIT' });
    expect(await nameInErrors()).toBe('renamed');
    session.close();
    session = await open();
    await session.setPipeline(PROGRAM.p4info, new Uint8Array(0), { action: 'VERIFY_AND_COMMIT' });
    expect(await nameInErrors()).toBe('renamed');
    expect(server.pipelineSets.map(({ config }) => config?.p4info?.tables[0]?.preamble?.alias)).toEqual(
      Array.from({ length: 3 }, () => 'renamed'),
    );
  });

  it('are those of the program that the device has, once that is known', async () => {
    const config = { p4DeviceConfig: new Uint8Array(0), cookie: undefined };
    server.pipeline = { config: { ...config, p4info: undefined } };
    expect(await session.getPipeline()).toEqual({});
    expect(await nameInErrors()).not.toBe('renamed');
    server.pipeline = { config: { ...config, p4info: PROGRAM.p4info } };
    expect((await session.getPipeline())?.p4info?.tables).toHaveLength(1);
    expect(await nameInErrors()).toBe('renamed');
  });

  it('stay what they were if the device has a program that is none', async () => {
    await session.setPipeline(PROGRAM, new Uint8Array(0), { action: 'VERIFY_AND_COMMIT' });
    const [table] = PROGRAM.p4info.tables;
    if (table === undefined) throw new Error('unreachable');
    const p4info = { ...PROGRAM.p4info, tables: [table, table] };
    server.pipeline = { config: { p4info, p4DeviceConfig: new Uint8Array(0), cookie: undefined } };
    await session.getPipeline();
    expect(await nameInErrors()).toBe('renamed');
  });
});

it('a pipeline is set in the role of the controller; the default role has no name', async () => {
  const set = { action: 'VERIFY_AND_SAVE', cookie: 5n } as const;
  await session.setPipeline(PROGRAM, Uint8Array.of(1), set);
  await session.commitPipeline();
  session.close();
  session = await open({ role: 'offload' });
  await session.setPipeline(PROGRAM, Uint8Array.of(1), set);
  const common = { deviceId: 1n, electionId: { high: 0n, low: 7n } };
  expect(server.pipelineSets).toMatchObject([
    { ...common, role: '', roleId: 0n, action: Action.VERIFY_AND_SAVE, config: { cookie: { cookie: 5n } } },
    { ...common, role: '', roleId: 0n, action: Action.COMMIT, config: undefined },
    { ...common, role: 'offload', roleId: 0n },
  ]);
});

describe('arbitration', () => {
  const arbitrated = (code: number, electionId: bigint | undefined) =>
    server.send({
      $case: 'arbitration',
      value: {
        deviceId: 1n,
        role: undefined,
        electionId: electionId === undefined ? undefined : { high: 0n, low: electionId },
        status: { code, message: '', details: [] },
      },
    });

  it('tells of each new primary once, and of none', async () => {
    const states: unknown[] = [];
    session.on('backup', (state) => states.push(state));
    session.on('primary', () => states.push('primary'));
    session.on('connected', () => states.push('connected'));
    const backup = (primary: bigint | undefined, highest: bigint | undefined) => ({
      kind: 'backup',
      primaryElectionId: primary,
      highestElectionId: highest,
    });
    arbitrated(status.OK, 7n);
    arbitrated(status.ALREADY_EXISTS, 9n);
    arbitrated(status.ALREADY_EXISTS, 9n);
    arbitrated(status.NOT_FOUND, 9n);
    arbitrated(status.NOT_FOUND, 11n);
    arbitrated(status.NOT_FOUND, undefined);
    arbitrated(status.OK, 7n);
    await expect.poll(() => states.at(-1)).toBe('primary');
    expect(states).toEqual([
      backup(9n, 9n),
      backup(undefined, 9n),
      backup(undefined, 11n),
      backup(undefined, undefined),
      'primary',
    ]);
  });
});

it('a session that is closed as it breaks stays closed', async () => {
  const closed = new Promise<void>((resolve) => {
    session.on('disconnected', () => {
      session.close();
      resolve();
    });
  });
  server.cutStreams();
  await closed;
  expect(session.state).toEqual({ kind: 'closed' });
  await expect.poll(() => server.controllers).toBe(0);
  expect(() => session.packetOut(new Uint8Array(1))).toThrow(
    expect.objectContaining({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('the session is closed'),
    }),
  );
});

it('nothing is sent before there is a connection, and that is said', async () => {
  session.close();
  session = await open({ reconnect: { initialDelayMs: 1, maxDelayMs: 1 } });
  server.arbitrates = false;
  server.cutStreams();
  await expect.poll(() => session.state).toMatchObject({ kind: 'connecting', attempt: 2 });
  await expect(session.capabilities()).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('the session is not connected yet'),
  });
});

describe('a listener that fails', () => {
  const packet = () => server.send({ $case: 'packet', value: { payload: new Uint8Array(0), metadata: [] } });

  it('becomes a warning of the process if nobody listens for that', async () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    session.on('packetIn', () => {
      throw new Error('of a listener');
    });
    session.on('packetIn', () => {
      throw 'no error';
    });
    packet();
    await expect.poll(() => warnings.mock.calls).toHaveLength(2);
    expect(warnings.mock.calls).toEqual([
      [
        expect.stringMatching(/^a listener of 'packetIn' failed: Error: of a listener\n +at /),
        'P4RuntimeSession',
      ],
      [expect.stringMatching(/^a listener of 'packetIn' failed: Error: no error\n/), 'P4RuntimeSession'],
    ]);
  });

  it('of failing listeners becomes one, too, and is not told to itself', async () => {
    const warnings = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
    session.on('packetIn', () => {
      throw new Error('first');
    });
    session.on('listenerError', () => {
      throw new Error('second');
    });
    packet();
    await expect.poll(() => warnings.mock.calls).toHaveLength(1);
    expect(warnings.mock.calls[0]?.[0]).toMatch(/^a listener of 'listenerError' failed: Error: second/);
  });
});

describe('waits before reconnecting', () => {
  it('are at least a millisecond', () => {
    expect(reconnectOptions()).toEqual(DEFAULT_RECONNECT);
    expect(reconnectOptions({ initialDelayMs: 1, maxDelayMs: 1 })).toEqual({
      initialDelayMs: 1,
      maxDelayMs: 1,
    });
  });

  it.each(['initialDelayMs', 'maxDelayMs'])('and are refused otherwise: %s', (name) => {
    for (const value of [0, -1, Number.NaN])
      expect(() => reconnectOptions({ [name]: value })).toThrow(
        expect.objectContaining({ code: 'INVALID', message: expect.stringContaining(`reconnect.${name}`) }),
      );
  });
});
