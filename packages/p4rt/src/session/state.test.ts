import { expect, it } from 'vitest';
import { DEFAULT_RECONNECT, reconnectDelayMs } from './state.js';
import { fromUint128, toUint128 } from './uint128.js';

it('reconnect delays double up to the limit, with jitter downwards', () => {
  const delays = (random: number) =>
    [1, 2, 3, 7, 1000].map((attempt) => reconnectDelayMs(DEFAULT_RECONNECT, attempt, random));
  expect(delays(0)).toEqual([100, 200, 400, 5000, 5000]);
  expect(delays(1)).toEqual([50, 100, 200, 2500, 2500]);
});

it('election ids are 128 bits', () => {
  for (const id of [0n, 1n, 2n ** 64n - 1n, 2n ** 64n, 2n ** 128n - 1n])
    expect(fromUint128(toUint128(id))).toBe(id);
  expect(toUint128(2n ** 64n + 5n)).toEqual({ high: 1n, low: 5n });
  expect(() => toUint128(-1n)).toThrow(expect.objectContaining({ code: 'INVALID' }));
});
