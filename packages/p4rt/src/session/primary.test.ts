import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeServer } from '../testing/fake-server.js';
import { fixture } from '../testing/fixture.js';
import { once, Sessions } from '../testing/sessions.js';
import { typedProgram } from '../typed/program.js';
import type { SessionOptions } from './options.js';

const { service } = typedProgram(fixture).tables;
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

describe('a standby', () => {
  it('becomes the primary when that one goes, and does not give way when it returns', async () => {
    const primary = await open({ electionId: 20n });
    const standby = await open({ electionId: 10n, takeover: true });
    const observer = await open({ electionId: 5n });
    expect(standby.isPrimary).toBe(false);
    const promoted = standby.whenPrimary();
    primary.close();
    expect((await promoted).aborted).toBe(false);
    expect(standby.electionId).toBe(30n);
    await standby.write([{ type: 1, entity: service.all() }]);
    expect(server.writes.at(-1)?.electionId).toEqual({ high: 0n, low: 30n });
    const returned = await open({ electionId: 20n, takeover: true });
    expect(returned.state).toMatchObject({ kind: 'backup', primaryElectionId: 30n });
    expect(observer.state).toMatchObject({ kind: 'backup', primaryElectionId: 30n });
    expect(standby.isPrimary).toBe(true);
  });

  it('is the only one: of several, that with the highest id stays', async () => {
    const primary = await open({ electionId: 100n });
    const standbys = await Promise.all(
      [1n, 2n, 3n].map((electionId) => open({ electionId, takeover: true })),
    );
    primary.close();
    await expect
      .poll(() => standbys.map((session) => session.state.kind))
      .toEqual(['backup', 'backup', 'primary']);
    await expect.poll(() => standbys[0]?.state).toMatchObject({ primaryElectionId: 103n });
  });

  it('takes over a role whose primary went before it came', async () => {
    (await open({ electionId: 50n })).close();
    await expect.poll(() => server.controllers).toBe(0);
    const standby = await open({ takeover: true });
    await standby.whenPrimary();
    expect(standby.electionId).toBe(51n);
  });

  it('stays a backup above the highest id that there is', async () => {
    const primary = await open({ electionId: 2n ** 128n - 1n });
    const standby = await open({ takeover: true });
    const vacant = once(standby, 'backup');
    primary.close();
    await vacant;
    expect(standby.electionId).toBe(1n);
  });
});

describe('a term as primary', () => {
  it('ends when another controller takes it', async () => {
    const session = await open();
    const term = await session.whenPrimary();
    await open({ electionId: 2n });
    await expect.poll(() => term.aborted).toBe(true);
    expect(term.reason).toMatchObject({
      code: 'PERMISSION_DENIED',
      message: expect.stringContaining('no longer the primary: election id 2 is'),
    });
  });

  it('ends when the stream breaks, and another one begins', async () => {
    const session = await open();
    const term = await session.whenPrimary();
    server.cutStreams();
    await expect.poll(() => term.aborted).toBe(true);
    expect(term.reason).toMatchObject({ code: 'UNAVAILABLE' });
    const next = await session.whenPrimary();
    expect(next.aborted).toBe(false);
    session.close();
    expect(next.reason).toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('is not waited for beyond the end of the session', async () => {
    await open({ electionId: 2n });
    const session = await open();
    const waiting = session.whenPrimary();
    session.close();
    await expect(waiting).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(session.whenPrimary()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
