import { ipv4 } from '@infra-offload/net';
import { expect, it } from 'vitest';
import type { FoundService } from '../drivers/driver.js';
import type { Protocol } from '../model/objects.js';
import { aService } from '../testing/core.js';
import { FoundServices } from './found.js';

const frontend = (i: number, protocol: Protocol = 'TCP') => ({
  frontend: { address: ipv4(`10.96.0.${i}`), port: 80 },
  protocol,
});
const found = (id: number, ...frontends: FoundService['frontends']): FoundService => ({
  id,
  frontends,
  view: { endpoints: [], members: [] },
  buckets: [],
});

it('a service takes what a device has for one of its frontends, once; the rest is told at the end', () => {
  const services = new FoundServices();
  services.add(found(1, frontend(1), frontend(2)));
  services.add(found(2, frontend(3)));
  services.add(found(3, frontend(4)));
  expect(services.take(aService('udp', 1, [], { protocol: 'UDP' }))).toBeUndefined();
  const two = { frontends: [frontend(9).frontend, frontend(2).frontend] };
  expect(services.take(aService('a', 1, [], two))?.id).toBe(1);
  expect(services.take(aService('b', 1, []))).toBeUndefined();
  expect(services.take(aService('c', 3, []))?.id).toBe(2);
  expect(services.takeRest()).toEqual([3]);
  expect(services.takeRest()).toEqual([]);
  expect(services.take(aService('d', 4, []))).toBeUndefined();
});

it('what is forgotten is not taken, not even when the same id is found again', () => {
  const services = new FoundServices();
  services.add(found(1, frontend(1)));
  services.takeRest();
  services.add(found(1, frontend(2)));
  expect(services.take(aService('a', 1, []))).toBeUndefined();
  expect(services.take(aService('a', 2, []))?.id).toBe(1);
});
