import { expect, it } from 'vitest';
import { fromUint128, toUint128 } from './uint128.js';

it('election ids are 128 bits', () => {
  for (const id of [0n, 1n, 2n ** 64n - 1n, 2n ** 64n, 2n ** 128n - 1n])
    expect(fromUint128(toUint128(id))).toBe(id);
  expect(toUint128(2n ** 64n + 5n)).toEqual({ high: 1n, low: 5n });
  expect(() => toUint128(-1n)).toThrow(expect.objectContaining({ code: 'INVALID' }));
});
