import {
  SetForwardingPipelineConfigRequest_Action as Action,
  WriteRequest_Atomicity as Atomicity,
  type Entity,
  type Update,
} from '@infra-offload/p4rt/proto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LocalEngine } from '../dataplane/host/engine/local.js';
import type { Host, HostSource } from '../dataplane/host/host.js';
import { HostDataplane } from '../dataplane/host/host-dataplane.js';
import { Operation } from '../dataplane/host/protocol.js';
import { LearnedReading } from '../entities/learned.js';
import { SoftswitchError } from '../errors.js';
import { MemoryPorts } from '../ports/memory.js';
import { smallConfig } from '../testing/forwarding.js';
import { byKey, EVERYTHING, Model, oneShotUpdate, update } from '../testing/model.js';
import { Device } from './device.js';

const ID = { high: 0n, low: 1n };
const COMMON = { deviceId: 1n, roleId: 0n, role: '', electionId: ID };
const CONFIG = { ...smallConfig(), cookie: { cookie: 42n } };

/** A server over the engine that runs all the time. `source` is how it sees it. */
async function server(source: HostSource): Promise<Device> {
  const device = new Device(1n, new HostDataplane(new MemoryPorts(), source), undefined);
  device.arbitration.update(
    { notify: () => undefined },
    { deviceId: 1n, role: undefined, electionId: ID, status: undefined },
  );
  await device.resume();
  return device;
}

async function program(device: Device): Promise<void> {
  await device.setPipeline({ ...COMMON, action: Action.VERIFY_AND_COMMIT, config: CONFIG });
}

/** The outcomes of the updates; each has the one of the batch if that failed as a whole. */
async function write(device: Device, updates: Update[]): Promise<string[]> {
  const result = await device.write({ ...COMMON, updates, atomicity: Atomicity.CONTINUE_ON_ERROR });
  return updates.map((_, i) => result[i]?.code ?? 'OK');
}

function read(device: Device): Map<string, Entity> {
  const parts = device.read({ deviceId: 1n, role: '', entities: [...EVERYTHING] });
  return byKey(
    parts.flatMap((part) => {
      if (part instanceof SoftswitchError) throw part;
      // What was learned is no part of what was written.
      return part instanceof LearnedReading ? [] : [...part];
    }),
  );
}

/** Sees an engine whose commits stop arriving, or being answered, as when the server is killed. */
class Severed implements HostSource {
  readonly #engine: LocalEngine;
  readonly name = 'the engine';
  readonly steadyRules = true;
  readonly inProcess = undefined;
  cut: 'before' | 'after' | undefined;

  constructor(engine: LocalEngine) {
    this.#engine = engine;
  }

  get left(): Host | undefined {
    const host = this.#engine.left;
    if (host === undefined) return undefined;
    const self = this;
    return new Proxy(host, {
      get(target, property) {
        if (property !== 'request') {
          const value: unknown = Reflect.get(target, property);
          return typeof value === 'function' ? value.bind(target) : value;
        }
        return (operation: Operation, body?: Uint8Array) => {
          if (self.cut === 'before') return new Promise(() => undefined);
          const answer = target.request(operation, body);
          return self.cut === 'after' ? answer.then(() => new Promise(() => undefined)) : answer;
        };
      },
    });
  }

  start(spec: string): Promise<Host> {
    return this.#engine.start(spec);
  }

  async close(): Promise<void> {}
}

const batches = (kind: typeof update | typeof oneShotUpdate) =>
  fc.array(fc.array(kind, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 6 });
const servers = (kind: typeof update | typeof oneShotUpdate) =>
  fc.array(fc.record({ batches: batches(kind), cut: fc.constantFrom('before', 'after') }), {
    minLength: 1,
    maxLength: 3,
  });

describe('a server that takes over from one that was killed', () => {
  it.each([
    ['members and groups', update],
    ['one-shot action sets', oneShotUpdate],
  ])('K1 reads what packets see, and goes on from there: %s', async (_what, kind) => {
    await fc.assert(
      fc.asyncProperty(servers(kind), async (lives) => {
        const engine = new LocalEngine();
        await program(await server(engine));
        let model = new Model();
        for (const { batches, cut } of lives) {
          const source = new Severed(engine);
          const device = await server(source);
          expect(device.getPipeline({ deviceId: 1n, responseType: 0 })).toEqual(CONFIG);
          expect(read(device)).toEqual(model.entities);
          for (const [i, updates] of batches.entries()) {
            const next = model.copy();
            const expected = updates.map((each) => next.apply(each));
            if (i < batches.length - 1) expect(await write(device, updates)).toEqual(expected);
            else {
              source.cut = cut as 'before' | 'after';
              void write(device, updates);
              await new Promise((resolve) => setImmediate(resolve));
            }
            if (i < batches.length - 1 || cut === 'after') model = next;
          }
          engine.left?.leave();
        }
        // Everything is known to the last one, too: an engine that is programmed anew has the same.
        const last = await server(engine);
        await engine.left?.stop();
        expect(await write(last, [])).toEqual([]);
        expect(read(await server(engine))).toEqual(model.entities);
        await engine.left?.stop();
      }),
      { numRuns: 8 },
    );
  });

  it('K2 counters, registers and default actions are as they were', async () => {
    const engine = new LocalEngine();
    const first = await server(engine);
    await program(first);
    const count = { packetCount: 3n, byteCount: 300n };
    const cell = (value: number): Entity => ({
      entity: {
        $case: 'registerEntry',
        value: {
          registerId: 369098753,
          index: { index: 2n },
          data: { data: { $case: 'bitstring', value: Uint8Array.of(value) } },
        },
      },
    });
    const counter: Entity = {
      entity: {
        $case: 'counterEntry',
        value: { counterId: 301989889, index: { index: 5n }, data: { ...count, packetCount: 0n } },
      },
    };
    const [acl] = fc.sample(
      update.filter(({ entity }) => isAcl(entity)),
      { numRuns: 1, seed: 1 },
    );
    if (acl?.entity.entity?.$case !== 'tableEntry') throw new Error('no entry');
    const counted: Entity = {
      entity: { $case: 'tableEntry', value: { ...acl.entity.entity.value, counterData: count } },
    };
    const miss: Entity = {
      entity: {
        $case: 'tableEntry',
        value: {
          ...acl.entity.entity.value,
          match: [],
          priority: 0,
          isDefaultAction: true,
          action: { type: { $case: 'action', value: { actionId: 0x01000002, params: [] } } },
          metadata: Uint8Array.of(9),
        },
      },
    };
    const outcome = await write(first, [
      { type: 1, entity: counted },
      { type: 2, entity: cell(7) },
      { type: 2, entity: counter },
      { type: 2, entity: miss },
    ]);
    expect(outcome).toEqual(['OK', 'OK', 'OK', 'OK']);
    const requests = [cell(0), counter, counted, miss];
    const all = (device: Device) =>
      device.read({ deviceId: 1n, role: '', entities: requests }).map((part) => {
        if (part instanceof SoftswitchError) throw part;
        return part instanceof LearnedReading ? [] : [...part];
      });
    const before = all(first);
    expect(before[0]).toEqual([cell(7)]);
    expect(before[1]).toEqual([counter]);
    expect(before[2]).toEqual([counted]);
    const second = await server(engine);
    expect(all(second)).toEqual(before);
    // What was written to cells is written again after the engine had to be started anew; counts of entries are lost.
    await engine.left?.stop();
    await write(second, []);
    expect(all(second).slice(0, 2)).toEqual(before.slice(0, 2));
    await engine.left?.stop();
  });

  it('K3 an engine whose configuration makes no sense is ended, and the device has no pipeline', async () => {
    const engine = new LocalEngine();
    await program(await server(engine));
    const body = Buffer.from('\x01\x01\x00\x00\x00\x09\x06\x00config\x03\x00\x00\x00bad', 'latin1');
    await engine.left?.request(Operation.BATCH, body);
    const device = await server(engine);
    expect(device.getPipeline({ deviceId: 1n, responseType: 0 })).toBeUndefined();
    expect(engine.left).toBeUndefined();
    await program(device);
    await engine.left?.stop();
  });
});

function isAcl({ entity }: Entity): boolean {
  return entity?.$case === 'tableEntry' && entity.value.tableId === 0x02000001;
}
