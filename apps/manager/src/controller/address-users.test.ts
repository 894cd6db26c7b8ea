import { ipv4 } from '@infra-offload/net';
import { expect, it } from 'vitest';
import { AddressUsers } from './address-users.js';

const [A, B, C] = [ipv4('10.0.0.1'), ipv4('10.0.0.2'), ipv4('10.0.0.3')];

it('who asked for an address is told of it, until it asks no more', () => {
  const users = new AddressUsers();
  users.use('service/a', new Set([A, B]));
  users.use('service/b', new Set([B]));
  expect([...users.users(A)]).toEqual(['service/a']);
  expect([...users.users(B)]).toEqual(['service/a', 'service/b']);
  expect([...users.users(C)]).toEqual([]);
  users.use('service/a', new Set([B, C]));
  expect([...users.users(A)]).toEqual([]);
  // Who still asks keeps its place.
  expect([...users.users(B)]).toEqual(['service/a', 'service/b']);
  expect([...users.users(C)]).toEqual(['service/a']);
  users.use('service/a', new Set());
  expect([...users.users(B)]).toEqual(['service/b']);
  expect([...users.users(C)]).toEqual([]);
  users.use('service/a', new Set([A]));
  users.use('service/b', new Set());
  expect([A, B, C].map((address) => [...users.users(address)])).toEqual([['service/a'], [], []]);
});
