import fc from 'fast-check';
import { expect, it } from 'vitest';
import { MultiMap } from './multi-map.js';

it('tells the first value of a key, and its last', () => {
  const map = new MultiMap<string, number>();
  expect(map.add('a', 1)).toBe(true);
  expect(map.add('a', 2)).toBe(false);
  expect(map.delete('a', 3)).toBe(false);
  expect(map.delete('a', 1)).toBe(false);
  expect(map.delete('a', 2)).toBe(true);
  expect(map.delete('a', 2)).toBe(false);
  expect(map.has('a')).toBe(false);
});

it('moves a value from keys to keys', () => {
  const map = new MultiMap<string, number>();
  for (const key of ['a', 'b']) map.add(key, 1);
  map.add('a', 2);
  map.move(1, ['a', 'b'], ['b', 'c']);
  const held = (key: string) => [...map.get(key)];
  expect([held('a'), held('b'), held('c')]).toEqual([[2], [1], [1]]);
});

it('holds what a list of pairs holds', () => {
  const step = fc.record({ isAdded: fc.boolean(), key: fc.nat(3), value: fc.nat(3) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const map = new MultiMap<number, number>();
      const pairs = new Set<string>();
      for (const { isAdded, key, value } of steps) {
        if (isAdded) map.add(key, value);
        else map.delete(key, value);
        if (isAdded) pairs.add(`${key} ${value}`);
        else pairs.delete(`${key} ${value}`);
      }
      const held = [...map.entries()].flatMap(([key, values]) =>
        [...values].map((value) => `${key} ${value}`),
      );
      expect(new Set(held)).toEqual(pairs);
      expect(map.size).toBe(new Set([...pairs].map((pair) => pair.split(' ')[0])).size);
      for (const key of map.keys()) expect(map.get(key).size).toBeGreaterThan(0);
      map.clear();
      expect(map.size).toBe(0);
    }),
  );
});
