import { describe, expect, it } from 'vitest';
import { Random } from './random.js';

describe('Random', () => {
  it('gives the same numbers for the same seed', () => {
    const [one, other] = [new Random(7), new Random(7)];
    expect(Array.from({ length: 50 }, () => one.below(1000))).toEqual(
      Array.from({ length: 50 }, () => other.below(1000)),
    );
  });

  it('spreads evenly', () => {
    const random = new Random(1);
    const counts = [0, 0, 0, 0];
    for (let index = 0; index < 40_000; index++) {
      const at = random.below(4);
      counts[at] = (counts[at] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
  });

  it('refuses to pick from nothing', () => {
    expect(() => new Random(1).pick([])).toThrow(RangeError);
  });
});
