import { status } from '@grpc/grpc-js';
import { type EndFlowsRequest, type Flow, ObjectKind } from '@infra-offload/infra-api';
import { ipv4 } from '@infra-offload/net';
import type { Entity } from '@infra-offload/p4rt/proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FlowTable } from '../drivers/flow-table.js';
import { node, pod, podObject, type TestAgent, web } from '../testing/agent.js';
import { aPod, aService, Core, coreDriver, InstantDevice } from '../testing/core.js';
import { CoreServer } from '../testing/core-server.js';

const entity = (id: number): Entity => ({
  entity: { $case: 'digestEntry', value: { digestId: id, config: undefined } },
});
/** A device with flows: each entity is one direction of one, even ones the original. */
const flowTable: FlowTable = {
  read: () => entity(-1),
  count: () => entity(-1),
  countOf: () => 1,
  begun: () => entity(-3),
  begunOf: () => 0n,
  entry: () => entity(-2),
  remembered: ({ source }) => [entity(source.port)],
  decode: ({ entity: one }) => {
    const id = one?.$case === 'digestEntry' ? Number(one.value.digestId) : -1;
    if (id < 0) return undefined;
    const client = { address: ipv4('10.244.1.1'), port: id & ~1 };
    const server = { address: ipv4('10.244.1.2'), port: 80 };
    return {
      original: { protocol: 6, source: client, destination: server },
      reply: { protocol: 6, source: server, destination: client },
      isReply: id % 2 === 1,
      idleMs: id % 2 === 1 ? 5_000 : 7_000,
      timeoutMs: 60_000,
      state: 'established',
      isDispensable: false,
      cell: undefined,
    };
  },
  state: () => undefined,
};

let server: CoreServer;
let agent: TestAgent;
beforeEach(async () => {
  server = await CoreServer.start({ flowTable });
  await server.core.attach();
  agent = server.agent();
});
afterEach(() => server.stop());

const code = (call: Promise<unknown>) =>
  call.then(
    () => status.OK,
    (error: { code: status }) => error.code,
  );
const endFlows = (request: EndFlowsRequest, of = agent) =>
  new Promise<bigint>((resolve, reject) => {
    of.client.endFlows(request, (error, response) => (error ? reject(error) : resolve(response.ended)));
  });

/** Has the device hold so many flows. Returns what is deleted of them. */
function holdFlows(count: number): unknown[] {
  const deleted: unknown[] = [];
  server.flowSession = {
    read: async function* (wanted) {
      for (const one of wanted)
        if (one.entity?.$case === 'digestEntry' && Number(one.entity.value.digestId) === -1)
          for (let id = 0; id < count * 2; id++) yield entity(id);
    },
    write: async (updates) => void deleted.push(...updates),
  };
  return deleted;
}

async function listFlows(
  countOnly: boolean,
  of = agent,
): Promise<{ flows: Flow[]; count: bigint; answers: number }> {
  const flows: Flow[] = [];
  let [count, answers] = [0n, 0];
  for await (const response of of.client.listFlows({ filter: undefined, countOnly })) {
    flows.push(...response.flows);
    count = response.count;
    answers++;
  }
  return { flows, count, answers };
}

describe('the calls of an agent', () => {
  it('end well, or with the status of what went wrong', async () => {
    expect(await agent.addPod(pod(1))).toEqual({ port: 1 });
    expect(await code(agent.deletePod('c1/eth0'))).toBe(status.OK);
    expect(await code(agent.deletePod(''))).toBe(status.INVALID_ARGUMENT);
    server.core.detach();
    expect(await code(agent.addPod(pod(1)))).toBe(status.UNAVAILABLE);
  });

  it('are given up when they are cancelled', async () => {
    server.lookupPort = async () => 1;
    const call = agent.client.addPod({ pod: pod(1) }, () => undefined);
    await expect.poll(() => server.core.controller.object('pod/c1/eth0')).toBeDefined();
    call.cancel();
    await expect.poll(() => server.core.controller.object('pod/c1/eth0')).toBeUndefined();
  });
});

describe('the calls of an operator', () => {
  it('look, and change nothing', async () => {
    const operator = server.operator();
    holdFlows(1);
    expect(await operator.managerStatus()).toMatchObject({ programmed: 0 });
    expect(await operator.entries('pod_forward')).toEqual([]);
    expect((await listFlows(false, operator)).count).toBe(1n);
    const question = { from: 'default/pod-1', to: '10.0.0.1', port: 80, protocol: 0, sourcePort: 0 };
    const traced = new Promise((resolve, reject) =>
      operator.client.trace(question, (error, answer) => (error ? reject(error) : resolve(answer))),
    );
    expect(await code(traced)).toBe(status.NOT_FOUND);
    const denied = status.PERMISSION_DENIED;
    expect(await code(operator.addPod(pod(1)))).toBe(denied);
    expect(await code(operator.deletePod('c1/eth0'))).toBe(denied);
    expect(await code(endFlows({ filter: undefined, all: true }, operator))).toBe(denied);
    operator.connect();
    await expect.poll(() => operator.error?.code).toBe(denied);
    expect(operator.error?.details).toMatch(/operators have read-only access/);
  });
});

describe('flows', () => {
  it('are listed in parts, and counted', async () => {
    holdFlows(600);
    const { flows, count, answers } = await listFlows(false);
    expect([flows.length, count, answers]).toEqual([600, 600n, 4]);
    expect(new Set(flows.map(({ client }) => client?.port)).size).toBe(600);
    expect(flows[0]).toMatchObject({ state: 'established', idleMs: 5_000n, remainingMs: 53_000n });
    expect(await listFlows(true)).toMatchObject({ flows: [], count: 1200n, answers: 1 });
  });

  it('are told no faster than they are read', async () => {
    const COUNT = 20_000;
    holdFlows(COUNT);
    const call = agent.client.listFlows({ filter: undefined, countOnly: false });
    let told = 0;
    const ended = new Promise<void>((resolve, reject) => call.once('end', resolve).once('error', reject));
    call.on('data', ({ flows }) => {
      told += flows.length;
      call.pause();
      setImmediate(() => call.resume());
    });
    await ended;
    expect(told).toBe(COUNT);
  });

  it('end with the call of who asked for them', async () => {
    let read = 0;
    holdFlows(1);
    server.flowSession = {
      read: async function* () {
        for (let id = 0; ; id++) {
          read = id;
          yield entity(id);
          if (id % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
        }
      },
      write: async () => undefined,
    };
    const call = agent.client.listFlows({ filter: undefined, countOnly: false });
    call.on('error', () => undefined);
    await new Promise((resolve) => call.once('data', resolve));
    call.cancel();
    await expect
      .poll(async () => {
        const before = read;
        await server.core.settled();
        return read - before;
      })
      .toBe(0);
  });

  it('are ended by a filter, and all of them only if that is said', async () => {
    const deleted = holdFlows(3);
    const nothing = { pod: '', service: '', address: '', port: 0, protocol: 0, state: '' };
    for (const filter of [undefined, nothing])
      expect(await code(endFlows({ filter, all: false }))).toBe(status.INVALID_ARGUMENT);
    expect(deleted).toEqual([]);
    expect(await endFlows({ filter: { ...nothing, port: 2 }, all: false })).toBe(1n);
    expect(deleted).toHaveLength(2);
    expect(await endFlows({ filter: undefined, all: true })).toBe(3n);
  });

  it('cannot be told while the target is away', async () => {
    await expect(listFlows(false)).rejects.toMatchObject({ code: status.UNAVAILABLE });
    await expect(listFlows(true)).rejects.toMatchObject({ code: status.UNAVAILABLE });
  });
});

describe('Status', () => {
  it('counts objects, and tells those that are not programmed, or all', async () => {
    server.core.tellPorts('mem1');
    await agent.snapshot(podObject(1));
    server.core.controller.refuse('pod/c2/eth0', 'no sense');
    server.core.controller.upsert(aPod(3));
    const few = await new Promise<unknown>((resolve) => {
      agent.client.status({ allObjects: false }, (_, response) => resolve(response));
    });
    expect(few).toMatchObject({
      programmed: 1,
      pending: 1,
      degraded: 1,
      objects: [{ object: { name: 'c2/eth0' }, reason: 'ObjectInvalid' }, { object: { name: 'c3/eth0' } }],
      agent: { connected: true, nodeName: 'node-1' },
    });
    const all = await agent.managerStatus();
    expect(all.objects.map(({ object }) => object?.name)).toEqual(['c1/eth0', 'c2/eth0', 'c3/eth0']);
  });

  it.each([
    [{ kind: 'ready', lacks: [] } as const, { connected: true, primary: true, lastError: '' }],
    [{ kind: 'synchronising' } as const, { connected: true, primary: true, lastError: '' }],
    [{ kind: 'backup', primaryElectionId: 1n } as const, { connected: true, primary: false, lastError: '' }],
    [
      { kind: 'connecting', lastError: 'gone' } as const,
      { connected: false, primary: false, lastError: 'gone' },
    ],
  ])('tells where a target stands', async (state, target) => {
    server.targetState = state;
    server.problems = [{ reason: 'TargetAway', message: 'gone', since: 5, isServing: false }];
    server.warnings = [{ reason: 'FlowTableFull', message: 'flow table full: 7 packets dropped', since: 6 }];
    expect(await agent.managerStatus()).toMatchObject({
      target: { ...target, address: '192.0.2.1:9559', inSync: true },
      problems: [{ reason: 'TargetAway', message: 'gone', sinceMs: 5n }],
      warnings: [{ reason: 'FlowTableFull', message: 'flow table full: 7 packets dropped', sinceMs: 6n }],
    });
  });

  it('tells how full the tables are', async () => {
    server.core.controller.upsert(aPod(1));
    server.core.controller.upsert(aPod(2));
    server.core.tellPorts('mem1', 'mem2');
    await server.core.settled();
    const { tables, target } = await agent.managerStatus();
    expect(tables.map(({ name }) => name)).toEqual([...coreDriver.tables]);
    expect(tables.find(({ name }) => name === 'pod_forward')).toEqual({
      name: 'pod_forward',
      entries: 2n,
      size: BigInt(coreDriver.program.table('pod_forward').size),
    });
    expect(Number(target?.updatesWritten)).toBeGreaterThan(2);
    expect(Number(target?.writeRequests)).toBeGreaterThan(0);
  });

  it('has the counters that are not zero, by name; none while the target is away', async () => {
    const { drops, serviceFlows } = coreDriver;
    const [reason] = drops?.reasons ?? [];
    if (drops === undefined || serviceFlows === undefined || reason === undefined)
      throw new Error('unreachable');
    server.core.controller.upsert(aService('web', 10, [1]));
    await server.core.settled();
    const counted = (cell: Entity, packetCount: bigint, byteCount: bigint): Entity =>
      cell.entity?.$case === 'counterEntry'
        ? {
            entity: {
              $case: 'counterEntry',
              value: { ...cell.entity.value, data: { packetCount, byteCount } },
            },
          }
        : cell;
    server.core.device.answers = [
      counted(drops.cell(reason.reason), 3n, 300n),
      counted(drops.cell(reason.reason + 1), 0n, 0n),
      counted(serviceFlows.cell(1), 0n, 7n),
    ];
    const [first, second] = await Promise.all([agent.managerStatus(), agent.managerStatus()]);
    expect(first.counters).toEqual([
      { name: 'drop_counter', index: `${reason.reason} (${reason.text})`, packets: 3n, bytes: 300n },
      { name: 'service_counter', index: 'default/web:/TCP', packets: 0n, bytes: 7n },
    ]);
    expect(second.counters).toEqual(first.counters);
    server.core.detach();
    expect((await agent.managerStatus()).counters).toEqual([]);
  });
});

describe('ListEntries', () => {
  it('tells the entries of all tables, one, or one object, with whose they are', async () => {
    server.core.tellPorts('mem0', 'mem1');
    await agent.snapshot(node(), podObject(1), web('10.244.1.1:80'));
    const all = await agent.entries();
    const answers: number[] = [];
    for await (const { entries } of agent.client.listEntries({ table: '', object: undefined }))
      answers.push(entries.length);
    expect(answers).toEqual([...Array(Math.floor(all.length / 256)).fill(256), all.length % 256]);
    expect(new Set(all.map(({ text }) => text)).size).toBe(all.length);
    const [forward, ...rest] = await agent.entries('pod_forward', {
      kind: ObjectKind.OBJECT_KIND_POD,
      name: 'c1/eth0',
    });
    expect(rest).toEqual([]);
    expect(forward).toMatchObject({
      table: 'pod_forward',
      text: expect.stringContaining('10.244.1.1'),
      objects: [{ kind: ObjectKind.OBJECT_KIND_POD, name: 'c1/eth0' }],
      installed: true,
      error: '',
    });
    const ofService = await agent.entries('', {
      kind: ObjectKind.OBJECT_KIND_SERVICE,
      name: 'default/web:/TCP',
    });
    expect([...new Set(ofService.map(({ table }) => table))].sort()).toEqual([
      'endpoint',
      'endpoint_group',
      'endpoint_selector',
      'service',
      'service_address',
    ]);
    const full = coreDriver.program.table('pod_forward').name;
    expect((await agent.entries(full)).map(({ table }) => table)).toEqual(
      (await agent.entries('pod_forward')).map(({ table }) => table),
    );
  });

  it('says of an entry that is not there why', async () => {
    server.core.device.refuses = (row) => (row?.table === 'pod_forward' ? 'RESOURCE_EXHAUSTED' : undefined);
    server.core.controller.upsert(aPod(1));
    server.core.tellPorts('mem1');
    await server.core.settled();
    expect(await agent.entries('pod_forward')).toEqual([
      expect.objectContaining({ installed: false, error: expect.stringMatching(/^TableFull: /) }),
    ]);
  });

  it('refuses what is no table, or no object', async () => {
    const entries = (table: string, object?: { kind: number; name: string }) =>
      code(agent.entries(table, object));
    expect(await entries('no_such_table')).toBe(status.INVALID_ARGUMENT);
    expect(await entries('', { kind: 99, name: 'x' })).toBe(status.INVALID_ARGUMENT);
    const own = coreDriver.program.tables.find(({ alias }) => !coreDriver.tables.includes(alias));
    await expect(agent.entries(own?.alias)).rejects.toMatchObject({
      details: expect.stringMatching(/is filled by the data plane; choose /),
    });
  });
});

it('a device that cannot be read has no counters', async () => {
  const device = new InstantDevice();
  device.read = async function* () {
    yield* [];
    throw new Error('cannot be read');
  };
  server.stop();
  const core = new Core();
  await core.attach();
  core.device.read = device.read;
  server = await CoreServer.start({ core });
  expect((await server.agent().managerStatus()).counters).toEqual([]);
  expect(await server.inspector.packetsBy('drops')).toEqual([]);
});
