import fc from 'fast-check';
import { expect, it } from 'vitest';
import { lowestTerms } from './lowest-terms.js';

/** As DPDK does it, number by number. */
function dpdk(weights: readonly number[]): number[] {
  let result = [...weights];
  const least = Math.min(...weights);
  for (let divisor = 2; divisor <= least; divisor++) {
    if (result.every((weight) => weight % divisor === 0)) result = result.map((weight) => weight / divisor);
  }
  return result;
}

it('shortens weights as DPDK does (property)', () => {
  const weights = fc
    .tuple(
      fc.integer({ min: 1, max: 300 }),
      fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 4 }),
    )
    .map(([factor, list]) => list.map((weight) => weight * factor));
  fc.assert(
    fc.property(weights, (list) => {
      expect(lowestTerms(list)).toEqual(dpdk(list));
    }),
    { numRuns: 2_000 },
  );
});

it('takes no time for the greatest weights', () => {
  expect(lowestTerms([4_294_967_291])).toEqual([1]);
  expect(lowestTerms([4_294_967_291, 4_294_967_295])).toEqual([4_294_967_291, 4_294_967_295]);
  expect(lowestTerms([2 ** 31, 2 ** 31])).toEqual([8, 8]);
});
