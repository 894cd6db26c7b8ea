import { ChannelCredentials } from '@grpc/grpc-js';
import { Backoff } from '@infra-offload/base';
import { P4RuntimeSession } from '@infra-offload/p4rt';
import { MemoryPorts, Softswitch } from '@infra-offload/softswitch';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLoggers } from '../log.js';
import { aPod, Core, coreDriver } from '../testing/core.js';
import { TargetConnection, type TargetState } from './connection.js';
import { runsPipeline } from './pipeline.js';

const logger = createLoggers({ level: 'silent', modules: {} }).target;

let core: Core;
let target: Softswitch | undefined;
let address: string;
let connection: TargetConnection<ReturnType<typeof coreDriver.base>[number]>;
let states: TargetState[];
let onState: (state: TargetState) => void;

beforeEach(async () => {
  core = new Core();
  states = [];
  onState = (state) => void states.push(state);
  await startTarget('127.0.0.1:0');
  connection = new TargetConnection(
    { address, credentials: ChannelCredentials.createInsecure(), deviceId: 1, deadlineMs: 20_000 },
    coreDriver,
    core.reconciler,
    logger,
    (state) => onState(state),
  );
});
afterEach(async () => {
  vi.restoreAllMocks();
  connection.stop();
  core.stop();
  await target?.stop();
});

async function startTarget(at = address): Promise<void> {
  target = await Softswitch.start({
    p4runtimeAddress: at,
    gnmiAddress: '127.0.0.1:0',
    ports: new MemoryPorts(4),
  });
  address = target.p4runtimeAddress;
}

const kinds = () => states.map(({ kind }) => kind);
const reach = (kind: TargetState['kind']) => expect.poll(() => connection.state.kind).toBe(kind);
const rival = (electionId: bigint) => P4RuntimeSession.open({ address, deviceId: 1, electionId });

describe('the connection to a target', () => {
  it('sets the pipeline, has the reconciler write, and is ready then', async () => {
    core.controller.upsert(aPod(1));
    core.tellPorts('mem1');
    expect(connection.state).toEqual({ kind: 'connecting', lastError: '' });
    expect(connection.session).toBeUndefined();
    connection.start();
    await reach('ready');
    expect(kinds()).toEqual(['synchronising', 'ready']);
    expect(core.reconciler.attached).toBe(true);
    const { session } = connection;
    if (session === undefined) throw new Error('no session');
    expect(await runsPipeline(session, coreDriver)).toBe(true);
    await expect.poll(() => core.controller.status('pod/c1/eth0')?.state).toBe('programmed');
    // Later managers have higher ids.
    expect(Number(session.electionId)).toBeGreaterThan(Date.now() - 600_000);
  });

  it('waits for a target that is away, and says why', async () => {
    await target?.stop();
    target = undefined;
    const pauses = vi.spyOn(Backoff.prototype, 'next');
    connection.start();
    await expect
      .poll(() => connection.state)
      .toMatchObject({ lastError: expect.stringMatching(/ECONNREFUSED|UNAVAILABLE/) });
    expect(connection.session).toBeUndefined();
    await expect.poll(() => pauses.mock.results.length).toBeGreaterThan(1);
    expect(Math.min(...pauses.mock.results.map(({ value }) => value))).toBeGreaterThanOrEqual(50);
    await startTarget();
    await reach('ready');
  });

  it('has the reconciler stop when the target goes, and begin anew when it is back', async () => {
    connection.start();
    await reach('ready');
    await target?.stop();
    await reach('connecting');
    expect(core.reconciler.attached).toBe(false);
    expect(connection.session).toBeUndefined();
    await startTarget();
    await reach('ready');
    expect(core.reconciler.attached).toBe(true);
    const { session } = connection;
    expect(session && (await runsPipeline(session, coreDriver))).toBe(true);
  });

  it('leaves a target to another primary, and takes it when that has gone', async () => {
    connection.start();
    await reach('ready');
    const other = await rival(2n ** 100n);
    await reach('backup');
    expect(connection.state).toEqual({ kind: 'backup', primaryElectionId: 2n ** 100n });
    expect(core.reconciler.attached).toBe(false);
    expect(connection.session).toBeUndefined();
    other.close();
    await reach('ready');
    expect(connection.session?.electionId).toBe(2n ** 100n + 1n);
    expect(core.reconciler.attached).toBe(true);
  });

  it('does not fight for a target that has a primary already', async () => {
    const other = await rival(2n ** 128n - 1n);
    connection.start();
    await reach('backup');
    expect(other.isPrimary).toBe(true);
    other.close();
    // There is no higher id: the same one is free again.
    await reach('ready');
    expect(connection.session?.electionId).toBe(2n ** 128n - 1n);
  });

  it('warns once of a target that is away, and once of each primary that takes it', async () => {
    const warnings = vi.spyOn(logger, 'warn');
    const warned = (what: string) => warnings.mock.calls.filter(([, text]) => text?.startsWith(what));
    connection.start();
    await reach('ready');
    const one = await rival(2n ** 90n);
    await reach('backup');
    const other = await rival(2n ** 91n);
    await expect.poll(() => connection.state).toEqual({ kind: 'backup', primaryElectionId: 2n ** 91n });
    expect(warned('another controller is the primary')).toHaveLength(1);
    one.close();
    other.close();
    await reach('ready');
    await target?.stop();
    const { length } = states;
    await expect.poll(() => states.length).toBeGreaterThan(length + 1);
    expect(warned('the target is away')).toHaveLength(1);
    await startTarget();
    await reach('ready');
  });

  it('takes no suspicion seriously while it has no target to write to', async () => {
    connection.suspect('not-primary');
    connection.suspect('pipeline');
    expect(states).toEqual([]);
    const other = await rival(2n ** 100n);
    connection.start();
    await reach('backup');
    const { length } = states;
    connection.suspect('not-primary');
    connection.suspect('disconnected');
    expect(states).toHaveLength(length);
    other.close();
  });

  it('leaves a target alone whose pipeline cannot be asked for', async () => {
    connection.start();
    await reach('ready');
    const { session } = connection;
    if (session === undefined) throw new Error('no session');
    const warnings = vi.spyOn(logger, 'warn');
    const ask = vi.spyOn(session, 'getPipeline').mockRejectedValue(new Error('too busy'));
    states.length = 0;
    connection.suspect('pipeline');
    await expect
      .poll(() => warnings.mock.calls)
      .toEqual([[{ reason: 'too busy' }, 'the pipeline of the target cannot be checked']]);
    expect(states).toEqual([]);
    // And asks again when there is another doubt.
    connection.suspect('pipeline');
    await expect.poll(() => ask.mock.calls.length).toBe(2);
  });

  it('synchronises anew when writes fail', async () => {
    connection.start();
    await reach('ready');
    states.length = 0;
    connection.suspect('not-primary');
    expect(kinds()).toEqual(['synchronising']);
    expect(core.reconciler.attached).toBe(false);
    await reach('ready');
    expect(core.reconciler.attached).toBe(true);
  });

  it('looks for its pipeline when it is in doubt, and sets it again only if it is lost', async () => {
    connection.start();
    await reach('ready');
    states.length = 0;
    const { session } = connection;
    if (session === undefined) throw new Error('no session');
    connection.suspect('pipeline');
    // The answer to a later question comes after the one to this.
    await session.getPipeline('COOKIE_ONLY');
    await core.settled();
    expect(kinds()).toEqual([]);
    await session.setPipeline(coreDriver.program, coreDriver.deviceConfig, {
      action: 'VERIFY_AND_COMMIT',
      cookie: 1n,
    });
    connection.suspect('pipeline');
    connection.suspect('pipeline');
    await expect.poll(() => kinds()).toContain('ready');
    expect(kinds().filter((kind) => kind === 'ready')).toHaveLength(1);
    expect(await runsPipeline(session, coreDriver)).toBe(true);
  });

  it('tries again when the target cannot be synchronised with', async () => {
    const attach = core.reconciler.attach.bind(core.reconciler);
    let failures = 2;
    core.reconciler.attach = async (...args) => {
      if (failures-- > 0) throw new Error('cannot be read');
      return attach(...args);
    };
    connection.start();
    await reach('ready');
    expect(failures).toBe(-1);
    expect(kinds().filter((kind) => kind === 'ready')).toHaveLength(1);
  });

  it('begins anew after an error of its own', async () => {
    let isBroken = true;
    onState = (state) => {
      states.push(state);
      if (state.kind !== 'synchronising' || !isBroken) return;
      isBroken = false;
      throw new Error('a fault of ours');
    };
    connection.start();
    await expect.poll(() => states).toContainEqual({ kind: 'connecting', lastError: 'a fault of ours' });
    await reach('ready');
  });

  it('says nothing more once it is stopped', async () => {
    connection.start();
    await reach('ready');
    const { length } = states;
    connection.stop();
    expect(core.reconciler.attached).toBe(false);
    expect(connection.session).toBeUndefined();
    connection.suspect('not-primary');
    await target?.stop();
    target = undefined;
    await core.settled();
    expect(states).toHaveLength(length);
  });
});
