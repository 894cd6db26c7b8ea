import fc from 'fast-check';
import { expect, it } from 'vitest';
import { prefixLength, prefixMask, readValue, writeValue } from './bytes.js';

const widthAndValue = fc
  .integer({ min: 1, max: 128 })
  .chain((width) =>
    fc.record({ width: fc.constant(width), value: fc.bigInt({ min: 0n, max: (1n << BigInt(width)) - 1n }) }),
  );

it('B1 any value of any width is written in the shortest form and read back, leading zeros or not', () => {
  fc.assert(
    fc.property(widthAndValue, fc.integer({ min: 0, max: 40 }), ({ width, value }, zeros) => {
      const typed = width <= 32 ? Number(value) : value;
      const bytes = writeValue(typed);
      expect(bytes.length === 1 || bytes[0] !== 0).toBe(true);
      expect(readValue(bytes, width, String)).toBe(typed);
      expect(readValue(Uint8Array.from([...new Uint8Array(zeros), ...bytes]), width, String)).toBe(typed);
    }),
  );
});

it('B2 a value with one bit more than the width is OUT_OF_RANGE, and so is none', () => {
  for (let width = 1; width <= 128; width++) {
    const bytes = writeValue(1n << BigInt(width));
    expect(() => readValue(bytes, width, () => 'x')).toThrow(
      expect.objectContaining({ code: 'OUT_OF_RANGE' }),
    );
  }
  expect(() => readValue(new Uint8Array(0), 8, () => 'x')).toThrow(
    expect.objectContaining({ code: 'OUT_OF_RANGE' }),
  );
  const long = new Uint8Array(4_000_000).fill(255);
  expect(() => readValue(long, 128, () => 'x')).toThrow(/does not fit 128 bits/);
});

it('B3 prefix masks have the prefix length that they were made with', () => {
  for (let width = 1; width <= 128; width++) {
    for (let prefix = 1; prefix <= width; prefix++)
      expect(prefixLength(prefixMask(width, prefix), width)).toBe(prefix);
  }
});
