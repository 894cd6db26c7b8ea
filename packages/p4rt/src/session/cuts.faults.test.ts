import { faultTest } from '@infra-offload/faults';
import { describe, expect } from 'vitest';
import { entityEquals } from '../entity-equals.js';
import { entityKey } from '../entity-key.js';
import { P4rtError } from '../errors.js';
import { type Entity, type Update, Update_Type } from '../gen/p4/v1/p4runtime.js';
import { type Cut, CuttingProxy } from '../testing/cutting-proxy.js';
import { fixture } from '../testing/fixture.js';
import { StrictServer } from '../testing/strict-server.js';
import { typedProgram } from '../typed/program.js';
import { P4RuntimeSession } from './session.js';

const { service } = typedProgram(fixture).tables;
/** The last one costs deadlines. */
const CUTS: readonly Cut[] = [
  ...new Array<Cut>(6).fill('reset'),
  ...new Array<Cut>(6).fill('end'),
  'silence',
];
/** Endpoints that there may be. */
const MOST = 300;

function endpoint(n: number, group: number): Entity {
  const action = service.actions.set_service({ group_id: group, flags: 0 });
  return service.entry({ dst_ip: n, protocol: 6, dst_port: 80 }, action);
}

function connected(session: P4RuntimeSession): Promise<void> {
  return new Promise((resolve) => {
    const off = session.on('connected', () => {
      off();
      resolve();
    });
    if (session.isPrimary) {
      off();
      resolve();
    }
  });
}

/** What a controller does after a failure: it looks what is there, and writes what is not as it should be. */
async function reconcile(session: P4RuntimeSession, wanted: ReadonlyMap<string, Entity>): Promise<number> {
  let failures = 0;
  for (;;) {
    await connected(session);
    try {
      const found = new Map<string, Entity>();
      for await (const entity of session.read(service.all())) found.set(entityKey(entity), entity);
      const updates = difference(found, wanted);
      if (updates.length === 0) return failures;
      await session.write(updates, { concurrency: 2 });
    } catch (error) {
      if (!P4rtError.is(error)) throw error;
      failures++;
    }
  }
}

function difference(found: ReadonlyMap<string, Entity>, wanted: ReadonlyMap<string, Entity>): Update[] {
  const updates: Update[] = [];
  for (const [key, entity] of found) if (!wanted.has(key)) updates.push({ type: Update_Type.DELETE, entity });
  for (const [key, entity] of wanted) {
    const there = found.get(key);
    if (there === undefined) updates.push({ type: Update_Type.INSERT, entity });
    else if (!entityEquals(there, entity)) updates.push({ type: Update_Type.MODIFY, entity });
  }
  return updates;
}

describe('a session', () => {
  faultTest(
    {
      fault: 'P4Runtime connection cut anywhere while endpoints scale',
      promise: 'the device has what is wanted, one connection is left',
      sample: 4,
      most: 2_000,
    },
    async ({ cases, random }) => {
      const server = await StrictServer.start();
      const proxy = await CuttingProxy.start(server.port);
      const session = await P4RuntimeSession.open({
        address: proxy.address,
        deviceId: 1,
        electionId: 3n,
        deadlineMs: 1_000,
        maxUpdatesPerWrite: 50,
        reconnect: { initialDelayMs: 1, maxDelayMs: 20 },
      });
      let [failures, slowest] = [0, 0];
      try {
        for (let index = 0; index < cases; index++) {
          const count = random.below(MOST);
          const entities = Array.from({ length: count }, (_, n) => endpoint(n, 1 + random.below(3)));
          const wanted = new Map(entities.map((entity) => [entityKey(entity), entity]));
          proxy.cutAfter(random.below(40_000), random.pick(CUTS));
          const start = performance.now();
          failures += await reconcile(session, wanted);
          slowest = Math.max(slowest, performance.now() - start);
          expect(difference(server.entries, wanted)).toEqual([]);
        }
        await connected(session);
        await server.connectionsLeft(1);
      } finally {
        session.close();
        await proxy.stop();
        await server.stop();
      }
      return `${failures} calls failed, slowest recovery ${Math.round(slowest)} ms`;
    },
  );
});
