import { expect, it } from 'vitest';
import { KINDS, OBJECT_KINDS } from './objects/kinds.js';
import { NamedStores, StoreSet } from './store-set.js';

it('has a store for each kind, under its name', () => {
  const stores = new StoreSet();
  const source = new NamedStores(stores);
  expect(source.endpointSlices).toBe(stores.of('EndpointSlice'));
  expect(OBJECT_KINDS.filter((kind) => source[KINDS[kind].plural] !== stores.of(kind))).toEqual([]);
});

it('puts objects into the store of their kind, and takes them out of it', () => {
  const stores = new StoreSet();
  const object = { namespace: '', name: 'a', labels: {} };
  stores.set({ ...object, kind: 'Namespace' });
  stores.set({ ...object, kind: 'ServiceCIDR', cidrs: ['10.0.0.0/16'] });
  const kinds = () => OBJECT_KINDS.filter((kind) => stores.of(kind).get('', 'a') !== undefined);
  expect(kinds()).toEqual(['Namespace', 'ServiceCIDR']);
  stores.delete({ ...object, kind: 'Namespace' });
  expect(kinds()).toEqual(['ServiceCIDR']);
});
