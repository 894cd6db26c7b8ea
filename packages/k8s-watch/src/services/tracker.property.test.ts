import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EndpointSlice, Service } from '../objects/types.js';
import { ObjectStore } from '../store.js';
import { endpoint, service, slice } from '../testing/test-objects.js';
import { resolveService, serviceOfSlice } from './resolve.js';
import { ServiceTracker } from './tracker.js';
import type { LoadBalancedService } from './types.js';

const name = fc.constantFrom('web', 'db', 'dns');
const someService = fc.record({
  name,
  clusterIP: fc.constantFrom('10.96.0.1', '10.96.0.2', 'None', ''),
  ports: fc.constantFrom(
    [{ port: 80 }],
    [
      { name: 'a', port: 80 },
      { name: 'b', port: 81 },
    ],
    [{ name: 'b', port: 81 }],
  ),
  internalTrafficPolicy: fc.constantFrom('Cluster', 'Local'),
  proxy: fc.boolean(),
});
const someEndpoint = fc
  .tuple(
    fc.integer({ min: 1, max: 4 }),
    fc.constantFrom('R', 'S', 'T', 'X', 'r'),
    fc.constantFrom('here', 'there'),
    fc.constantFrom(undefined, 'a', 'b'),
  )
  .map(([n, state, nodeName, zone]) =>
    endpoint(n, state, { nodeName, hints: zone ? { forZones: [{ name: zone }] } : {} }),
  );
const someSlice = fc.record({
  service: name,
  name: fc.constantFrom('s1', 's2', 's3'),
  endpoints: fc.array(someEndpoint, { maxLength: 4 }),
  port: fc.constantFrom('', 'a', 'b'),
  headless: fc.boolean(),
});
const action = fc.oneof(
  fc.record({ type: fc.constant('service' as const), value: someService }),
  fc.record({ type: fc.constant('deleteService' as const), name }),
  fc.record({ type: fc.constant('slice' as const), value: someSlice }),
  fc.record({ type: fc.constant('deleteSlice' as const), name: fc.constantFrom('s1', 's2', 's3') }),
  fc.record({ type: fc.constant('zone' as const), zone: fc.constantFrom('a', 'b') }),
  fc.record({ type: fc.constant('flush' as const) }),
);

describe('ServiceTracker, over random events', () => {
  it('is what a computation from scratch gives, and its changes add up to that', () => {
    fc.assert(
      fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
        const services = new ObjectStore<Service>();
        const endpointSlices = new ObjectStore<EndpointSlice>();
        let node = { name: 'here', zone: 'a' };
        const tracker = new ServiceTracker({ source: { services, endpointSlices }, node });
        const told = new Map<string, LoadBalancedService>();
        tracker.subscribe((changes) => {
          for (const change of changes) {
            if (change.type === 'remove') expect(told.delete(change.key)).toBe(true);
            else {
              expect(told.get(change.key)).not.toEqual(change.service);
              told.set(change.key, change.service);
            }
          }
        });
        for (const step of actions) {
          switch (step.type) {
            case 'service': {
              const { name, proxy, ...spec } = step.value;
              const labels = proxy ? { 'service.kubernetes.io/service-proxy-name': 'other' } : {};
              services.set(service(name, spec, { labels }));
              break;
            }
            case 'slice': {
              const { service, name, endpoints, port, headless } = step.value;
              const labels = headless ? { 'service.kubernetes.io/headless': '' } : {};
              endpointSlices.set(
                slice(service, name, endpoints, { labels, ports: [{ name: port, port: 8080 }] }),
              );
              break;
            }
            case 'deleteService':
              services.delete('default', step.name);
              break;
            case 'deleteSlice':
              endpointSlices.delete('default', step.name);
              break;
            case 'zone':
              node = { name: 'here', zone: step.zone };
              tracker.setNode(node);
              break;
            case 'flush':
              tracker.flush();
              break;
            default:
              step satisfies never;
          }
        }
        tracker.flush();
        const fromScratch = new Map<string, LoadBalancedService>();
        for (const object of services.values()) {
          const key = `${object.namespace}/${object.name}`;
          const slices = [...endpointSlices.values()].filter((slice) => serviceOfSlice(slice) === key);
          for (const result of resolveService(object, slices, node)) fromScratch.set(result.key, result);
        }
        expect(new Map([...tracker.services()].map((result) => [result.key, result]))).toEqual(fromScratch);
        expect(told).toEqual(fromScratch);
      }),
    );
  });
});
