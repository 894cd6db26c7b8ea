import { insert, modify, remove } from '@infra-offload/p4rt';
import {
  WriteRequest_Atomicity as Atomicity,
  type Entity,
  SetForwardingPipelineConfigRequest_Action as PipelineAction,
  type TableEntry,
} from '@infra-offload/p4rt/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryPorts } from '../../ports/memory.js';
import { engineFromSource } from '../../testing/engine.js';
import { small, smallConfig } from '../../testing/forwarding.js';
import { Harness } from '../../testing/harness.js';
import { dpdkInstalled, dpdkProgram, swxHost } from '../../testing/swx-host.js';
import type { Host, HostSource } from './host.js';
import { HostDataplane } from './host-dataplane.js';
import { HostProcesses } from './host-processes.js';
import { injectBody } from './packets.js';
import { BATCH_COMMIT, Change, LIST_END, Operation } from './protocol.js';
import { readStatistics } from './statistics.js';
import { ByteWriter } from './wire.js';

const SOURCES = 300;
const TYPES = [0x88b5, 0x88b6];
const LEARNER = 0;
const TIMEOUT = 1;
const NS = 1_000_000_000n;

const HOSTS: readonly (readonly [string, () => Promise<HostSource>])[] = [
  ['the engine', () => HostProcesses.open(engineFromSource())],
  ...(dpdkInstalled
    ? ([
        [
          'DPDK',
          // With sanitizers.
          () => HostProcesses.open(dpdkProgram(['--ports', '8', '--memory', '768'], swxHost('asan'))),
        ],
      ] as const)
    : []),
];

/** The table `recent` learns the port at which the source and the type of a frame were seen. */
describe.each(HOSTS)('what %s has learned', (_, open) => {
  let harness: Harness;
  let host: Host;

  beforeAll(async () => {
    process.env.ASAN_OPTIONS = 'detect_leaks=0';
    const ports = new MemoryPorts(8);
    const dataplane = new HostDataplane(ports, await open());
    harness = await Harness.start({ ports, dataplane });
    const controller = harness.controller();
    controller.arbitrate(1n);
    await controller.next();
    const outcome = await harness.setPipeline(PipelineAction.VERIFY_AND_COMMIT, smallConfig());
    expect(outcome).toMatchObject({ code: 'OK' });
    host = (await dataplane.whenReady()) ?? expect.unreachable('no host');
    for (const type of TYPES) await send(Array.from({ length: SOURCES }, (__, source) => ({ source, type })));
  }, 300_000);

  afterAll(() => harness?.stop());

  async function send(frames: readonly { readonly source: number; readonly type: number }[]): Promise<void> {
    const packets = frames.map(({ source, type }) => {
      const packet = new Uint8Array(64);
      packet.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, source >> 8, source & 255, type >> 8, type & 255]);
      return { port: source % 4, packet };
    });
    await host.request(Operation.INJECT, injectBody(packets));
  }

  const bytes = (value: number, length: number): Uint8Array => {
    const all = Buffer.alloc(length);
    all.writeUIntBE(value, 0, length);
    return all.subarray(
      Math.max(
        0,
        all.findIndex((byte) => byte !== 0),
      ),
    );
  };

  /** A read, or what a write names, by the fields that are given. */
  function entity(key: { source?: number; type?: number }, more: Partial<TableEntry> = {}): Entity {
    const { value } = small.table('recent').all().entity as { value: TableEntry };
    const exact = (fieldId: number, of: Uint8Array): TableEntry['match'][number] => ({
      fieldId,
      fieldMatchType: { $case: 'exact', value: { value: of } },
    });
    const match = [
      ...(key.source === undefined ? [] : [exact(1, bytes(0x0200_0000_0000 + key.source, 6))]),
      ...(key.type === undefined ? [] : [exact(2, bytes(key.type, 2))]),
    ];
    return { entity: { $case: 'tableEntry', value: { ...value, match, ...more } } };
  }

  async function read(
    key: { source?: number; type?: number } = {},
    more: Partial<TableEntry> = {},
  ): Promise<TableEntry[]> {
    const { entities, outcome } = await harness.read([entity(key, more)]);
    expect(outcome).toMatchObject({ code: 'OK' });
    return entities.map(({ entity: one }) =>
      one?.$case === 'tableEntry' ? one.value : expect.unreachable('no table entry'),
    );
  }

  it('is counted in the data plane', async () => {
    const counterData = { byteCount: 0n, packetCount: 0n };
    const count = async (key: { source?: number; type?: number }) =>
      (await read(key, { counterData })).map((entry) => entry.counterData?.packetCount);
    expect(await count({})).toEqual([BigInt(SOURCES * TYPES.length)]);
    expect(await count({ type: 0x88b5 })).toEqual([BigInt(SOURCES)]);
    expect(await count({ source: 7 })).toEqual([2n]);
    expect(await count({ source: SOURCES })).toEqual([0n]);
    expect(await count({ source: 7, type: 0x88b5 })).toEqual([1n]);
  });

  const numberOf = (value: Uint8Array): number => Number(`0x${Buffer.from(value).toString('hex')}`);

  function keyOf({ match }: TableEntry): string {
    return match
      .map(({ fieldMatchType: type }) => (type?.$case === 'exact' ? numberOf(type.value.value) : -1))
      .join();
  }

  const learned = async (): Promise<number> =>
    readStatistics(await host.request(Operation.STATISTICS)).learners[LEARNER]?.learned ?? -1;

  it('is listed whole, with actions, arguments and times', async () => {
    const entries = await read({}, { timeSinceLastHit: { elapsedNs: 0n } });
    const expected = TYPES.flatMap((type) =>
      Array.from({ length: SOURCES }, (__, source) => `${0x0200_0000_0000 + source},${type}`),
    );
    expect(entries.map(keyOf).sort()).toEqual(expected.sort());
    for (const entry of entries) {
      const source = Number(keyOf(entry).split(',')[0]) - 0x0200_0000_0000;
      expect(entry.action).toEqual({
        type: {
          $case: 'action',
          value: { actionId: 16_777_220, params: [{ paramId: 1, value: bytes(source % 4, 1) }] },
        },
      });
      expect(entry.idleTimeoutNs).toBe(120n * NS);
      expect(entry.timeSinceLastHit?.elapsedNs).toBeGreaterThanOrEqual(0n);
      expect(entry.timeSinceLastHit?.elapsedNs).toBeLessThan(120n * NS);
    }
    expect(await learned()).toBe(2 * SOURCES);
  });

  it('is selected by fields of the key and by action', async () => {
    expect((await read({ type: TYPES[1] ?? 0 })).length).toBe(SOURCES);
    expect((await read({ source: 7 })).map(keyOf).sort()).toEqual(
      TYPES.map((type) => `${0x0200_0000_0007},${type}`),
    );
    const [one, ...others] = await read({ source: 7, type: TYPES[0] ?? 0 });
    expect(one?.timeSinceLastHit).toBeUndefined();
    expect(others).toEqual([]);
    expect(await read({ source: 7, type: 1 })).toEqual([]);
    const action = (actionId: number): Partial<TableEntry> => ({
      action: { type: { $case: 'action', value: { actionId, params: [] } } },
    });
    expect((await read({ source: 7 }, action(16_777_220))).length).toBe(TYPES.length);
    expect(await read({}, action(16_777_221))).toEqual([]);
    for (const [key, more, code] of [
      [{}, action(9), 'INVALID_ARGUMENT'],
      [{}, { priority: 1 }, 'INVALID_ARGUMENT'],
      [{}, { controllerMetadata: 1n }, 'INVALID_ARGUMENT'],
    ] as const)
      expect((await harness.read([entity(key, more)])).outcome.details[0]).toMatchObject({ code });
  });

  it('is counted by the host', async () => {
    const count = async (filter: Uint8Array): Promise<number> => {
      let sum = 0;
      for (let cursor = 0; cursor !== LIST_END; ) {
        const body = new ByteWriter().u16(LEARNER).u32(cursor).bytes(filter).view();
        const reader = await host.request(Operation.COUNT_LEARNED, body);
        cursor = reader.u32();
        sum += reader.u32();
      }
      return sum;
    };
    expect(await count(new Uint8Array(0))).toBe(2 * SOURCES);
    const ofType = new ByteWriter()
      .u16(0xffff)
      .u8(1)
      .integer(0, 6)
      .integer(TYPES[0] ?? 0, 2);
    expect(await count(ofType.integer(0, 6).integer(0xffff, 2).view())).toBe(SOURCES);
  });

  it('ends one by one, and is learned anew', async () => {
    const [type = 0] = TYPES;
    const one = entity({ source: 9, type });
    for (const update of [insert(one), modify(one)])
      expect(await harness.writeOne(update)).toMatchObject({ code: 'PERMISSION_DENIED' });
    expect(await harness.writeOne(remove(entity({ source: 9 })))).toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await harness.writeOne(remove(one))).toMatchObject({ code: 'OK' });
    expect(await harness.writeOne(remove(one))).toMatchObject({ code: 'NOT_FOUND' });
    expect(await read({ source: 9, type })).toEqual([]);
    expect((await read()).length).toBe(2 * SOURCES - 1);
    const before = await learned();
    await send([
      { source: 9, type },
      { source: 10, type },
    ]);
    expect(await learned()).toBe(before + 1);
    expect((await read({ source: 9, type })).length).toBe(1);
  });

  it('stays if the batch fails that would end it', async () => {
    const [type = 0] = TYPES;
    const { details } = await harness.write(
      [remove(entity({ source: 11, type })), remove(entity({ source: 4000, type }))],
      { atomicity: Atomicity.ROLLBACK_ON_ERROR },
    );
    expect(details.map(({ code }) => code)).toEqual(['ABORTED', 'NOT_FOUND']);
    expect((await read({ source: 11, type })).length).toBe(1);
  });

  it('has the timeouts that were set at run time, from its next packet on', async () => {
    const [type = 0] = TYPES;
    const batch = new ByteWriter()
      .u8(BATCH_COMMIT)
      .u32(1)
      .u8(Change.TIMEOUT)
      .u16(LEARNER)
      .u16(TIMEOUT)
      .u32(300);
    await host.request(Operation.BATCH, batch.view());
    const timeouts = await host.request(Operation.READ_TIMEOUTS, new ByteWriter().u16(LEARNER).view());
    expect(timeouts.list(timeouts.u16(), () => timeouts.u32())).toEqual([60, 300]);
    await send([{ source: 12, type }]);
    const [entry] = await read({ source: 12, type }, { timeSinceLastHit: { elapsedNs: 0n } });
    expect(entry?.idleTimeoutNs).toBe(300n * NS);
    expect(entry?.timeSinceLastHit?.elapsedNs).toBeLessThan(60n * NS);
  });
});
