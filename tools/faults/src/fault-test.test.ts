import { describe, expect, it } from 'vitest';
import { casesOf } from './fault-test.js';

describe('the number of cases', () => {
  it.each([
    [100_000, {}, 100_000],
    [100_000, { unit: 'message' }, 100_000],
    [100_000, { unit: 'input' }, 1_000_000],
    [100_000, { unit: 'upheaval' }, 20],
    [400, { unit: 'upheaval' }, 1],
    [100_000, { unit: 'upheaval', most: 8 }, 8],
    [100, { most: 5_000 }, 100],
  ] as const)('asked for %i of %j is %i', (asked, test, cases) => {
    expect(casesOf(asked, test)).toBe(cases);
  });
});
