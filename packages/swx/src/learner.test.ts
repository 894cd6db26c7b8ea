import { describe, expect, it } from 'vitest';
import { aField, aPacket, Bench, miniSpec } from './testing/mini.js';

/** h.a.f8 says what to do on a hit: 1 rearm, 2 rearm with m.m16, 3 forget, 4 learn anew. */
const learner = (size: number, timeouts = '10 20 30'): string => `
struct hit_arg_t {
	bit<64> n64
	bit<128> m128
}
action hit args instanceof hit_arg_t {
	mov h.a.f64 t.n64
	mov h.a.f128 t.m128
	entryid m.m32
	mov h.a.f32 m.m32
	jmpneq TWO h.a.f8 1
	rearm
	TWO : jmpneq THREE h.a.f8 2
	rearm m.m16
	THREE : jmpneq FOUR h.a.f8 3
	forget
	FOUR : jmpneq END h.a.f8 4
	mov m.n64 h.a.f40
	learn hit m.n64 m.m16
	END : return
}
action miss args none {
	mov m.n64 h.a.f40
	mov m.m128 h.a.f40
	mov h.a.f64 0
	learn hit m.n64 m.m16
	return
}
learner l {
	key {
		h.a.f48
	}
	actions {
		hit @tableonly
		miss @defaultonly
	}
	default_action miss args none
	size ${size}
	timeout {
		${timeouts.replaceAll(' ', '\n')}
	}
}`;

const bench = (size = 100, timeouts?: string): Bench =>
  new Bench(miniSpec('mov m.m16 h.a.f16\ntable l', learner(size, timeouts)));

/** Sends a packet with a key; the value of its entry, or 0 for a miss. */
function send(
  b: Bench,
  key: number,
  options: { value?: bigint; op?: number; timeout?: number } = {},
): bigint {
  const { value = 5n, op = 0, timeout = 0 } = options;
  const packet = aPacket({ f48: BigInt(key), f40: value, f8: BigInt(op), f16: BigInt(timeout) });
  return aField(b.one(packet).packet, 'f64');
}

describe('learners', () => {
  it('learn on a miss and hit from then on, with the arguments from consecutive metadata fields', () => {
    const b = bench();
    expect(send(b, 1, { value: 0xabcdef0123n })).toBe(0n);
    expect(send(b, 1)).toBe(0xabcdef0123n);
    expect(aField(b.one(aPacket({ f48: 1n })).packet, 'f128')).toBe(0xabcdef0123n);
    expect([...b.pipeline.learnerEntries('l')]).toEqual([
      {
        key: [1n],
        action: 'hit',
        args: [0xabcdef0123n, 0xabcdef0123n],
        timeoutIndex: 0,
        expiresInMs: 10_000,
      },
    ]);
  });

  it('expire at their time, unless rearmed', () => {
    const b = bench();
    send(b, 1);
    send(b, 2);
    b.now = 9_999;
    expect(send(b, 1, { op: 1 })).toBe(5n);
    expect(send(b, 2)).toBe(5n);
    b.now = 10_000;
    expect(b.pipeline.learnerCount('l')).toBe(1);
    expect(send(b, 2)).toBe(0n);
    b.now = 19_998;
    expect(send(b, 1)).toBe(5n);
    b.now = 19_999;
    expect(send(b, 1)).toBe(0n);
  });

  it('rearm with another timeout, which stays', () => {
    const b = bench();
    send(b, 1);
    send(b, 1, { op: 2, timeout: 2 });
    b.now = 25_000;
    expect(send(b, 1, { op: 1 })).toBe(5n);
    b.now = 54_999;
    expect(send(b, 1)).toBe(5n);
    b.now = 55_000;
    expect(send(b, 1)).toBe(0n);
  });

  it('take a timeout index modulo the number of timeouts rounded up, the first one filling it', () => {
    const b = bench();
    send(b, 1, { timeout: 3 });
    send(b, 2, { timeout: 6 });
    expect([...b.pipeline.learnerEntries('l')].map((e) => e.expiresInMs)).toEqual([10_000, 30_000]);
  });

  it('forget, and learn anew on a hit', () => {
    const b = bench();
    send(b, 1);
    send(b, 1, { op: 4, value: 77n, timeout: 1 });
    expect([...b.pipeline.learnerEntries('l')]).toMatchObject([{ args: [77n, 0n], timeoutIndex: 1 }]);
    expect(send(b, 1, { op: 3 })).toBe(77n);
    expect(b.pipeline.learnerCount('l')).toBe(0);
    expect(send(b, 1)).toBe(0n);
  });

  it('know what they are told as if they had learned it, until that expires', () => {
    const b = bench();
    const told = { key: [1n], action: 'hit', args: [9n, 0n], timeoutIndex: 1 };
    const row = b.pipeline.learnerSet('l', told);
    expect(b.pipeline.learnerGet('l', [1n])).toMatchObject(told);
    expect(send(b, 1)).toBe(9n);
    expect(b.pipeline.learnerSet('l', { ...told, args: [8n, 0n] })).toBe(row);
    expect(send(b, 1)).toBe(8n);
    expect(() =>
      b.pipeline.atomically(() => {
        b.pipeline.learnerSet('l', { ...told, key: [2n] });
        b.pipeline.learnerSet('l', { ...told, args: [7n, 0n] });
        throw new Error('taken back');
      }),
    ).toThrow('taken back');
    expect([...b.pipeline.learnerEntries('l')]).toMatchObject([{ key: [1n], args: [8n, 0n] }]);
    b.now = 20_000;
    expect(send(b, 1)).toBe(0n);
    expect(() => b.pipeline.learnerSet('l', { ...told, action: 'nothing' })).toThrow(/nothing/);
  });

  it('change timeouts for what is learned afterwards', () => {
    const b = bench();
    send(b, 1);
    b.pipeline.learnerSetTimeout('l', 0, 100);
    send(b, 2);
    expect([...b.pipeline.learnerEntries('l')].map((e) => e.expiresInMs)).toEqual([10_000, 100_000]);
    expect(() => b.pipeline.learnerSetTimeout('l', 3, 1)).toThrow(/index 3 is not one of 0 … 2/);
    expect(() => b.pipeline.learnerSetTimeout('l', 0, 0)).toThrow(/seconds from 1/);
  });

  it('that are full do not learn, until something has expired', () => {
    const b = bench(10);
    for (let key = 1; key <= 12; key++) expect(send(b, key, { timeout: key === 1 ? 0 : 2 })).toBe(0n);
    expect(b.pipeline.stats).toMatchObject({ learned: 10, notLearned: 2 });
    expect(send(b, 12)).toBe(0n);
    b.now = 10_000;
    expect(send(b, 12)).toBe(0n);
    expect(send(b, 12)).toBe(5n);
    expect(send(b, 2)).toBe(5n);
  });

  it('free expired rows as they go: memory follows the live entries, not all that were ever learned', () => {
    const b = bench(100_000, '1');
    for (let key = 0; key < 20_000; key++) {
      send(b, key);
      b.now += 1;
    }
    expect(b.pipeline.learnerCount('l')).toBe(999);
    // Row numbers tell how many rows have been taken: about the entries of two timeouts.
    const highest = Math.max(
      ...Array.from({ length: 50 }, (_, i) => {
        send(b, 100_000 + i);
        return Number(aField(b.one(aPacket({ f48: BigInt(100_000 + i) })).packet, 'f32'));
      }),
    );
    expect(highest).toBeLessThan(2_100);
  });

  it('hold a million entries', () => {
    const b = bench(1 << 20, '3600');
    const packet = aPacket({ f40: 5n });
    const view = new DataView(packet.buffer);
    const feed = (key: number): void => {
      view.setUint32(17, key);
      b.pipeline.process(1, packet);
      b.out.length = 0;
    };
    for (let key = 0; key < 1 << 20; key++) feed(key);
    expect(b.pipeline.stats).toMatchObject({ learned: 1 << 20, notLearned: 0 });
    for (let key = 0; key < 1 << 20; key += 1000) feed(key);
    expect(b.pipeline.stats.tables.l).toEqual({ hits: 1049, misses: 1 << 20 });
  });
});

describe('actions of tables', () => {
  const table = (op: string): string =>
    miniSpec(
      'table t',
      `action a args none {\n\t${op}\n\treturn\n}\ntable t {\n\tactions {\n\t\ta\n\t}\n\tdefault_action a args none\n}`,
    );

  it.each(['rearm', 'rearm m.m8'])('may %s: nothing happens', (op) => {
    expect(new Bench(table(op)).send(aPacket())).toHaveLength(1);
  });

  it.each([
    ['forget', 'forgets'],
    ['learn a m.m8', 'learns'],
  ])('may not %s', (op, does) => {
    expect(() => new Bench(table(op))).toThrow(`action 'a' ${does}; only learners may use it`);
  });
});

describe('the syntax of DPDK before 22.07', () => {
  const older = (timeout: string) =>
    learner(100)
      .replace(/timeout \{[^}]*\}/, timeout)
      .replaceAll('learn hit m.n64 m.m16', 'learn hit m.n64');

  it('learns for the one timeout there is', () => {
    const bench = new Bench(miniSpec('mov m.m16 h.a.f16\ntable l', older('timeout 120')));
    bench.one(aPacket({ f16: 7n, f40: 5n, f48: 9n }));
    expect([...bench.pipeline.learnerEntries('l')]).toEqual([
      expect.objectContaining({ action: 'hit', args: [5n, 5n], timeoutIndex: 0, expiresInMs: 120_000 }),
    ]);
  });

  it('learns an action without parameters', () => {
    const text = miniSpec(
      'table l',
      `action hit args none {\n\treturn\n}\naction miss args none {\n\tlearn hit\n\treturn\n}
learner l {\n\tkey {\n\t\th.a.f48\n\t}\n\tactions {\n\t\thit\n\t\tmiss\n\t}
\tdefault_action miss args none\n\tsize 10\n\ttimeout 30\n}`,
    );
    const bench = new Bench(text);
    bench.one(aPacket());
    expect(bench.pipeline.learnerCount('l')).toBe(1);
  });

  it('refuses a timeout that is none', () => {
    expect(() => new Bench(miniSpec('table l', older('timeout 0')))).toThrow(/a timeout in seconds/);
    expect(() => new Bench(miniSpec('table l', older('timeout')))).toThrow(/a timeout in seconds/);
  });
});
