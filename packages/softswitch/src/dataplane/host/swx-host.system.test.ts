import { readFileSync } from 'node:fs';
import { k8sDpArtifacts } from '@infra-offload/p4src';
import { parseSpec } from '@infra-offload/swx';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { smallArtifacts } from '../../testing/forwarding.js';
import { dpdkInstalled, dpdkProgram, startHost, swxHost } from '../../testing/swx-host.js';
import type { DataplaneEntry } from '../dataplane.js';
import type { Host } from './host.js';
import { Layout } from './layout.js';
import { injectBody, readPackets } from './packets.js';
import { BATCH_COMMIT, Change, Operation, PortKind } from './protocol.js';
import { readStatistics } from './statistics.js';
import { ByteWriter } from './wire.js';

const SERVICE = 'service';
const NOTHING = new Uint8Array(0);
/** With a meter that is given a constant as length. */
const METERED = smallArtifacts.spec;

/** One key and one action with direct counters, a learner that forgets after a second, and output to any port. */
const TINY = `
struct h_t {
	bit<32> key
	bit<32> out
}
struct out_t {
	bit<32> port
}
struct m_t {
	bit<32> in
	bit<32> key
	bit<32> out
	bit<32> index
	bit<32> one
}
header h instanceof h_t
metadata instanceof m_t
regarray hits size 17 initval 0
regarray news size 2 initval 0
action to args instanceof out_t {
	mov m.out t.port
	return
}
action nowhere args none {
	mov m.out h.h.out
	return
}
action known args none {
	rearm
	return
}
action unknown args none {
	mov m.one 0
	regadd news m.one 1
	learn known m.one
	return
}
table t {
	key {
		m.key exact
	}
	actions {
		to
		nowhere
	}
	default_action nowhere args none
	size 16
}
learner l {
	key {
		m.key
	}
	actions {
		known
		unknown
	}
	default_action unknown args none
	size 64
	timeout {
		60
	}
}
apply {
	rx m.in
	extract h.h
	mov m.key h.h.key
	table l
	table t
	entryid m.index
	regadd hits m.index 1
	emit h.h
	tx m.out
}
`;

/** Sanitizers tell of errors by ending the program, which every test here would notice. */
describe.skipIf(!dpdkInstalled)('swx-host', () => {
  let binary: string;
  const hosts: Host[] = [];

  beforeAll(() => {
    process.env.ASAN_OPTIONS = 'detect_leaks=0';
    binary = swxHost('asan');
  });

  afterAll(async () => {
    for (const host of hosts) await host.stop();
  });

  async function start(spec: string, ports = 0, ...args: string[]): Promise<Host> {
    const host = await startHost(spec, dpdkProgram(['--ports', '8', '--memory', '768', ...args], binary));
    hosts.push(host);
    for (let i = 0; i < ports; i++) {
      await host.request(
        Operation.ADD_PORT,
        new ByteWriter().u16(i).u8(PortKind.MEMORY).text(`m${i}`).u32(1500).view(),
      );
    }
    return host;
  }

  /** A message with changes. */
  function batch(flags: number, ...changes: ((writer: ByteWriter) => unknown)[]): Uint8Array {
    const writer = new ByteWriter().u8(flags).u32(changes.length);
    for (const change of changes) change(writer);
    return writer.view();
  }

  const set =
    (key: number, port: number) =>
    (writer: ByteWriter): unknown =>
      writer.u8(Change.SET).u16(0).integer(key, 4).u16(0).integer(port, 4);
  const remove =
    (key: number) =>
    (writer: ByteWriter): unknown =>
      writer.u8(Change.DELETE).u16(0).integer(key, 4);

  async function send(host: Host, key: number, out = 1): Promise<number[]> {
    const packet = new ByteWriter().integer(key, 4).integer(out, 4).bytes(new Uint8Array(52)).view();
    const emitted = readPackets(await host.request(Operation.INJECT, injectBody([{ port: 0, packet }])));
    return emitted.map(({ port }) => port);
  }

  async function counter(host: Host, key: number): Promise<bigint> {
    const body = new ByteWriter().u16(0).u16(0).u32(1).integer(key, 4).view();
    return (await host.request(Operation.READ_COUNTERS, body)).u64();
  }

  it('a batch is live as a whole, or not at all', async () => {
    const host = await start(TINY, 8);
    await host.request(Operation.BATCH, batch(BATCH_COMMIT, set(1, 3), set(2, 4)));
    expect([await send(host, 1), await send(host, 2), await send(host, 9)]).toEqual([[3], [4], [1]]);

    const wrong = batch(BATCH_COMMIT, set(1, 7), remove(2), set(5, 5), (w) =>
      w.u8(Change.SET).u16(0).integer(1, 4).u16(99).u32(0),
    );
    await expect(host.request(Operation.BATCH, wrong)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringMatching(/change 3: table t has no action 99/),
    });
    expect([await send(host, 1), await send(host, 2), await send(host, 5)]).toEqual([[3], [4], [1]]);

    // Staged changes are seen when they are committed, by whoever staged them, and gone when they are aborted.
    await host.request(Operation.BATCH, batch(0, set(1, 6)));
    expect(await send(host, 1)).toEqual([3]);
    expect(() => host.requestNow(Operation.COMMIT)).toThrow(/another client/);
    await host.request(Operation.COMMIT);
    expect(await send(host, 1)).toEqual([6]);
    await host.request(Operation.BATCH, batch(0, remove(1)));
    await host.request(Operation.ABORT);
    await host.request(Operation.COMMIT);
    expect(await send(host, 1)).toEqual([6]);
  });

  it('a table is full at its size, and a batch that does not fit leaves the places of entries as they were', async () => {
    const host = await start(TINY, 2);
    const keys = Array.from({ length: 16 }, (_, i) => 100 + i);
    await host.request(Operation.BATCH, batch(BATCH_COMMIT, ...keys.map((key) => set(key, 1))));
    for (const key of keys) await send(host, key);
    const overflow = batch(BATCH_COMMIT, remove(100), remove(107), set(1, 1), set(2, 1), set(3, 1));
    await expect(host.request(Operation.BATCH, overflow)).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
    });
    for (const key of keys) expect(await counter(host, key)).toBe(1n);
    await host.request(
      Operation.BATCH,
      batch(BATCH_COMMIT, remove(103), set(50, 1), (w) =>
        w.u8(Change.COUNTER).u16(0).u16(0).integer(50, 4).u64(7n),
      ),
    );
    await send(host, 50);
    expect([await counter(host, 50), await counter(host, 104), await counter(host, 103)]).toEqual([
      8n,
      1n,
      0n,
    ]);
  });

  it('packets to ports that do not exist are counted', async () => {
    const host = await start(TINY, 2);
    expect(await send(host, 1, 7)).toEqual([]);
    expect(await send(host, 1, 8)).toEqual([]);
    expect(await send(host, 1, 0xffff_ffff)).toEqual([]);
    const statistics = readStatistics(await host.request(Operation.STATISTICS));
    expect(statistics).toMatchObject({ received: 3, unknownPort: 3, malformed: 0 });
    await host.request(Operation.REMOVE_PORT, new ByteWriter().u16(1).view());
    expect(await send(host, 1, 1)).toEqual([]);
    await expect(host.request(Operation.REMOVE_PORT, new ByteWriter().u16(1).view())).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  it('a learner may have as many arguments as SWX takes', async () => {
    const fields = Array.from({ length: 200 }, (_, i) => `\tbit<64> a${i}\n`).join('');
    const wide = `struct wide_t {\n${fields}}\n${TINY}`
      .replace(
        'action known',
        'action wide args instanceof wide_t {\n\tmov m.out t.a0\n\treturn\n}\naction known',
      )
      .replace('\t\tknown\n', '\t\twide\n\t\tknown\n');
    const host = await start(wide);
    // DPDK 22.11 does not copy all of them: then they are not listed, either.
    await host.request(Operation.STATISTICS);
  });

  it('a learner with longer keys runs, and cannot be asked', async () => {
    const names = Array.from({ length: 20 }, (_, i) => `k${i}`);
    const long = TINY.replace(
      '\tbit<32> one\n',
      `\tbit<32> one\n${names.map((name) => `\tbit<32> ${name}\n`).join('')}`,
    ).replace(
      'learner l {\n\tkey {\n\t\tm.key\n',
      `learner l {\n\tkey {\n${names.map((name) => `\t\tm.${name}\n`).join('')}`,
    );
    const host = await start(long);
    const key = new Uint8Array(80).fill(1);
    const unsupported = { code: 'UNIMPLEMENTED', message: expect.stringMatching(/80 bytes/) };
    const filter = () => new ByteWriter().u16(0xffff).u8(1).bytes(key).bytes(key).view();
    for (const [operation, body] of [
      [Operation.LIST_LEARNED, new ByteWriter().u16(0).u32(0).u32(10).bytes(filter())],
      [Operation.COUNT_LEARNED, new ByteWriter().u16(0).u32(0).bytes(filter())],
      [Operation.READ_LEARNED, new ByteWriter().u16(0).u32(1).bytes(key)],
      [
        Operation.BATCH,
        new ByteWriter().bytes(batch(BATCH_COMMIT, (w) => w.u8(Change.FORGET).u16(0).bytes(key))),
      ],
    ] as const)
      await expect(host.request(operation, body.view()), `${operation}`).rejects.toMatchObject(unsupported);
  });

  it('the timeouts of a learner can be changed', async () => {
    const host = await start(TINY, 2);
    const news = async (): Promise<bigint> =>
      (await host.request(Operation.READ_REGISTERS, new ByteWriter().u16(1).u32(0).u32(1).view())).u64();
    await send(host, 1);
    await send(host, 1);
    expect(await news()).toBe(1n);
    await host.request(
      Operation.BATCH,
      batch(BATCH_COMMIT, (w) => w.u8(Change.TIMEOUT).u16(0).u16(0).u32(1)),
    );
    // The packet that comes first gives the entry its new timeout; DPDK counts in steps of 2^32 clock cycles, a second or two.
    const isNew = async (): Promise<boolean> => {
      const before = await news();
      await send(host, 1);
      return (await news()) > before;
    };
    await expect.poll(isNew, { interval: 5_000 }).toBe(true);
    const none = batch(BATCH_COMMIT, (w) => w.u8(Change.TIMEOUT).u16(0).u16(1).u32(1));
    await expect(host.request(Operation.BATCH, none)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('senseless messages do no harm', async () => {
    const host = await start(TINY, 2);
    let state = 12_345;
    const next = (n: number): number => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff;
      return (state >>> 8) % n;
    };
    const operations = [
      Operation.BATCH,
      Operation.READ_REGISTERS,
      Operation.READ_COUNTERS,
      Operation.ADD_PORT,
      Operation.REMOVE_PORT,
      Operation.INJECT,
      Operation.REPLAY,
    ] as const;
    for (let i = 0; i < 3000; i++) {
      const operation = operations[next(operations.length)] ?? Operation.BATCH;
      const body = new Uint8Array(next(40)).map(() => (next(2) ? next(4) : next(256)));
      // No long measurements, please, and no staged changes.
      if (operation === Operation.REPLAY) body.fill(0, 0, 4);
      if (operation === Operation.BATCH && body[0] !== undefined) body[0] |= BATCH_COMMIT;
      if (operation === Operation.ADD_PORT && body[2] === PortKind.DEVICE) body[2] = PortKind.DESCRIPTOR;
      await host.request(operation, body).catch(() => undefined);
    }
    await expect(host.request(99 as Operation)).rejects.toMatchObject({ code: 'UNIMPLEMENTED' });
    expect(readStatistics(await host.request(Operation.STATISTICS)).tables).toHaveLength(1);
  });

  it.each([
    ['a syntax error', TINY.replace('key {', 'kex {'), /pipeline\.spec:\d+: cannot make sense/],
    [
      'an action that is not there',
      TINY.replace('\t\tto\n', '\t\tto\n\t\tnobody\n'),
      /pipeline\.spec:\d+: DPDK refuses/,
    ],
    [
      'a default action that is none of the actions',
      TINY.replace('\t\tnowhere\n\t}', '\t}'),
      /pipeline\.spec:\d+: its default action is not one of its actions/,
    ],
    ['nothing', '', /it has 0 'metadata', not one/],
    ['two programs', TINY + TINY.slice(TINY.indexOf('apply')), /it has 2 'apply', not one/],
    ['a block without end', `${TINY}table x {\n`, /not closed/],
    [
      'what DPDK gets wrong',
      TINY.replace('regadd news m.one 1', 'regadd news 0 1'),
      /pipeline\.spec:\d+: DPDK would add to another/,
    ],
    [
      'a constant for a meter that fits no field',
      METERED.replace('0x1 0x0', '256 0x0'),
      /pipeline\.spec:\d+: DPDK takes the length for a meter from a field: a constant must be below 256/,
    ],
    [
      'a constant for a meter whose color has no field to itself',
      METERED.replace('0x1 0x0', '0x1 m.color'),
      /pipeline\.spec:\d+: DPDK takes .* the color must go to another field/,
    ],
    ['no program', 'hello world', /no such declaration/],
  ])('refuses %s, with its place', async (_what, spec, message) => {
    await expect(start(spec)).rejects.toThrow(message);
  });

  it('understands the programs that the engine does', async () => {
    for (const spec of [k8sDpArtifacts.spec, smallArtifacts.spec]) {
      const host = await start(spec);
      new Layout(parseSpec(spec)).check(host.description);
      await host.stop();
    }
  });

  it('100,000 entries, in messages of any size', async () => {
    const host = await startHost(k8sDpArtifacts.spec, dpdkProgram(['--ports', '2']));
    hosts.push(host);
    const layout = new Layout(parseSpec(k8sDpArtifacts.spec));
    const table = layout.table(SERVICE);
    const entry = (i: number): DataplaneEntry => ({
      key: [{ value: i }, { value: 6 }, { value: 80 }],
      action: 'set_service',
      args: [i, 1, 2, 0, 0],
    });
    for (let i = 0; i < 100_000; ) {
      const writer = new ByteWriter(1 << 16);
      const count = Math.min(10_000, 100_000 - i);
      writer.u8(BATCH_COMMIT).u32(count);
      for (const end = i + count; i < end; i++) layout.writeSet(writer, table, entry(i));
      await host.request(Operation.BATCH, writer.view());
    }
    const { tables } = readStatistics(await host.request(Operation.STATISTICS));
    expect(tables[table.id]?.entries).toBe(100_000);
    expect(readFileSync(`/proc/${host.greeting.pid}/comm`, 'utf8').trim()).toBe('swx-host');
    await host.request(Operation.STOP, NOTHING);
    expect(await host.ended).toBe('it ended with code 0');
  });
});
