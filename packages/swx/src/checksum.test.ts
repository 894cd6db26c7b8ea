import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AField, aField, aPacket, Bench, miniSpec, run } from './testing/mini.js';
import { checksum } from './testing/packets.js';

const FIELDS = { f8: 8, f24: 24, f32: 32, f40: 40, f48: 48, f64: 64 } as const;

/** Bytes of a field alone, padded at the end to whole 16-bit words. */
function bytesOf(value: bigint, bits: number): Uint8Array {
  const bytes = new Uint8Array(Math.ceil(bits / 16) * 2);
  for (let i = 0; i < bits / 8; i++) bytes[i] = Number((value >> BigInt(bits - 8 * (i + 1))) & 255n);
  return bytes;
}

describe('ckadd and cksub', () => {
  it('agree with a checksum computed from the start, for fields of every width', () => {
    const field = fc.constantFrom(...(Object.keys(FIELDS) as (keyof typeof FIELDS)[]));
    fc.assert(
      fc.property(
        field,
        fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        fc.uint8Array({ minLength: 2, maxLength: 8 }),
        (name, raw, rest) => {
          const bits = FIELDS[name];
          const value = raw & ((1n << BigInt(bits)) - 1n);
          const other = rest.length % 2 === 0 ? rest : rest.subarray(1);
          const without = checksum(other);
          const withField = checksum(Uint8Array.from([...other, ...bytesOf(value, bits)]));
          const added = run(`ckadd h.a.f16 h.a.${name}`, 'f16', { f16: BigInt(without), [name]: value });
          // 0 and 0xFFFF are the same in one's complement, and neither instruction ever gives 0.
          expect(added).toBe(BigInt(withField === 0 ? 0xffff : withField));
          const removed = run(`cksub h.a.f16 h.a.${name}`, 'f16', { f16: BigInt(withField), [name]: value });
          expect(removed % 0xffffn).toBe(BigInt(without) % 0xffffn);
          expect(removed).not.toBe(0n);
        },
      ),
      { numRuns: 150 },
    );
  });

  it.each([
    ['ckadd h.a.f16 h.a.f32', 0x0000n, 0n, 0xffffn],
    ['ckadd h.a.f16 h.a.f32', 0xffffn, 0n, 0xffffn],
    ['ckadd h.a.f16 h.a.f32', 0xffffn, 1n, 0xfffen],
    ['ckadd h.a.f16 h.a.f32', 0x0001n, 1n, 0xffffn],
    ['cksub h.a.f16 h.a.f32', 0x0000n, 0n, 0xffffn],
    ['cksub h.a.f16 h.a.f32', 0xffffn, 0n, 0xffffn],
    ['cksub h.a.f16 h.a.f32', 0xfffen, 1n, 0xffffn],
    ['cksub h.a.f16 h.a.f32', 0xffffn, 0xffffffffn, 0xffffn],
  ] as const)('%s at the corners: 0x%x, 0x%x', (body, f16, f32, expected) => {
    expect(run(body, 'f16', { f16, f32 })).toBe(expected);
  });

  it('ckadd takes whole headers, of 20 and other numbers of bytes', () => {
    const header = (bytes: number): string =>
      `struct s_t {\n${Array.from({ length: bytes / 2 }, (_, i) => `\tbit<16> w${i}`).join('\n')}\n}\nheader s instanceof s_t`;
    for (const bytes of [8, 20, 24]) {
      const words = Array.from({ length: bytes / 2 }, (_, i) => (i * 40503 + 977) & 0xffff);
      const sets = words.map((word, i) => `mov h.s.w${i} ${word}`).join('\n');
      const body = `validate h.s\n${sets}\nmov h.a.f16 0\nckadd h.a.f16 h.s`;
      const raw = Uint8Array.from(words.flatMap((word) => [word >> 8, word & 255]));
      expect(run(body, 'f16', {}, header(bytes))).toBe(BigInt(checksum(raw, 0xffff)));
    }
  });

  it.each([
    ['m8', 'f8'],
    ['m16', 'f16'],
    ['m24', 'f24'],
    ['m64', 'f64'],
  ] as const)('take metadata (m.%s) as they take a header field with its value', (metadata, field) => {
    const value = 0xfedc_ba98_7654_3210n & ((1n << BigInt(field.slice(1))) - 1n);
    for (const op of ['ckadd', 'cksub']) {
      const declarations = 'struct c_t {\n\tbit<16> sum\n}\nheader c instanceof c_t';
      const body = (source: string): string =>
        `mov m.${metadata} h.a.${field}\nmov h.c.sum 0x1234\n${op} h.c.sum ${source}\nmov h.a.f16 h.c.sum`;
      const expected = run(body(`h.a.${field}`), 'f16', { [field]: value }, declarations);
      expect(run(body(`m.${metadata}`), 'f16', { [field]: value }, declarations)).toBe(expected);
    }
  });

  it('leave all other fields alone', () => {
    const before = aPacket({ f8: 1n, f16: 2n, f24: 3n, f32: 4n, f40: 5n, f48: 6n, f64: 7n, f128: 8n });
    const { packet } = new Bench(miniSpec('ckadd h.a.f16 h.a.f64\ncksub h.a.f16 h.a.f64')).one(before);
    for (const name of ['f8', 'f24', 'f32', 'f40', 'f48', 'f64', 'f128'] satisfies AField[]) {
      expect(aField(packet, name)).toBe(aField(before, name));
    }
    expect(aField(packet, 'f16')).toBe(2n);
  });
});
