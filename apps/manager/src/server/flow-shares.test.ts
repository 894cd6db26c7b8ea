import { formatIPv4, type IPv4, ipv4 } from '@infra-offload/net';
import type { Entity, Update } from '@infra-offload/p4rt/proto';
import { beforeEach, expect, it, vi } from 'vitest';
import type { FlowEntry, FlowTable, FlowTuple } from '../drivers/flow-table.js';
import { createLoggers } from '../log.js';
import { aPod } from '../testing/core.js';
import { FlowShares } from './flow-shares.js';
import type { FlowSession } from './flows.js';

const { manager: logger } = createLoggers({ level: 'silent', modules: {} });
const SHARE = 80;
const SERVER = { address: ipv4('10.244.1.9'), port: 80 };
const PODS = [1, 2].map((port) => ({ pod: aPod(port), port }));

interface Flow {
  readonly idleMs: number;
  readonly isDispensable: boolean;
}

/** What is asked, in a message that has room for it. */
const question = (about: object): Entity => ({
  entity: { $case: 'digestEntry', value: { digestId: 0, config: undefined, ...about } },
});
const aboutOf = ({ entity }: Entity): Record<string, unknown> => ({ ...entity?.value });

/** The flows of each pod, by the port that it uses; how many have begun at each port; what was asked. */
let flows: Map<IPv4, Map<number, Flow>>;
let begun: Map<number, bigint>;
let asked: string[];
let countsEntries: boolean;

function entryOf(address: IPv4, port: number, flow: Flow): FlowEntry {
  const source = { address, port };
  const original: FlowTuple = { protocol: 6, source, destination: SERVER };
  const reply: FlowTuple = { protocol: 6, source: SERVER, destination: source };
  return { original, reply, isReply: false, timeoutMs: 1, state: undefined, cell: undefined, ...flow };
}

const table: FlowTable = {
  read: ({ source }) => question({ list: source?.address }),
  count: ({ source }) => question({ count: source?.address }),
  countOf: (entity) => Number(aboutOf(entity)['counted'] ?? 1),
  begun: (port) => question({ begun: port }),
  begunOf: (entity) => BigInt(String(aboutOf(entity)['begun'])),
  entry: () => question({}),
  remembered: ({ source, destination }) =>
    destination === SERVER ? [question({ end: source })] : [question({ other: source })],
  decode: (entity) => {
    const { address, port } = aboutOf(entity);
    const flow = flows.get(ipv4(Number(address)))?.get(Number(port));
    return flow && entryOf(ipv4(Number(address)), Number(port), flow);
  },
  state: () => undefined,
};

const session: FlowSession = {
  async *read(entities) {
    for (const { list, count, begun: port } of entities.map(aboutOf)) {
      if (port !== undefined) yield question({ begun: begun.get(Number(port)) ?? 0n });
      const address = ipv4(Number(list ?? count ?? 0));
      const own = flows.get(address) ?? new Map<number, Flow>();
      if (count !== undefined || list !== undefined)
        asked.push(`${count === undefined ? 'list' : 'count'} ${formatIPv4(address)}`);
      if (count !== undefined && countsEntries) yield question({ counted: own.size });
      else if (count !== undefined || list !== undefined)
        for (const port of own.keys()) yield question({ address, port });
    }
  },
  write: async (updates) => updates.forEach(end),
};

function end({ entity }: Update): void {
  const source = entity && aboutOf(entity)['end'];
  if (typeof source !== 'object' || source === null) return;
  const { address, port } = { address: 0, port: 0, ...source };
  flows.get(ipv4(address))?.delete(port);
}

/** Pod `i` begins flows that have been idle for 1, 2, 3 … seconds. */
function begin(i: number, count: number, isDispensable = false): void {
  const address = aPod(i).ip;
  const own = flows.get(address) ?? new Map<number, Flow>();
  const from = own.size;
  for (let n = 1; n <= count; n++) own.set(from + n, { idleMs: (from + n) * 1000, isDispensable });
  flows.set(address, own);
  begun.set(i, (begun.get(i) ?? 0n) + BigInt(count));
}

const portsOf = (i: number) => [...(flows.get(aPod(i).ip)?.keys() ?? [])];

let target: FlowSession | undefined;
let told: string[];
let shares: FlowShares;
beforeEach(() => {
  [flows, begun, asked, told] = [new Map(), new Map(), [], []];
  [target, countsEntries] = [session, true];
  shares = new FlowShares({
    driver: { flowTable: table },
    share: SHARE,
    pods: () => PODS,
    session: () => target,
    warnings: { tell: (reason, about, _, message) => void told.push(`${reason} ${about}: ${message}`) },
    logger,
  });
});

it('asks nothing more while no pod can have more than its share', async () => {
  begin(1, SHARE);
  await shares.look();
  expect([asked, told, shares.ended]).toEqual([[], [], 0]);
});

it('counts a pod that has begun many, and lists none if they are over', async () => {
  begin(1, SHARE);
  for (const port of portsOf(1).slice(10)) flows.get(aPod(1).ip)?.delete(port);
  begin(1, 1);
  await shares.look();
  expect(asked).toEqual(['count 10.244.1.1']);
  // From here on, 69 more may begin.
  begun.set(1, BigInt(SHARE + 1 + 69));
  await shares.look();
  expect(asked).toHaveLength(1);
  begun.set(1, BigInt(SHARE + 1 + 70));
  await shares.look();
  expect(asked).toHaveLength(2);
  expect([told, shares.ended]).toEqual([[], 0]);
});

it('ends the idlest flows of a pod beyond its share, with some room, and none of another', async () => {
  begin(1, SHARE + 10);
  begin(2, SHARE);
  await shares.look();
  expect(portsOf(1)).toEqual(Array.from({ length: 70 }, (_, i) => i + 1));
  expect(portsOf(2)).toHaveLength(SHARE);
  expect(shares.ended).toBe(20);
  expect(told).toEqual([
    'PodFlowsExceeded pod default/pod-1: pod default/pod-1 had 90 flows at once, and its share is 80: those that are missed least were ended',
  ]);
  // There is room for ten more.
  begin(1, 10);
  await shares.look();
  expect(asked).toEqual(['count 10.244.1.1', 'list 10.244.1.1']);
});

it('ends flows first that nobody has answered, or that are over', async () => {
  begin(1, 15, true);
  begin(1, SHARE);
  await shares.look();
  const left = portsOf(1);
  expect(left.filter((port) => port <= 15)).toEqual([]);
  expect(left).toHaveLength(70);
});

it('takes a target that lists what it was asked to count', async () => {
  countsEntries = false;
  begin(1, SHARE + 1);
  await shares.look();
  expect(portsOf(1)).toHaveLength(70);
});

it('goes on when the program of the target is started anew', async () => {
  begin(1, SHARE + 1);
  await shares.look();
  asked = [];
  flows.clear();
  begun.set(1, 3n);
  await shares.look();
  expect(asked).toEqual([]);
  begun.set(1, 90n);
  await shares.look();
  expect(asked).toEqual(['count 10.244.1.1']);
});

it('waits for a target that is away, and says once what hinders', async () => {
  const warn = vi.spyOn(logger, 'warn');
  begin(1, SHARE + 1);
  target = undefined;
  await shares.look();
  target = {
    ...session,
    write: () => Promise.reject(new Error('it ends none')),
  };
  await shares.look();
  await shares.look();
  expect(warn.mock.calls).toEqual([
    [{ reason: 'it ends none' }, 'flows of pods cannot be kept within their share'],
  ]);
  target = session;
  await shares.look();
  expect(shares.ended).toBe(11);
  warn.mockRestore();
});
