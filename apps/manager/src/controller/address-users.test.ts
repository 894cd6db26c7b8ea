import { expect, it } from 'vitest';
import { AddressUsers } from './address-users.js';

it('who asked for an address is told of it, until it asks no more', () => {
  const users = new AddressUsers();
  users.use('service/a', new Set([1, 2]));
  users.use('service/b', new Set([2]));
  expect([...users.users(1)]).toEqual(['service/a']);
  expect([...users.users(2)]).toEqual(['service/a', 'service/b']);
  expect([...users.users(3)]).toEqual([]);
  users.use('service/a', new Set([2, 3]));
  expect([...users.users(1)]).toEqual([]);
  // Who still asks keeps its place.
  expect([...users.users(2)]).toEqual(['service/a', 'service/b']);
  expect([...users.users(3)]).toEqual(['service/a']);
  users.use('service/a', new Set());
  expect([...users.users(2)]).toEqual(['service/b']);
  expect([...users.users(3)]).toEqual([]);
  users.use('service/a', new Set([1]));
  users.use('service/b', new Set());
  expect([1, 2, 3].map((address) => [...users.users(address)])).toEqual([['service/a'], [], []]);
});
