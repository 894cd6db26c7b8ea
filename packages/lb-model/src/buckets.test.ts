import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BucketEndpoint, type BucketTable, maglevBuckets, rebalanceBuckets } from './buckets.js';

const sizes = fc.constantFrom(1, 2, 6, 13, 64, 100, 251, 256);
const ids = (min: number) =>
  fc.uniqueArray(fc.ipV4(), { minLength: min, maxLength: 40 }).map((list) => list.map((ip) => `${ip}:80`));
const equal = (list: readonly string[]): BucketEndpoint[] => list.map((id) => ({ id, weight: 1 }));
const weighted = ids(1).chain((list) =>
  fc
    .array(fc.integer({ min: 1, max: 100 }), { minLength: list.length, maxLength: list.length })
    .map((weights) => list.map((id, i) => ({ id, weight: weights[i] ?? 1 }))),
);

function count({ buckets }: BucketTable, id: string): number {
  return buckets.filter((owner) => owner === id).length;
}

function moved(a: BucketTable, b: BucketTable): number {
  return a.buckets.filter((owner, i) => owner !== b.buckets[i]).length;
}

function expectSharesWithinOne(table: BucketTable, endpoints: readonly BucketEndpoint[]): void {
  const total = endpoints.reduce((sum, { weight }) => sum + weight, 0);
  const without: string[] = [];
  let sum = 0;
  for (const { id, weight } of endpoints) {
    const share = (table.size * weight) / total;
    const buckets = count(table, id);
    expect(buckets).toBeGreaterThanOrEqual(Math.floor(share));
    expect(buckets).toBeLessThanOrEqual(Math.ceil(share));
    if (buckets === 0) without.push(id);
    sum += buckets;
  }
  expect(sum).toBe(table.size);
  expect(table.overflow).toEqual(without.sort());
}

/** The most buckets that a table with all shares within one can have in common with `previous`, by trying them all. */
function mostInCommon(previous: BucketTable, endpoints: readonly BucketEndpoint[]): number {
  const total = endpoints.reduce((sum, { weight }) => sum + weight, 0);
  let best = new Map([[0, 0]]);
  for (const { id, weight } of endpoints) {
    const share = (previous.size * weight) / total;
    const held = count(previous, id);
    const next = new Map<number, number>();
    for (const [used, common] of best) {
      for (const quota of new Set([Math.floor(share), Math.ceil(share)])) {
        const value = common + Math.min(quota, held);
        next.set(used + quota, Math.max(value, next.get(used + quota) ?? 0));
      }
    }
    best = next;
  }
  return best.get(previous.size) ?? Number.NaN;
}

describe('maglevBuckets', () => {
  it('gives every endpoint its share, rounded down or up, for any size', () => {
    fc.assert(
      fc.property(sizes, weighted, (size, endpoints) => {
        expectSharesWithinOne(maglevBuckets(endpoints, size), endpoints);
      }),
    );
  });

  it('does not depend on the order of endpoints', () => {
    fc.assert(
      fc.property(weighted, (endpoints) => {
        expect(maglevBuckets([...endpoints].reverse(), 64)).toEqual(maglevBuckets(endpoints, 64));
      }),
    );
  });

  it('is the same on every machine and in every release', () => {
    const table = maglevBuckets(equal(['10.244.0.2:80', '10.244.0.3:80', '10.244.0.4:80']), 16);
    expect(table.buckets.map((id) => id?.[9]).join('')).toBe('2424423244333323');
  });

  it('serves an endpoint that is alone with all buckets, and nobody with none', () => {
    expect(new Set(maglevBuckets(equal(['a']), 64).buckets)).toEqual(new Set(['a']));
    expect(maglevBuckets([], 4)).toEqual({
      size: 4,
      buckets: [undefined, undefined, undefined, undefined],
      overflow: [],
    });
  });

  it('tells which endpoints got no bucket, and gives every endpoint one before any gets two', () => {
    const table = maglevBuckets(equal(Array.from({ length: 70 }, (_, i) => `e${i}`)), 64);
    expect(table.overflow).toHaveLength(6);
    expect(new Set(table.buckets).size).toBe(64);
  });

  it('without knowing the past, moves few buckets besides those of an endpoint that goes: 12 % on average', () => {
    let besides = 0;
    let tables = 0;
    for (let n = 2; n <= 40; n++) {
      for (let subnet = 0; subnet < 10; subnet++, tables++) {
        const endpoints = equal(Array.from({ length: n }, (_, i) => `10.${subnet}.${n}.${i}:80`));
        const before = maglevBuckets(endpoints, 64);
        const after = maglevBuckets(endpoints.slice(1), 64);
        besides += moved(before, after) - count(before, endpoints[0]?.id ?? '');
      }
    }
    expect(besides / tables).toBeLessThan(0.12 * 64);
  });

  it('gives a light endpoint its one bucket rather than a heavy one one more', () => {
    const endpoints = [
      { id: 'a', weight: 31 },
      { id: 'b', weight: 2 },
      { id: 'c', weight: 2 },
    ];
    const table = maglevBuckets(endpoints, 4);
    expect(count(table, 'a')).toBe(3);
    expect(table.overflow).toHaveLength(1);
  });

  it.each([0, -1, 1.5, 2 ** 21])('refuses a table of %d buckets', (size) => {
    expect(() => maglevBuckets(equal(['a']), size)).toThrow(`not ${size}`);
  });

  it('refuses an endpoint twice, and weights that are none', () => {
    expect(() => maglevBuckets(equal(['a', 'a']), 4)).toThrow("endpoint 'a' is named twice");
    expect(() => maglevBuckets([{ id: 'a', weight: 0 }], 4)).toThrow("endpoint 'a': weight 0");
  });
});

describe('rebalanceBuckets', () => {
  it('changes nothing if the endpoints are the same', () => {
    fc.assert(
      fc.property(sizes, weighted, (size, endpoints) => {
        const table = maglevBuckets(endpoints, size);
        expect(rebalanceBuckets(table, [...endpoints].reverse())).toEqual(table);
      }),
    );
  });

  it('gives every endpoint its share and moves as few buckets as that allows, whatever was before', () => {
    fc.assert(
      fc.property(sizes, weighted, weighted, (size, before, after) => {
        const previous = maglevBuckets(before, size);
        const table = rebalanceBuckets(previous, after);
        expectSharesWithinOne(table, after);
        expect(size - moved(previous, table)).toBe(mostInCommon(previous, after));
      }),
    );
  });

  it('with equal weights, moves only the buckets of an endpoint that goes', () => {
    fc.assert(
      fc.property(sizes, ids(2), fc.nat(), (size, list, pick) => {
        const gone = list[pick % list.length] ?? '';
        const before = maglevBuckets(equal(list), size);
        const after = rebalanceBuckets(before, equal(list.filter((id) => id !== gone)));
        expect(moved(before, after)).toBe(count(before, gone));
        expect(moved(before, after)).toBeLessThanOrEqual(Math.ceil(size / list.length));
      }),
    );
  });

  it('with equal weights, moves only the buckets that a new endpoint gets', () => {
    fc.assert(
      fc.property(sizes, ids(2), (size, list) => {
        const [newcomer = '', ...others] = list;
        const before = maglevBuckets(equal(others), size);
        const after = rebalanceBuckets(before, equal(list));
        expect(moved(before, after)).toBe(count(after, newcomer));
        expect(moved(before, after)).toBeLessThanOrEqual(Math.ceil(size / list.length));
      }),
    );
  });

  it('comes from no endpoints and goes back to none', () => {
    const none = maglevBuckets([], 64);
    const some = rebalanceBuckets(none, equal(['a', 'b']));
    expectSharesWithinOne(some, equal(['a', 'b']));
    expect(rebalanceBuckets(some, [])).toEqual(none);
  });
});
