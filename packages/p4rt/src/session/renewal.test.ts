import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Update, Update_Type } from '../gen/p4/v1/p4runtime.js';
import { CuttingProxy } from '../testing/cutting-proxy.js';
import { fixture } from '../testing/fixture.js';
import { StrictServer } from '../testing/strict-server.js';
import { writeFailure } from '../testing/write-failure.js';
import { typedProgram } from '../typed/program.js';
import { P4RuntimeSession } from './session.js';

const { service } = typedProgram(fixture).tables;
let server: StrictServer;
let session: P4RuntimeSession;

beforeEach(async () => {
  server = await StrictServer.start();
  session = await P4RuntimeSession.open({
    address: server.address,
    deviceId: 1,
    electionId: 7n,
    reconnect: { initialDelayMs: 5, maxDelayMs: 20 },
    maxUpdatesPerWrite: 300,
  });
});

afterEach(async () => {
  session.close();
  await server.stop();
});

function insert(n: number): Update {
  const action = service.actions.set_service({ group_id: n, flags: 0 });
  return {
    type: Update_Type.INSERT,
    entity: service.entry({ dst_ip: n, protocol: 6, dst_port: 80 }, action),
  };
}

function address({ entity }: Update): number {
  return entity === undefined ? -1 : Number(service.decode(entity).match.dst_ip);
}

/** Has all updates but the first 30 of each 300 fail, with details that no grpc-js can receive for many at a time. */
function failMost(): void {
  server.onUpdate = (update) =>
    address(update) % 300 < 30
      ? undefined
      : { code: status.RESOURCE_EXHAUSTED, message: `${address(update)} ${'x'.repeat(240)}` };
}

describe('a session whose connection stopped at error details that are too long', () => {
  it('gets its election id back on a new connection, and leaves none behind', async () => {
    failMost();
    const updates = Array.from({ length: 300 }, (_, n) => insert(n));
    const error = await writeFailure(session.write(updates, { deadlineMs: 2_000 }));
    expect(error.details.failures.map(({ index }) => index)).toEqual(
      Array.from({ length: 270 }, (_, n) => n + 30),
    );
    expect(error.details.failures.every(({ code }) => code === 'RESOURCE_EXHAUSTED')).toBe(true);
    expect(server.entries.size).toBe(30);
    expect(session.isPrimary).toBe(true);
    expect(server.accepted).toBeGreaterThan(1);
    await server.connectionsLeft(1);
    session.close();
    await server.connectionsLeft(0);
  });

  it('finds out about all Writes that were under way', async () => {
    failMost();
    const updates = Array.from({ length: 900 }, (_, n) => insert(n));
    const error = await writeFailure(session.write(updates, { deadlineMs: 2_000, concurrency: 3 }));
    expect(error.details.failures).toHaveLength(810);
    expect(error.details.failures.every(({ code }) => code === 'RESOURCE_EXHAUSTED')).toBe(true);
    expect(server.entries.size).toBe(90);
    await server.connectionsLeft(1);
  });
});

describe('the connection of a session', () => {
  it('is closed with it', async () => {
    session.close();
    await server.connectionsLeft(0);
  });

  it('that does not answer arbitration is left for a new one', async () => {
    session.close();
    await server.connectionsLeft(0);
    const [address, electionId] = [server.address, 8n];
    session = await P4RuntimeSession.open({
      address,
      deviceId: 1,
      electionId,
      deadlineMs: 500,
      reconnect: { initialDelayMs: 5, maxDelayMs: 20 },
    });
    const mute = server.accepted + 1;
    server.answersArbitration = (connection) => connection > mute;
    const back = new Promise<void>((resolve) => session.on('connected', resolve));
    server.cut();
    await back;
    expect(server.accepted).toBeGreaterThan(mute);
    await server.connectionsLeft(1);
  });

  it('on which nothing arrives any more is noticed by a read, and left for a new one', async () => {
    session.close();
    const proxy = await CuttingProxy.start(server.port);
    session = await P4RuntimeSession.open({ address: proxy.address, deviceId: 1, electionId: 9n });
    proxy.cutAfter(0, 'silence');
    const back = new Promise<void>((resolve) => session.on('connected', resolve));
    const read = session.read(service.all(), { deadlineMs: 200 }).next();
    await expect(read).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await back;
    expect(session.isPrimary).toBe(true);
    await server.connectionsLeft(1);
    await proxy.stop();
  });
});
