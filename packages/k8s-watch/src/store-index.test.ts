import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ObjectStore } from './store.js';
import { StoreIndex } from './store-index.js';

interface Thing {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Record<string, string>;
  readonly keys: readonly string[];
}

describe('StoreIndex', () => {
  it('is what filtering the store would give', () => {
    const step = fc.record({
      name: fc.constantFrom('a', 'b', 'c'),
      keys: fc.option(fc.uniqueArray(fc.constantFrom('x', 'y', 'z')), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(step), fc.nat(5), (steps, createdAt) => {
        const store = new ObjectStore<Thing>();
        let index: StoreIndex<Thing> | undefined;
        for (const [i, { name, keys }] of [...steps, ...steps].entries()) {
          if (i === createdAt) index = new StoreIndex(store, (thing) => thing.keys);
          if (keys === undefined) store.delete('', name);
          else store.set({ namespace: '', name, labels: {}, keys });
        }
        index ??= new StoreIndex(store, (thing) => thing.keys);
        for (const key of ['x', 'y', 'z']) {
          const expected = [...store.values()].filter((thing) => thing.keys.includes(key));
          expect(new Set(index.get(key))).toEqual(new Set(expected));
          expect([...index.keys()].includes(key)).toBe(expected.length > 0);
        }
        index.close();
        store.set({ namespace: '', name: 'later', labels: {}, keys: ['x'] });
        expect([...index.get('x')]).toEqual([]);
      }),
    );
  });
});
