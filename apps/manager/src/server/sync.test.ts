import { status } from '@grpc/grpc-js';
import { type Change, ObjectKind, ObjectState } from '@infra-offload/infra-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEGRADED, node, PROGRAMMED, podObject, type TestAgent, web } from '../testing/agent.js';
import { CoreServer } from '../testing/core-server.js';

type ChangeBody = NonNullable<Change['change']>;

const PENDING = ObjectState.OBJECT_STATE_PENDING;
const BEGIN: ChangeBody = { $case: 'snapshotBegin', value: { nodeName: 'node-1' } };
const END: ChangeBody = { $case: 'snapshotEnd', value: {} };
const upsert = (value: ReturnType<typeof podObject>): ChangeBody => ({ $case: 'upsert', value });
const removal = (name: string, kind = ObjectKind.OBJECT_KIND_POD): ChangeBody => ({
  $case: 'remove',
  value: { kind, name },
});

let server: CoreServer;
let agent: TestAgent;
beforeEach(async () => {
  server = await CoreServer.start();
  await server.core.attach();
  agent = server.agent();
});
afterEach(() => server.stop());

const failed = (of = agent) => expect.poll(() => of.error?.code);

describe('a Sync stream', () => {
  it('tells the status of each object, and the revision up to which all are settled', async () => {
    server.core.tellPorts('mem0', 'mem1');
    agent.connect();
    const last = agent.send(BEGIN, upsert(node()), upsert(podObject(1)), END, upsert(podObject(2)));
    await agent.applied(4n);
    expect(agent.statuses.get('c1/eth0')).toMatchObject({ state: PROGRAMMED, reason: '' });
    expect(agent.statuses.get('node-1')).toMatchObject({ state: PROGRAMMED });
    // Its port is not known: that is told, and the revision waits.
    await agent.status('c2/eth0', ({ state, reason }) => state === PENDING && reason === 'InterfaceUnknown');
    expect(agent.responses.at(-1)?.appliedRevision).toBe(4n);
    server.core.tellPorts('mem2');
    await agent.applied(last);
    expect(agent.statuses.get('c2/eth0')?.state).toBe(PROGRAMMED);
    expect(server.service.agent()).toEqual({ connected: true, nodeName: 'node-1', appliedRevision: 5n });
  });

  it('tells a status once', async () => {
    server.core.tellPorts('mem1');
    await agent.snapshot(podObject(1));
    const told = () => agent.responses.flatMap(({ statuses }) => statuses.map(({ object }) => object?.name));
    expect(told()).toEqual(['c1/eth0']);
    await agent.upsert(podObject(1));
    expect(told()).toEqual(['c1/eth0']);
    await agent.remove(ObjectKind.OBJECT_KIND_POD, 'c1/eth0');
    expect(told()).toEqual(['c1/eth0']);
    const last = agent.send(upsert(podObject(1)));
    await agent.status('c1/eth0', ({ reason }) => reason === 'InterfaceUnknown');
    server.core.tellPorts('mem1');
    await agent.applied(last);
    expect(told()).toEqual(['c1/eth0', 'c1/eth0', 'c1/eth0']);
  });

  it('settles nothing before it is stored', async () => {
    let store: () => void = () => undefined;
    server.stored = () =>
      new Promise<void>((resolve) => {
        store = resolve;
      });
    agent.connect();
    agent.send(BEGIN, END);
    await expect.poll(() => server.service.agent().nodeName).toBe('node-1');
    await server.core.settled();
    expect(agent.responses).toEqual([]);
    store();
    await agent.applied(2n);
  });

  it('takes nothing in while the device is far behind', async () => {
    server.backlog = 40_000;
    agent.connect();
    agent.send(BEGIN, END);
    await agent.managerStatus();
    expect(server.service.agent().nodeName).toBe('');
    server.backlog = 39_999;
    await agent.applied(2n);
  });

  it('of which a snapshot names less than before removes the rest', async () => {
    server.core.tellPorts('mem1', 'mem2');
    await agent.snapshot(podObject(1), podObject(2));
    const next = server.agent();
    await next.snapshot(podObject(2));
    expect(server.core.controller.object('pod/c1/eth0')).toBeUndefined();
    expect(server.core.controller.object('pod/c2/eth0')).toBeDefined();
  });

  it('keeps what it had of an object that makes no sense, and says so', async () => {
    await agent.snapshot(podObject(1, { mac: 'nonsense' }), web('10.244.1.1:80'));
    expect(agent.statuses.get('c1/eth0')).toMatchObject({ state: DEGRADED, reason: 'ObjectInvalid' });
    expect(agent.statuses.get('default/web:/TCP')?.state).toBe(PROGRAMMED);
  });

  it.each<[string, readonly ChangeBody[], RegExp]>([
    ['an upsert before a snapshot', [upsert(podObject(1))], /^revision 1: an upsert before the snapshot/],
    ['a removal before a snapshot', [removal('c1/eth0')], /^revision 1: a removal before the snapshot/],
    ['the end of no snapshot', [END], /^revision 1: a snapshot ends although none has begun/],
    [
      'the end of a snapshot twice',
      [BEGIN, END, END],
      /^revision 3: a snapshot ends although none has begun/,
    ],
    ['a snapshot in another', [BEGIN, BEGIN], /^revision 2: a snapshot begins within another one/],
    [
      'a snapshot of no node',
      [{ $case: 'snapshotBegin', value: { nodeName: '' } }],
      /^revision 1: snapshot_begin names no node/,
    ],
    [
      'an upsert of nothing',
      [BEGIN, { $case: 'upsert', value: { object: undefined } }],
      /^revision 2: the upsert contains no object/,
    ],
    [
      'a removal of nothing',
      [BEGIN, removal('')],
      /^revision 2: the removal names no object \(kind 2, name ""\)/,
    ],
    [
      'what belongs to another API',
      [BEGIN, upsert(podObject(1, { attachmentId: '~ipdk/c1' }))],
      /^revision 2: pod ~ipdk\/c1: names that begin with "~" are not the agent's/,
    ],
    [
      'the removal of what belongs to another API',
      [BEGIN, removal('~ipdk/c1')],
      /^revision 2: pod ~ipdk\/c1: names that begin with "~"/,
    ],
  ])('ends at %s', async (_, changes, details) => {
    agent.connect();
    agent.send(...changes);
    await failed().toBe(status.INVALID_ARGUMENT);
    expect(agent.error?.details).toMatch(details);
    expect(server.service.agent().connected).toBe(false);
  });

  it('ends at revisions that do not increase, and at a change that it does not know', async () => {
    const stream = agent.client.sync();
    const end = new Promise<{ code: number; details: string }>((resolve) => stream.once('error', resolve));
    stream.write({
      changes: [
        { revision: 2n, change: BEGIN },
        { revision: 2n, change: END },
      ],
    });
    expect(await end).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'revision 2 after 2: revisions must increase from 1',
    });
    const other = agent.client.sync();
    const unknown = new Promise<{ code: number; details: string }>((resolve) => other.once('error', resolve));
    other.write({ changes: [{ revision: 1n, change: undefined }] });
    expect(await unknown).toMatchObject({
      code: status.INVALID_ARGUMENT,
      details: 'revision 1 contains no change, or one that this version does not know',
    });
  });

  it('is displaced by a newer one as soon as that begins a snapshot, not before', async () => {
    await agent.snapshot();
    const newer = server.agent();
    newer.connect();
    await newer.managerStatus();
    expect(agent.error).toBeUndefined();
    newer.send(BEGIN, END);
    await newer.applied(2n);
    await failed().toBe(status.ABORTED);
    expect(agent.error?.details).toBe('a newer Sync stream has replaced this one');
    // A second snapshot on the same stream displaces nobody.
    await newer.applied(newer.send(BEGIN, END));
    expect(newer.error).toBeUndefined();
  });

  it('ends well when the agent has said all, and all of it is answered', async () => {
    const stream = agent.client.sync();
    const responses: bigint[] = [];
    stream.on('data', ({ appliedRevision }) => responses.push(appliedRevision));
    const ended = new Promise<void>((resolve) => stream.once('end', resolve));
    stream.write({
      changes: [BEGIN, upsert(podObject(1)), END].map((change, i) => ({ revision: BigInt(i + 1), change })),
    });
    stream.end();
    await expect.poll(() => server.core.requested).toContain('mem1');
    expect(responses.at(-1) ?? 0n).toBeLessThan(3n);
    server.core.tellPorts('mem1');
    await ended;
    expect(responses.at(-1)).toBe(3n);
    expect(server.service.agent().connected).toBe(false);
  });

  it('ends with UNAVAILABLE when the manager stops', async () => {
    await agent.snapshot();
    server.service.stop();
    await failed().toBe(status.UNAVAILABLE);
    expect(agent.error?.details).toBe('the manager is stopping');
  });

  it('is gone when the agent is', async () => {
    await agent.snapshot();
    agent.close();
    await expect.poll(() => server.service.agent()).toMatchObject({ connected: false, nodeName: 'node-1' });
  });
});
