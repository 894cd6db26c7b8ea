import { ipv4 } from '@infra-offload/net';
import { P4rtError } from '@infra-offload/p4rt';
import type { Entity } from '@infra-offload/p4rt/proto';
import { describe, expect, it } from 'vitest';
import type { FlowEntry, FlowTable, FlowTuple } from '../drivers/flow-table.js';
import { type FlowSession, Flows } from './flows.js';

const CLIENT = { address: ipv4('10.244.0.2'), port: 4000 };
const VIP = { address: ipv4('10.96.0.10'), port: 80 };
const SERVER = { address: ipv4('10.244.0.3'), port: 8080 };
const original: FlowTuple = { protocol: 6, source: CLIENT, destination: VIP };
const reply: FlowTuple = { protocol: 6, source: SERVER, destination: CLIENT };

/** Entities are stood for by numbers in the field that they have in common. */
const entityOf = (tableId: number): Entity => ({
  entity: { $case: 'digestEntry', value: { digestId: tableId, config: undefined } },
});
const idOf = ({ entity }: Entity): number => (entity?.$case === 'digestEntry' ? entity.value.digestId : -1);

const ENTRIES: readonly FlowEntry[] = [false, true].map((isReply) => ({
  original,
  reply,
  isReply,
  idleMs: isReply ? 3000 : 5000,
  timeoutMs: 60_000,
  state: undefined,
  isDispensable: false,
  cell: isReply ? { read: entityOf(9), serial: 1 } : undefined,
}));

/** A device with one flow, whose entries are the entities 0 and 1; its selections are 7, its state is in 9. */
const table: FlowTable = {
  read: () => entityOf(7),
  count: () => entityOf(7),
  countOf: () => 1,
  begun: () => entityOf(8),
  begunOf: () => 0n,
  entry: (tuple) => entityOf(tuple === original ? 0 : 1),
  remembered: (tuple) => (tuple === original ? [0, 10] : [1, 11]).map(entityOf),
  decode: (entity) => ENTRIES[idOf(entity)],
  state: () => 'established',
};

const controller = { statuses: function* () {}, object: () => undefined };

function flowsOf(session: Partial<FlowSession> | undefined): Flows {
  const whole: FlowSession = {
    read: async function* (entities) {
      for (const entity of entities) if (idOf(entity) !== 7) yield entity;
      if (entities.some((entity) => idOf(entity) === 7)) yield entityOf(1);
    },
    write: async () => undefined,
    ...session,
  };
  return new Flows({
    driver: { flowTable: table },
    controller,
    session: () => (session === undefined ? undefined : whole),
  });
}

async function all(flows: Flows) {
  const found = [];
  for await (const some of flows.list(undefined)) found.push(...some);
  return found;
}

describe('flows', () => {
  it('are joined of both directions, with the state that the device has elsewhere', async () => {
    // The selection finds one direction only: the other one is read by its key.
    expect(await all(flowsOf({}))).toEqual([
      {
        protocol: 6,
        client: { address: '10.244.0.2', port: 4000 },
        service: { address: '10.96.0.10', port: 80 },
        endpoint: { address: '10.244.0.3', port: 8080 },
        state: 'established',
        idleMs: 3000n,
        remainingMs: 55_000n,
      },
    ]);
  });

  it('are told once, in whatever order and however often their entries come', async () => {
    for (const order of [
      [0, 1],
      [1, 0],
      [0, 0, 1],
    ]) {
      const flows = flowsOf({
        read: async function* (entities) {
          for (const one of entities) {
            if (idOf(one) === 7) yield* order.map(entityOf);
            else yield one;
          }
        },
      });
      const found = await all(flows);
      expect(found, order.join()).toHaveLength(1);
      expect(found[0]).toMatchObject({ idleMs: 3000n, state: 'established' });
    }
  });

  it('end with both of their entries, and those that have gone meanwhile are no failure', async () => {
    const written: number[] = [];
    const failure = (code: 'NOT_FOUND' | 'PERMISSION_DENIED') =>
      flowsOf({
        write: async (updates) => {
          written.push(...updates.map(({ entity }) => (entity === undefined ? -1 : idOf(entity))));
          const [update] = updates;
          if (update === undefined) return;
          const failures = [{ index: 0, update, code, message: '', sent: true, entry: '' }];
          throw new P4rtError('WRITE_FAILED', 'refused', {
            details: { failures, total: 2, address: 'here' },
          });
        },
      });
    expect(await failure('NOT_FOUND').end(undefined)).toBe(1);
    expect(written).toEqual([0, 10, 1, 11]);
    await expect(failure('PERMISSION_DENIED').end(undefined)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  it('of a target that does not tell them, or is away, are an error', async () => {
    const silent = new Flows({ driver: {}, controller, session: () => undefined });
    await expect(all(silent)).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(all(flowsOf(undefined))).rejects.toMatchObject({ code: 'TARGET_UNAVAILABLE' });
  });
});
