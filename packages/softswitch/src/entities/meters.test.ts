import { insert, modify, remove } from '@infra-offload/p4rt';
import type { Entity, MeterConfig, MeterCounterData } from '@infra-offload/p4rt/proto';
import { METER_LIMIT } from '@infra-offload/swx';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LocalEngine } from '../dataplane/host/engine/local.js';
import type { HostSource } from '../dataplane/host/host.js';
import { HostDataplane } from '../dataplane/host/host-dataplane.js';
import { transferState } from '../p4runtime/reconcile.js';
import { loadConfig } from '../pipeline/config.js';
import { MemoryPorts } from '../ports/memory.js';
import {
  forwardingOf,
  readAll,
  smallArtifacts,
  smallConfig,
  tryRead,
  tryUpdate,
} from '../testing/forwarding.js';
import { Forwarding } from './forwarding.js';
import { Journal } from './journal.js';

const RATE = 0x14000001;
const VOLUME = 0x14000002;
const CELLS = [0n, 1n, 2n, 3n];
const ZERO: MeterCounterData = { green: undefined, yellow: undefined, red: undefined };

function meter(
  index: bigint | undefined,
  config?: MeterConfig,
  { meterId = RATE, counterData }: { meterId?: number; counterData?: MeterCounterData | undefined } = {},
): Entity {
  return {
    entity: {
      $case: 'meterEntry',
      value: { meterId, index: index === undefined ? undefined : { index }, config, counterData },
    },
  };
}

const config = (cir: bigint, more: Partial<MeterConfig> = {}): MeterConfig => ({
  cir,
  cburst: 1n,
  pir: cir,
  pburst: 1n,
  eburst: 0n,
  ...more,
});

/** What the type is in P4Info. */
function typed(type: string) {
  return smallConfig({
    p4info: smallArtifacts.p4info.replace('unit: PACKETS', `unit: PACKETS type: ${type}`),
  });
}

describe('meters', () => {
  it('C20 are modified by index and all at once, and read the same ways; without a configuration all is green', () => {
    const forwarding = forwardingOf(smallConfig());
    expect(readAll(forwarding, meter(undefined))).toEqual(CELLS.map((i) => meter(i)));
    expect(tryUpdate(forwarding, modify(meter(undefined, config(1n))))).toBe('OK');
    expect(tryUpdate(forwarding, modify(meter(3n, config(9n))))).toBe('OK');
    expect(tryUpdate(forwarding, modify(meter(1n)))).toBe('OK');
    expect(readAll(forwarding, meter(3n))).toEqual([meter(3n, config(9n))]);
    const rates = [config(1n), undefined, config(1n), config(9n)].map((rate, i) => meter(BigInt(i), rate));
    expect(readAll(forwarding, meter(undefined))).toEqual(rates);
    expect(readAll(forwarding, meter(undefined, undefined, { meterId: 0 }))).toEqual([
      ...rates,
      ...CELLS.map((i) => meter(i, undefined, { meterId: VOLUME })),
    ]);
  });

  it('C21 are never inserted or deleted; meter and index are checked', () => {
    const forwarding = forwardingOf(smallConfig());
    expect(tryUpdate(forwarding, insert(meter(1n, config(1n))))).toBe('INVALID_ARGUMENT');
    expect(tryUpdate(forwarding, remove(meter(1n)))).toBe('INVALID_ARGUMENT');
    expect(tryUpdate(forwarding, modify(meter(-1n, config(1n))))).toBe('INVALID_ARGUMENT');
    expect(tryUpdate(forwarding, modify(meter(4n, config(1n))))).toBe('OUT_OF_RANGE');
    expect(tryUpdate(forwarding, modify(meter(1n, config(1n), { meterId: 5 })))).toBe('NOT_FOUND');
    expect(tryRead(forwarding, meter(4n))).toBe('OUT_OF_RANGE');
    expect(tryRead(forwarding, meter(1n, undefined, { meterId: 5 }))).toBe('NOT_FOUND');
    expect(tryRead(forwarding, meter(1n, undefined, { meterId: 0 }))).toBe('INVALID_ARGUMENT');
  });

  it.each<[string, Partial<MeterConfig>, string]>([
    ['no committed rate', { cir: 0n }, 'INVALID_ARGUMENT'],
    ['no committed burst', { cburst: 0n }, 'INVALID_ARGUMENT'],
    ['no peak burst', { pburst: 0n }, 'INVALID_ARGUMENT'],
    ['a peak rate below the committed one', { pir: 9n }, 'INVALID_ARGUMENT'],
    ['a negative burst', { cburst: -1n }, 'INVALID_ARGUMENT'],
    ['a negative excess burst', { eburst: -1n }, 'INVALID_ARGUMENT'],
    ['an excess burst', { eburst: 1n }, 'INVALID_ARGUMENT'],
    ['a rate that nothing has', { pir: METER_LIMIT + 1n }, 'OUT_OF_RANGE'],
    ['the greatest numbers', { pir: METER_LIMIT, cburst: METER_LIMIT, pburst: METER_LIMIT }, 'OK'],
  ])('C22 with %s', (_what, more, code) => {
    const forwarding = forwardingOf(smallConfig());
    tryUpdate(forwarding, modify(meter(2n, config(7n))));
    expect(tryUpdate(forwarding, modify(meter(2n, config(10n, more))))).toBe(code);
    expect(readAll(forwarding, meter(2n))).toEqual([
      meter(2n, code === 'OK' ? config(10n, more) : config(7n)),
    ]);
  });

  it('C23 of a single rate have equal rates and bursts; an excess burst is what SWX does not have', () => {
    for (const type of ['SINGLE_RATE_TWO_COLOR', 'SINGLE_RATE_THREE_COLOR']) {
      const forwarding = forwardingOf(typed(type));
      const excess = type === 'SINGLE_RATE_TWO_COLOR' ? 'INVALID_ARGUMENT' : 'UNIMPLEMENTED';
      expect(tryUpdate(forwarding, modify(meter(0n, config(5n))))).toBe('OK');
      expect(tryUpdate(forwarding, modify(meter(0n, config(5n, { pir: 6n }))))).toBe('INVALID_ARGUMENT');
      expect(tryUpdate(forwarding, modify(meter(0n, config(5n, { pburst: 2n }))))).toBe('INVALID_ARGUMENT');
      expect(tryUpdate(forwarding, modify(meter(0n, config(5n, { eburst: 1n }))))).toBe(excess);
    }
  });

  it('C24 that the program does not have as P4Info says are UNIMPLEMENTED, left out of wildcard reads, and warned of', () => {
    const { spec } = smallArtifacts;
    for (const [changed, reason] of [
      [spec.replace('rate_0 m.port 0x1 0x0', 'rate_0 m.port 0x2 0x0'), /lengths other than the constant 1/],
      [spec.replace('rate_0 m.port 0x1 0x0', 'rate_0 m.port m.out 0x0'), /lengths other than the constant 1/],
      [spec.replaceAll('rate_0', 'renamed'), /the program does not have it/],
    ] as const) {
      const forwarding = forwardingOf(smallConfig({ spec: changed }));
      expect(forwarding.program.warnings).toEqual([expect.stringMatching(reason)]);
      expect(() => forwarding.update(modify(meter(0n, config(1n))), undefined)).toThrow(reason);
      expect(tryUpdate(forwarding, modify(meter(0n)))).toBe('UNIMPLEMENTED');
      expect(tryRead(forwarding, meter(undefined))).toBe('UNIMPLEMENTED');
      expect(readAll(forwarding, meter(undefined, undefined, { meterId: 0 }))).toHaveLength(4);
    }
  });

  it('C25 of tables are UNIMPLEMENTED', () => {
    const forwarding = forwardingOf(smallConfig());
    const direct: Entity = {
      entity: {
        $case: 'directMeterEntry',
        value: { tableEntry: undefined, config: config(1n), counterData: undefined },
      },
    };
    expect(tryUpdate(forwarding, modify(direct))).toBe('UNIMPLEMENTED');
  });
});

describe('metered packets', () => {
  /** An engine with packets, whose clock is `time.ms`. */
  async function running() {
    const time = { ms: 0 };
    const engine = new LocalEngine({ now: () => time.ms });
    const dataplane = new HostDataplane(new MemoryPorts(4), engine);
    const forwarding = Forwarding.begin(loadConfig(dataplane, smallConfig()));
    const { pipeline } = forwarding;
    dataplane.activate(pipeline);
    await pipeline.commit();
    const write = async (entity: Entity, journal?: Journal) => {
      forwarding.update(modify(entity), journal);
      await pipeline.commit();
    };
    /** Sends packets in at a port, whose type says how long they are. */
    const send = (count: number, port: number, length: number) => {
      const frame = new Uint8Array(64);
      new DataView(frame.buffer).setUint16(12, length);
      for (let i = 0; i < count; i++) dataplane.receive(port, frame, frame.length);
    };
    /** Packets and bytes: green, yellow, red. */
    const counts = async (meterId: number, index: bigint): Promise<bigint[][]> => {
      // Reads within one turn of the event loop may be answered together.
      await new Promise((resolve) => setImmediate(resolve));
      const [read] = readAll(forwarding, meter(index, undefined, { meterId, counterData: ZERO }));
      if (read?.entity?.$case !== 'meterEntry') throw new Error('no meter');
      const { green, yellow, red } = read.entity.value.counterData ?? ZERO;
      return [green, yellow, red].map((data) => [data?.packetCount ?? -1n, data?.byteCount ?? -1n]);
    };
    return { time, engine, dataplane, forwarding, pipeline, write, send, counts };
  }

  it('C26 are counted by color: packets, and bytes where the meter is of bytes', async () => {
    const { time, write, send, counts } = await running();
    await write(meter(1n, { cir: 1n, cburst: 2n, pir: 2n, pburst: 5n, eburst: 0n }));
    await write(meter(1n, { cir: 1n, cburst: 300n, pir: 1n, pburst: 300n, eburst: 0n }, { meterId: VOLUME }));
    send(7, 1, 100);
    send(3, 2, 100);
    expect(await counts(RATE, 1n)).toEqual([
      [2n, 0n],
      [3n, 0n],
      [2n, 0n],
    ]);
    // One that comes in yellow stays so, and takes nothing from the committed burst.
    expect(await counts(VOLUME, 1n)).toEqual([
      [2n, 200n],
      [1n, 100n],
      [4n, 400n],
    ]);
    expect(await counts(RATE, 2n)).toEqual([
      [3n, 0n],
      [0n, 0n],
      [0n, 0n],
    ]);
    time.ms += 1000;
    send(3, 1, 0);
    expect(await counts(RATE, 1n)).toEqual([
      [3n, 0n],
      [4n, 0n],
      [3n, 0n],
    ]);
  });

  it('C27 a meter that is given what it has goes on as it is; counts go on until they are cleared', async () => {
    const { forwarding, write, send, counts } = await running();
    const two = config(1n, { cburst: 2n, pburst: 2n });
    await write(meter(0n, two));
    send(3, 0, 0);
    await write(meter(undefined, two));
    send(1, 0, 0);
    expect(await counts(RATE, 0n)).toEqual([
      [2n, 0n],
      [0n, 0n],
      [2n, 0n],
    ]);
    await write(meter(0n, config(2n, { cburst: 2n, pburst: 2n })));
    send(3, 0, 0);
    expect(await counts(RATE, 0n)).toEqual([
      [4n, 0n],
      [0n, 0n],
      [3n, 0n],
    ]);
    await write(meter(0n, two, { counterData: { ...ZERO, red: { packetCount: 0n, byteCount: 0n } } }));
    send(1, 0, 0);
    expect(await counts(RATE, 0n)).toEqual([
      [1n, 0n],
      [0n, 0n],
      [0n, 0n],
    ]);
    const one = { packetCount: 1n, byteCount: 0n };
    expect(tryUpdate(forwarding, modify(meter(0n, two, { counterData: { ...ZERO, green: one } })))).toBe(
      'INVALID_ARGUMENT',
    );
  });

  it('C28 a batch that is taken back has not touched the buckets, nor the counts', async () => {
    const three = config(1n, { cburst: 3n, pburst: 3n });
    const entity = fc.oneof(
      fc.bigInt(1n, 5n).map((burst) => meter(0n, config(1n, { cburst: burst, pburst: burst }))),
      fc.constant(meter(undefined, undefined, { counterData: ZERO })),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(entity, { minLength: 1, maxLength: 6 }), async (batch) => {
        const { forwarding, pipeline, write, send, counts } = await running();
        await write(meter(0n, three));
        send(2, 0, 0);
        const journal = new Journal();
        for (const each of batch) forwarding.update(modify(each), journal);
        journal.rollback();
        await pipeline.commit();
        expect(readAll(forwarding, meter(0n))).toEqual([meter(0n, three)]);
        send(2, 0, 0);
        expect(await counts(RATE, 0n)).toEqual([
          [3n, 0n],
          [0n, 0n],
          [1n, 0n],
        ]);
      }),
      { numRuns: 20 },
    );
  });

  it('C29 a data plane that is started anew is given all configurations', async () => {
    const { engine, dataplane, forwarding, write, send, counts } = await running();
    await write(meter(undefined, config(1n)));
    await write(meter(3n, config(1n, { cburst: 2n, pburst: 2n })));
    await write(meter(0n));
    await engine.left?.stop();
    await expect.poll(() => dataplane.restarts).toBe(1);
    await dataplane.whenReady();
    for (const port of [0, 1, 3]) send(3, port, 0);
    expect(await counts(RATE, 0n)).toEqual([
      [3n, 0n],
      [0n, 0n],
      [0n, 0n],
    ]);
    expect(await counts(RATE, 1n)).toEqual([
      [1n, 0n],
      [0n, 0n],
      [2n, 0n],
    ]);
    expect(await counts(RATE, 3n)).toEqual([
      [2n, 0n],
      [0n, 0n],
      [1n, 0n],
    ]);
    expect(readAll(forwarding, meter(0n))).toEqual([meter(0n)]);
  });

  it('C31 a data plane from before there were meters says so, and takes all else', async () => {
    const engine = new LocalEngine();
    const old: HostSource = {
      name: 'the engine',
      steadyRules: true,
      inProcess: undefined,
      left: undefined,
      close: async () => undefined,
      start: async (spec) => {
        const host = await engine.start(spec);
        const { greeting, ended, description } = host;
        return {
          greeting,
          ended,
          description: { ...description, meters: [] },
          request: (...args) => host.request(...args),
          requestNow: (...args) => host.requestNow(...args),
          onPortLost: (listener) => host.onPortLost(listener),
          stop: () => host.stop(),
          leave: () => host.leave(),
        };
      },
    };
    const dataplane = new HostDataplane(new MemoryPorts(4), old);
    const forwarding = Forwarding.begin(loadConfig(dataplane, smallConfig()));
    const { pipeline } = forwarding;
    dataplane.activate(pipeline);
    await pipeline.commit();
    expect(() => forwarding.update(modify(meter(1n, config(1n))), undefined)).toThrow(
      /the engine is of an earlier version, which cannot set meters/,
    );
    expect(readAll(forwarding, meter(1n))).toEqual([meter(1n)]);
    await dataplane.stop();
  });
});

describe('RECONCILE_AND_COMMIT', () => {
  it('C30 keeps the configurations of meters that both programs have alike', () => {
    const from = forwardingOf(smallConfig());
    for (const meterId of [RATE, VOLUME]) tryUpdate(from, modify(meter(2n, config(5n), { meterId })));
    const same = forwardingOf(smallConfig());
    transferState(from, same);
    expect(readAll(same, meter(undefined))).toEqual(readAll(from, meter(undefined)));
    const other = forwardingOf(
      smallConfig({
        p4info: smallArtifacts.p4info.replace('unit: PACKETS } size: 4', 'unit: PACKETS } size: 3'),
      }),
    );
    transferState(from, other);
    expect(readAll(other, meter(undefined))).toEqual([0n, 1n, 2n].map((i) => meter(i)));
    expect(readAll(other, meter(2n, undefined, { meterId: VOLUME }))).toEqual([
      meter(2n, config(5n), { meterId: VOLUME }),
    ]);
  });
});
