import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { plainEquals } from './plain-values.js';
import { ObjectStore, type StoreEvent } from './store.js';
import { service } from './testing/test-objects.js';

describe('ObjectStore', () => {
  it('tells changes, and only changes', () => {
    const store = new ObjectStore<ReturnType<typeof service>>();
    const events: StoreEvent<ReturnType<typeof service>>[] = [];
    const unsubscribe = store.subscribe((event) => events.push(event));
    const [one, same, two] = [service('web'), service('web'), service('web', { ports: [{ port: 81 }] })];
    expect([store.set(one), store.set(same), store.set(two)]).toEqual([true, false, true]);
    expect([store.delete('default', 'web'), store.delete('default', 'web')]).toEqual([true, false]);
    expect(events).toEqual([
      { type: 'added', object: one },
      { type: 'updated', object: two, previous: one },
      { type: 'removed', object: two },
    ]);
    unsubscribe();
    store.set(one);
    expect(events).toHaveLength(3);
    expect(store.get('default', 'web')).toBe(one);
    expect([...store.values()]).toEqual([one]);
    expect(store.size).toBe(1);
  });
});

describe('plainEquals', () => {
  it('agrees with node:util on JSON values', () => {
    const value = fc.jsonValue({ maxDepth: 3 });
    fc.assert(
      fc.property(value, value, (a, b) => {
        expect(plainEquals(a, structuredClone(a))).toBe(true);
        expect(plainEquals(a, b)).toBe(isDeepStrictEqual(a, b));
        expect(plainEquals({ a, b }, { b, a })).toBe(true);
        expect(plainEquals({ a }, { a, b })).toBe(false);
        expect(plainEquals([a], { 0: a })).toBe(false);
      }),
    );
  });
});
