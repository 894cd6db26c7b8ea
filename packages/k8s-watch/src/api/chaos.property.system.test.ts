import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseObject } from '../objects/parse.js';
import { type NamespacedObject, objectName, type Service } from '../objects/types.js';
import { resolveService, serviceOfSlice } from '../services/resolve.js';
import { ServiceTracker } from '../services/tracker.js';
import type { LoadBalancedService } from '../services/types.js';
import type { ReadableStore } from '../store.js';
import type { Fault } from '../testing/index.js';
import {
  eventually,
  serviceInput,
  sliceInput,
  type TestCluster,
  testCluster,
} from '../testing/test-cluster.js';
import type { ApiSource } from './api-source.js';
import { isOlder } from './resource-version.js';

const node = { name: 'nöde-1' };
const KINDS = ['Service', 'EndpointSlice', 'Node'] as const;
const NAMES = ['a', 'b', 'c'];

const few = fc.integer({ min: 0, max: 3 });
const fault: fc.Arbitrary<Fault> = fc.oneof(
  fc.record({ type: fc.constant('cut' as const), afterBytes: fc.integer({ min: 0, max: 900 }) }),
  fc.record({ type: fc.constant('cut' as const), afterEvents: few }),
  fc.record({ type: fc.constant('pieces' as const), bytes: fc.integer({ min: 1, max: 9 }) }),
  fc.record({ type: fc.constant('end' as const), afterEvents: few }),
  fc.record({ type: fc.constant('stall' as const), afterEvents: few }),
  fc.record({ type: fc.constant('garbage' as const), afterEvents: few }),
  fc.record({ type: fc.constant('gone' as const), as: fc.constantFrom('status', 'event'), afterEvents: few }),
  fc.constant({ type: 'duplicate' as const }),
  fc.record({ type: fc.constant('status' as const), status: fc.constantFrom(429, 500, 503, 504) }),
  fc.record({ type: fc.constant('delay' as const), ms: fc.integer({ min: 1, max: 20 }) }),
);
const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      kind: fc.constantFrom(...KINDS),
      name: fc.nat(2),
      value: fc.nat(4),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('delete' as const),
      kind: fc.constantFrom(...KINDS),
      name: fc.nat(2),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('fault' as const),
      fault,
      verb: fc.constantFrom<'list' | 'watch'>('list', 'watch'),
      times: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('pause' as const), ms: fc.integer({ min: 0, max: 10 }) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom('cut', 'end', 'compact', 'backup', 'restart', 'restore') }),
  },
);
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never;

describe('ApiSource, over random changes and faults', () => {
  it('ends with what the server has, and has told every change', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
        const cluster = await testCluster({ historySize: 8 });
        try {
          await run(cluster, steps);
        } finally {
          await cluster.close();
        }
      }),
      { numRuns: 200, interruptAfterTimeLimit: 20_000 },
    );
  });
});

async function run(cluster: TestCluster, steps: readonly Step[]): Promise<void> {
  const { server } = cluster;
  const source = cluster.source({ Service: {}, EndpointSlice: {}, Node: {} });
  const replayed = [replay(source.services), replay(source.endpointSlices), replay(source.nodes)];
  const tracker = new ServiceTracker({ source, node });
  await source.start();
  await eventually(() => source.status().every(({ events }) => events > 0), 'bookmarks');

  let backup = server.database.backup();
  for (const step of steps) {
    switch (step.do) {
      case 'write':
        write(cluster, step.kind, NAMES[step.name] ?? '', step.value);
        break;
      case 'delete': {
        const ref = { kind: step.kind, name: NAMES[step.name] ?? '' };
        if (server.database.get(ref) !== undefined) server.database.delete(ref);
        break;
      }
      case 'fault':
        server.inject({ fault: step.fault, verb: step.verb, times: step.times });
        break;
      case 'pause':
        await sleep(step.ms);
        break;
      case 'cut':
        server.cutConnections();
        break;
      case 'end':
        server.endWatches();
        break;
      case 'compact':
        server.database.compact();
        break;
      case 'backup':
        backup = server.database.backup();
        break;
      case 'restart':
        await server.restart();
        break;
      case 'restore':
        await server.restart({ backup });
        // Nobody can tell once the restored server has overtaken the versions of before.
        await eventually(() => isSeen(source, server.database.version), 'the older version is seen');
        break;
      default:
        throw new Error(`no step ${String(step)}`);
    }
  }
  server.clearFaults();

  const expected = KINDS.map((kind) => new Map([...server.database.values(kind)].map(asParsed)));
  const actual = () => [contents(source.services), contents(source.endpointSlices), contents(source.nodes)];
  const show = (maps: readonly Map<string, unknown>[]) => JSON.stringify(maps.map((map) => [...map].sort()));
  await eventually(() => show(actual()) === show(expected), 'the stores have what the server has').catch(
    (error) => {
      expect(actual()).toEqual(expected);
      throw error;
    },
  );
  expect(actual()).toEqual(expected);
  expect(replayed).toEqual(expected);
  tracker.flush();
  expect(new Map([...tracker.services()].map((result) => [result.key, result]))).toEqual(fromScratch(source));
  await source.stop();
}

function write({ server }: TestCluster, kind: (typeof KINDS)[number], name: string, value: number): void {
  const input =
    kind === 'Service'
      ? serviceInput(name, 80 + value)
      : kind === 'EndpointSlice'
        ? sliceInput(name, NAMES[value % 3] ?? '', `10.0.0.${value + 1}`, '10.0.0.9')
        : { kind, metadata: { name, labels: { 'topology.kubernetes.io/zone': `zöne-${value}` } } };
  if (server.database.get({ kind, name }) === undefined) server.database.create(input);
  else server.database.update(input);
}

function isSeen(source: ApiSource, version: number): boolean {
  return source
    .status()
    .every(
      ({ resourceVersion }) => resourceVersion !== undefined && !isOlder(String(version), resourceVersion),
    );
}

function asParsed(value: unknown): [string, NamespacedObject] {
  const parsed = parseObject(value);
  if (parsed.result !== 'object') throw new Error(JSON.stringify(parsed));
  return [objectName(parsed.object), parsed.object];
}

function contents<Item extends NamespacedObject>(store: ReadableStore<Item>): Map<string, NamespacedObject> {
  return new Map([...store.values()].map((object) => [objectName(object), object]));
}

/** What a subscriber knows, and that each event fits to what it knew. */
function replay<Item extends NamespacedObject>(store: ReadableStore<Item>): Map<string, NamespacedObject> {
  const known = new Map<string, NamespacedObject>();
  store.subscribe((event) => {
    const key = objectName(event.object);
    const before =
      event.type === 'added' ? undefined : event.type === 'updated' ? event.previous : event.object;
    if (known.get(key) !== before) throw new Error(`${event.type} ${key} does not follow from what was told`);
    if (event.type === 'removed') known.delete(key);
    else known.set(key, event.object);
  });
  return known;
}

function fromScratch({ services, endpointSlices }: ApiSource): Map<string, LoadBalancedService> {
  const slicesOf = (service: Service) =>
    [...endpointSlices.values()].filter((slice) => serviceOfSlice(slice) === objectName(service));
  const results = [...services.values()].flatMap((service) =>
    resolveService(service, slicesOf(service), node),
  );
  return new Map(results.map((result) => [result.key, result]));
}
