import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type AField, aField, aPacket, Bench, miniSpec } from './testing/mini.js';

/** Random programs run by the engine and by an interpreter of a few lines, on bigints. */

const WIDTHS: Readonly<Record<string, number>> = {
  'h.a.f8': 8,
  'h.a.f16': 16,
  'h.a.f24': 24,
  'h.a.f32': 32,
  'h.a.f40': 40,
  'h.a.f48': 48,
  'h.a.f64': 64,
  'm.m8': 8,
  'm.m16': 16,
  'm.m24': 24,
  'm.m32': 32,
  'm.m48': 48,
  'm.m64': 64,
  'm.n64': 64,
};
const HEADER_FIELDS: readonly AField[] = ['f8', 'f16', 'f24', 'f32', 'f40', 'f48', 'f64'];
const FIELDS = Object.keys(WIDTHS);
const MASK64 = (1n << 64n) - 1n;

type Source = string | bigint;
interface Computation {
  readonly op: 'mov' | 'add' | 'sub' | 'and' | 'or' | 'xor' | 'shl' | 'shr';
  readonly target: string;
  readonly source: Source;
}
interface Jump {
  readonly op: 'jmpeq' | 'jmpneq' | 'jmplt' | 'jmpgt' | 'jmple' | 'jmpge';
  readonly a: string;
  readonly b: Source;
  /** How many instructions on. */
  readonly skip: number;
}
type Step = Computation | Jump;

const interesting = fc.constantFrom(
  0n,
  1n,
  0x7fn,
  0x80n,
  0xffn,
  0xffffn,
  0x7fffffffn,
  0x80000000n,
  0xffffffffn,
  1n << 32n,
  MASK64,
);
const value = fc.oneof(interesting, fc.bigInt({ min: 0n, max: MASK64 }));
const field = fc.constantFrom(...FIELDS);
const source = fc.oneof(field, value);
const count: fc.Arbitrary<Source> = fc.oneof(field, fc.bigInt({ min: 0n, max: 70n }));
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ op: fc.constantFrom('mov', 'add', 'sub', 'and', 'or', 'xor'), target: field, source }),
  fc.record({ op: fc.constantFrom('shl', 'shr'), target: field, source: count }),
  fc.record({
    op: fc.constantFrom('jmpeq', 'jmpneq', 'jmplt', 'jmpgt', 'jmple', 'jmpge'),
    a: field,
    b: source,
    skip: fc.integer({ min: 1, max: 6 }),
  }),
);

const text = (s: Source): string => (typeof s === 'bigint' ? `0x${s.toString(16)}` : s);

function render(steps: readonly Step[]): string {
  const lines = steps.map((s, i) => {
    const code =
      'target' in s
        ? `${s.op} ${s.target} ${text(s.source)}`
        : `${s.op} L${Math.min(i + s.skip, steps.length)} ${s.a} ${text(s.b)}`;
    return `L${i} : ${code}`;
  });
  return [...lines, `L${steps.length} : mov m.m8 m.m8`].join('\n');
}

function interpret(steps: readonly Step[], values: Map<string, bigint>): void {
  const get = (s: Source): bigint => (typeof s === 'bigint' ? s : (values.get(s) ?? 0n));
  const mask = (name: string): bigint => (1n << BigInt(WIDTHS[name] ?? 0)) - 1n;
  for (let i = 0; i < steps.length; i++) {
    const s = steps[i];
    if (s === undefined) return;
    if ('target' in s) {
      const a = get(s.target);
      const b = get(s.source);
      const results = {
        mov: b,
        add: a + b,
        sub: a - b,
        and: a & b,
        or: a | b,
        xor: a ^ b,
        shl: a << (b & 63n),
        shr: a >> (b & 63n),
      };
      values.set(s.target, results[s.op] & mask(s.target));
      continue;
    }
    const a = get(s.a);
    const equality = s.op === 'jmpeq' || s.op === 'jmpneq';
    // An immediate is cut to the width of a header field, for equality.
    const b = equality && s.a.startsWith('h.') && typeof s.b === 'bigint' ? s.b & mask(s.a) : get(s.b);
    const taken = {
      jmpeq: a === b,
      jmpneq: a !== b,
      jmplt: a < b,
      jmpgt: a > b,
      jmple: a <= b,
      jmpge: a >= b,
    }[s.op];
    if (taken) i = Math.min(i + s.skip, steps.length) - 1;
  }
}

it('random programs compute what a straightforward interpreter computes', () => {
  const packet = fc.record(Object.fromEntries(HEADER_FIELDS.map((name) => [name, value])));
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 25 }),
      fc.array(packet, { minLength: 1, maxLength: 4 }),
      (steps, packets) => {
        // Metadata is brought out through the fields of header n and the widest fields of header a.
        const expose = 'validate h.n\nmov h.n.x m.m16\nmov h.n.y m.m24\nmov h.n.z m.m32\nmov h.n.w m.m64';
        const bench = new Bench(miniSpec(`${render(steps)}\n${expose}`));
        for (const fields of packets) {
          const values = new Map(FIELDS.map((name) => [name, 0n]));
          const cut: Partial<Record<AField, bigint>> = {};
          for (const name of HEADER_FIELDS) {
            const cutValue = (fields[name] ?? 0n) & ((1n << BigInt(WIDTHS[`h.a.${name}`] ?? 0)) - 1n);
            cut[name] = cutValue;
            values.set(`h.a.${name}`, cutValue);
          }
          interpret(steps, values);
          const out = bench.one(aPacket(cut)).packet;
          const got = HEADER_FIELDS.map((name) => aField(out, name, 16));
          expect(got).toEqual(HEADER_FIELDS.map((name) => values.get(`h.a.${name}`)));
          const view = new DataView(out.buffer);
          expect(BigInt(view.getUint16(0))).toBe(values.get('m.m16'));
          expect(BigInt(view.getUint16(2))).toBe((values.get('m.m24') ?? 0n) & 0xffffn);
          expect(BigInt(view.getUint32(4))).toBe(values.get('m.m32'));
          expect(view.getBigUint64(8)).toBe(values.get('m.m64'));
        }
      },
    ),
    { numRuns: 250 },
  );
});

it('the traced program does the same as the fast one', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 15 }), value, (steps, f64) => {
      const bench = new Bench(miniSpec(render(steps)));
      const packet = aPacket({ f64, f32: f64 & 0xffffffffn });
      const fast = bench.one(packet).packet;
      const { steps: traced } = bench.pipeline.trace(7, packet);
      const sent = traced.find((s) => s.kind === 'transmit');
      expect(sent?.packet).toEqual(fast);
    }),
    { numRuns: 60 },
  );
});
