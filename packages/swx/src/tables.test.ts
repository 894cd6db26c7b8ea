import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SwxError } from './errors.js';
import { aField, aPacket, Bench, miniSpec } from './testing/mini.js';

const table = (key: string, size = 16, rest = ''): string => `
struct set_arg_t {
	bit<64> value
	bit<8> small
}
action set args instanceof set_arg_t {
	mov h.a.f64 t.value
	mov h.a.f8 t.small
	entryid m.m32
	mov h.a.f32 m.m32
	return
}
action miss args none {
	mov h.a.f64 0xFFFF
	entryid m.m32
	mov h.a.f32 m.m32
	return
}
table t {
	key {
		${key}
	}
	actions {
		set
		miss @defaultonly
	}
	default_action miss args none ${rest}
	size ${size}
}`;
const bench = (key: string, size = 16, rest = ''): Bench =>
  new Bench(miniSpec('table t', table(key, size, rest)));
const code = (run: () => void): string | undefined => {
  try {
    run();
  } catch (error) {
    if (SwxError.is(error)) return error.code;
  }
  return undefined;
};

describe('exact tables', () => {
  it('hit, miss, replace and delete; entry ids are stable', () => {
    const b = bench('h.a.f48 exact');
    const lookup = (f48: bigint): [bigint, bigint] => {
      const { packet } = b.one(aPacket({ f48 }));
      return [aField(packet, 'f64'), aField(packet, 'f32')];
    };
    b.pipeline.tableSet('t', { key: [{ value: 5n }], action: 'set', args: [1n << 40n, 1] });
    b.pipeline.tableSet('t', { key: [{ value: 6n }], action: 'set', args: [2n, 1] });
    expect(lookup(5n)).toEqual([1n << 40n, 1n]);
    expect(lookup(6n)).toEqual([2n, 2n]);
    expect(lookup(7n)).toEqual([0xffffn, 0n]);
    b.pipeline.tableSet('t', { key: [{ value: 5n }], action: 'set', args: [9n, 1] });
    expect(lookup(5n)).toEqual([9n, 1n]);
    expect(b.pipeline.tableDelete('t', [{ value: 5n }])).toBe(true);
    expect(b.pipeline.tableDelete('t', [{ value: 5n }])).toBe(false);
    expect(lookup(5n)).toEqual([0xffffn, 0n]);
    expect(b.pipeline.entryIndex('t', [{ value: 6n }])).toBe(2);
    expect([...b.pipeline.tableEntries('t')]).toEqual([
      { key: [{ value: 6n }], action: 'set', args: [2n, 1], index: 2 },
    ]);
    b.pipeline.tableClear('t');
    expect(lookup(6n)).toEqual([0xffffn, 0n]);
    expect(b.pipeline.tableEntryCount('t')).toBe(0);
  });

  it('agree with a map, whatever is added and removed', () => {
    const key = fc.record({
      a: fc.integer({ min: 0, max: 3 }),
      b: fc.bigInt({ min: 0n, max: 5n }),
      c: fc.integer({ min: 0, max: 255 }),
    });
    const step = fc.record({ add: fc.boolean(), key, value: fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.array(key, { maxLength: 20 }), (steps, probes) => {
        const b = bench('h.a.f16 exact\nh.a.f48 exact\nh.a.f8 exact', 1000);
        const model = new Map<string, bigint>();
        for (const { add, key: k, value } of steps) {
          const fields = [{ value: k.a }, { value: k.b }, { value: k.c }];
          const name = `${k.a},${k.b},${k.c}`;
          if (add) {
            b.pipeline.tableSet('t', { key: fields, action: 'set', args: [value, 0] });
            model.set(name, value);
          } else {
            expect(b.pipeline.tableDelete('t', fields)).toBe(model.delete(name));
          }
        }
        expect(b.pipeline.tableEntryCount('t')).toBe(model.size);
        for (const k of [...probes, ...steps.map((s) => s.key)]) {
          const { packet } = b.one(aPacket({ f16: BigInt(k.a), f48: k.b, f8: BigInt(k.c) }));
          expect(aField(packet, 'f64')).toBe(model.get(`${k.a},${k.b},${k.c}`) ?? 0xffffn);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('are full at their size', () => {
    const b = bench('h.a.f8 exact', 3);
    const add = (value: number): void =>
      b.pipeline.tableSet('t', { key: [{ value }], action: 'set', args: [0n, 0] });
    [1, 2, 3].forEach(add);
    expect(() => add(4)).toThrow("table 't' is full: its size is 3");
    expect(code(() => add(4))).toBe('TABLE_FULL');
    add(3);
    b.pipeline.tableDelete('t', [{ value: 1 }]);
    add(4);
  });

  it('match keys of more than 64 bits', () => {
    const b = bench('h.a.f128 exact');
    const f128 = (0xfe80n << 112n) | 1n;
    b.pipeline.tableSet('t', { key: [{ value: f128 }], action: 'set', args: [4n, 0] });
    expect(aField(b.one(aPacket({ f128 })).packet, 'f64')).toBe(4n);
    expect(aField(b.one(aPacket({ f128: f128 ^ (1n << 90n) })).packet, 'f64')).toBe(0xffffn);
  });
});

describe('wildcard and lpm tables', () => {
  const value = fc.integer({ min: 0, max: 0xffff });

  it('agree with a linear scan: the lowest priority number, then the older entry', () => {
    const entry = fc.record({ value, mask: value, priority: fc.integer({ min: 0, max: 5 }) });
    const step = fc.record({ remove: fc.integer({ min: 0, max: 3 }), entry });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.array(value, { maxLength: 30 }), (steps, probes) => {
        const b = bench('h.a.f16 wildcard', 1000);
        const model: { value: number; mask: number; priority: number; result: bigint }[] = [];
        let result = 0n;
        for (const { remove, entry: e } of steps) {
          const same = (m: (typeof model)[number]): boolean =>
            m.mask === e.mask && m.value === (e.value & e.mask) && m.priority === e.priority;
          const at = model.findIndex(same);
          result++;
          if (remove === 0) {
            if (at >= 0) model.splice(at, 1);
            expect(b.pipeline.tableDelete('t', [{ value: e.value, mask: e.mask }], e.priority)).toBe(at >= 0);
            continue;
          }
          const known = model[at];
          if (known === undefined) model.push({ ...e, value: e.value & e.mask, result });
          else known.result = result;
          b.pipeline.tableSet('t', {
            key: [{ value: e.value, mask: e.mask }],
            priority: e.priority,
            action: 'set',
            args: [result, 0],
          });
        }
        for (const probe of [...probes, ...steps.map((s) => s.entry.value)]) {
          const matching = model.filter((m) => (probe & m.mask) === m.value);
          const best = Math.min(...matching.map((m) => m.priority));
          const results = matching.filter((m) => m.priority === best).map((m) => m.result);
          const got = aField(b.one(aPacket({ f16: BigInt(probe) })).packet, 'f64');
          if (results.length === 0) expect(got).toBe(0xffffn);
          else expect(results).toContain(got);
        }
      }),
      { numRuns: 80 },
    );
  });

  it('take the longest prefix, exact fields beside it', () => {
    const prefix = fc.record({
      value: fc.bigInt({ min: 0n, max: 0xffffffffn }),
      length: fc.integer({ min: 0, max: 32 }),
    });
    fc.assert(
      fc.property(
        fc.array(prefix, { maxLength: 30 }),
        fc.array(prefix, { maxLength: 20 }),
        (prefixes, probes) => {
          const b = bench('h.a.f8 exact\nh.a.f32 lpm', 1000);
          const maskOf = (length: number): bigint => (0xffffffffn << BigInt(32 - length)) & 0xffffffffn;
          for (const p of prefixes) {
            const key = [{ value: 1 }, { value: p.value, mask: maskOf(p.length) }];
            b.pipeline.tableSet('t', { key, action: 'set', args: [BigInt(p.length), 0] });
          }
          for (const { value: probe } of [...probes, ...prefixes]) {
            const lengths = prefixes
              .filter((p) => (p.value & maskOf(p.length)) === (probe & maskOf(p.length)))
              .map((p) => p.length);
            const { packet } = b.one(aPacket({ f8: 1n, f32: probe }));
            expect(aField(packet, 'f64')).toBe(lengths.length === 0 ? 0xffffn : BigInt(Math.max(...lengths)));
          }
        },
      ),
      { numRuns: 80 },
    );
  });

  it('tell entries as they were set', () => {
    const b = bench('h.a.f8 exact\nh.a.f48 wildcard');
    const key = [{ value: 1 }, { value: 0xab0000000001n, mask: 0xff0000000001n }];
    b.pipeline.tableSet('t', { key, priority: 7, action: 'set', args: [1n, 2] });
    expect(b.pipeline.tableGet('t', key, 7)).toEqual({
      key,
      priority: 7,
      action: 'set',
      args: [1n, 2],
      index: 1,
    });
    expect(b.pipeline.tableGet('t', key, 8)).toBeUndefined();
  });

  it('refuse a mask that is no prefix', () => {
    const b = bench('h.a.f16 lpm');
    const set = (mask: number): void =>
      b.pipeline.tableSet('t', { key: [{ value: 0, mask }], action: 'set', args: [0n, 0] });
    expect(() => set(0xff0f)).toThrow(/mask 0xff0f is not a prefix/);
    set(0xff00);
    set(0);
  });
});

describe('what the control interface refuses', () => {
  it.each([
    [
      'an unknown table',
      (b: Bench) => b.pipeline.tableClear('tt'),
      'NOT_FOUND',
      /no table 'tt'; did you mean 't'/,
    ],
    [
      'an unknown action',
      (b: Bench) => b.pipeline.tableSet('t', { key: [{ value: 1 }], action: 'sett', args: [] }),
      'NOT_FOUND',
      /'sett'; did you mean 'set'\?/,
    ],
    [
      'a default-only action',
      (b: Bench) => b.pipeline.tableSet('t', { key: [{ value: 1 }], action: 'miss', args: [] }),
      'NOT_FOUND',
      /no action for entries 'miss'/,
    ],
    [
      'missing arguments',
      (b: Bench) => b.pipeline.tableSet('t', { key: [{ value: 1 }], action: 'set', args: [1n] }),
      'INVALID_VALUE',
      /takes 2 arguments \(value, small\), not 1/,
    ],
    [
      'a wide argument',
      (b: Bench) => b.pipeline.tableSet('t', { key: [{ value: 1 }], action: 'set', args: [1n, 256] }),
      'INVALID_VALUE',
      /'small': 256 does not fit 8 bits/,
    ],
    [
      'a wide key',
      (b: Bench) => b.pipeline.tableGet('t', [{ value: 256 }]),
      'INVALID_VALUE',
      /'h.a.f8': 256 does not fit 8 bits/,
    ],
    [
      'a negative key',
      (b: Bench) => b.pipeline.tableGet('t', [{ value: -1 }]),
      'INVALID_VALUE',
      /-1 does not fit/,
    ],
    [
      'a fraction',
      (b: Bench) => b.pipeline.tableGet('t', [{ value: 1.5 }]),
      'INVALID_VALUE',
      /1.5 is not an unsigned integer/,
    ],
    [
      'a key of the wrong length',
      (b: Bench) => b.pipeline.tableGet('t', []),
      'INVALID_VALUE',
      /has 1 key fields \(h.a.f8\), not 0/,
    ],
    [
      'a mask on an exact field',
      (b: Bench) => b.pipeline.tableGet('t', [{ value: 1, mask: 1 }]),
      'INVALID_VALUE',
      /takes no mask/,
    ],
    [
      'another default when it is const',
      (b: Bench) => b.pipeline.tableSetDefault('t', 'set', [1n, 1]),
      'INVALID_VALUE',
      /default action is const/,
    ],
  ] as const)('%s', (_what, run, expected, message) => {
    const b = bench('h.a.f8 exact', 16, 'const');
    expect(() => run(b)).toThrow(message);
    expect(code(() => run(b))).toBe(expected);
  });

  it('packets that are too long, and process() inside onTransmit', () => {
    const b = bench('h.a.f8 exact');
    expect(() => b.pipeline.process(0, new Uint8Array(65_537))).toThrow(/length of the packet is 65537/);
    expect(() => b.pipeline.process(0, new Uint8Array(5), 6)).toThrow(/not one of 0 … 5/);
    b.pipeline.process(0, new Uint8Array(65_536));
    expect(b.out).toHaveLength(1);
  });
});

it('default actions can be set and put back', () => {
  const b = bench('h.a.f8 exact');
  b.pipeline.tableSetDefault('t', 'set', [77n, 1]);
  expect(aField(b.one(aPacket()).packet, 'f64')).toBe(77n);
  expect(b.pipeline.tableDefault('t')).toEqual({ action: 'set', args: [77n, 1] });
  b.pipeline.tableResetDefault('t');
  expect(aField(b.one(aPacket()).packet, 'f64')).toBe(0xffffn);
});

it('jmph, jmpnh, jmpa and jmpna ask for the outcome of the last table', () => {
  const body = `table t
jmpnh MISS
mov h.a.f16 1
jmp ASK
MISS : mov h.a.f16 2
ASK : jmpa SET set
add h.a.f16 0x10
SET : jmpna END miss
add h.a.f16 0x100
END : mov h.a.f24 0
jmph HIT
mov h.a.f24 1
HIT : mov h.a.f24 h.a.f24`;
  const b = new Bench(miniSpec(body, table('h.a.f40 exact')));
  b.pipeline.tableSet('t', { key: [{ value: 1n }], action: 'set', args: [0n, 0] });
  const outcome = (f40: bigint) => {
    const { packet } = b.one(aPacket({ f40 }));
    return [aField(packet, 'f16'), aField(packet, 'f24')];
  };
  expect(outcome(1n)).toEqual([1n, 0n]);
  expect(outcome(2n)).toEqual([0x112n, 1n]);
});
