import { describe, expect, it } from 'vitest';
import type { EndpointSlice, Service } from '../objects/types.js';
import { ObjectStore } from '../store.js';
import { endpoint, service, slice } from '../testing/test-objects.js';
import { type ServiceChange, ServiceTracker } from './tracker.js';

function setUp() {
  const services = new ObjectStore<Service>();
  const endpointSlices = new ObjectStore<EndpointSlice>();
  const tracker = new ServiceTracker({
    source: { services, endpointSlices },
    node: { name: 'here', zone: 'a' },
  });
  const batches: string[][] = [];
  tracker.subscribe((changes) => batches.push(changes.map(show)));
  return { services, endpointSlices, tracker, batches };
}

function show(change: ServiceChange): string {
  if (change.type === 'remove') return `-${change.key}`;
  return `+${change.key} ${change.service.endpoints.map(({ address }) => address).join(' ')}`.trimEnd();
}

const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

describe('ServiceTracker', () => {
  it('tells what came together in one go, once', async () => {
    const { services, endpointSlices, batches } = setUp();
    services.set(service('web'));
    endpointSlices.set(slice('web', 'web-1', [endpoint(1)]));
    endpointSlices.set(slice('web', 'web-2', [endpoint(2)]));
    expect(batches).toEqual([]);
    await settled();
    expect(batches).toEqual([['+default/web:/TCP 10.0.0.1 10.0.0.2']]);
  });

  it('knows what was there before', () => {
    const services = new ObjectStore<Service>();
    const endpointSlices = new ObjectStore<EndpointSlice>();
    endpointSlices.set(slice('web', 'web-1', [endpoint(1)]));
    services.set(service('web'));
    const tracker = new ServiceTracker({ source: { services, endpointSlices }, node: { name: 'here' } });
    expect([...tracker.services()].map(({ key, endpoints }) => [key, endpoints.length])).toEqual([
      ['default/web:/TCP', 1],
    ]);
  });

  it('keeps silent if the result is the same', () => {
    const { services, endpointSlices, tracker, batches } = setUp();
    services.set(service('web'));
    endpointSlices.set(slice('web', 'web-1', [endpoint(1), endpoint(2, 'S')]));
    tracker.flush();
    endpointSlices.set(slice('web', 'web-1', [endpoint(2, 'X'), endpoint(1)]));
    services.set(service('web', {}, { labels: { app: 'web' } }));
    endpointSlices.set(slice('other', 'other-1', [endpoint(7)]));
    tracker.flush();
    expect(batches).toHaveLength(1);
  });

  it('follows a slice that is replaced without a moment of emptiness', async () => {
    const { services, endpointSlices, batches } = setUp();
    services.set(service('web'));
    endpointSlices.set(slice('web', 'web-1', [endpoint(1)]));
    await settled();
    endpointSlices.delete('default', 'web-1');
    endpointSlices.set(slice('web', 'web-2', [endpoint(1)]));
    await settled();
    expect(batches).toEqual([['+default/web:/TCP 10.0.0.1']]);
  });

  it('follows a slice that changes its service', () => {
    const { services, endpointSlices, tracker, batches } = setUp();
    services.set(service('web'));
    services.set(service('db', { clusterIP: '10.96.0.11' }));
    endpointSlices.set(slice('web', 'x', [endpoint(1)]));
    tracker.flush();
    endpointSlices.set(slice('db', 'x', [endpoint(1)]));
    tracker.flush();
    expect(batches[1]).toEqual(['+default/web:/TCP', '+default/db:/TCP 10.0.0.1']);
  });

  it('tells removals first', () => {
    const { services, tracker, batches } = setUp();
    services.set(service('web', { ports: [{ name: 'a', port: 80 }] }));
    tracker.flush();
    services.set(service('web', { ports: [{ name: 'b', port: 80 }] }));
    tracker.flush();
    expect(batches[1]).toEqual(['-default/web:a/TCP', '+default/web:b/TCP']);
  });

  it('removes a service that is deleted, or becomes headless, and takes it up again', () => {
    const { services, endpointSlices, tracker, batches } = setUp();
    services.set(service('web'));
    endpointSlices.set(slice('web', 'web-1', [endpoint(1)]));
    tracker.flush();
    services.delete('default', 'web');
    tracker.flush();
    services.set(service('web'));
    tracker.flush();
    services.set(service('web', { clusterIP: 'None' }));
    tracker.flush();
    expect(batches.flat()).toEqual([
      '+default/web:/TCP 10.0.0.1',
      '-default/web:/TCP',
      '+default/web:/TCP 10.0.0.1',
      '-default/web:/TCP',
    ]);
    expect([...tracker.services()]).toEqual([]);
  });

  it('ignores slices of headless services and slices without a service', () => {
    const { services, endpointSlices, tracker, batches } = setUp();
    services.set(service('web'));
    endpointSlices.set(
      slice('web', 'a', [endpoint(1)], { labels: { 'service.kubernetes.io/headless': '' } }),
    );
    endpointSlices.set(slice('', 'b', [endpoint(2)]));
    tracker.flush();
    expect(batches).toEqual([['+default/web:/TCP']]);
  });

  it('selects anew for another node or zone', () => {
    const { services, endpointSlices, tracker, batches } = setUp();
    const zone = (name: string) => ({ hints: { forZones: [{ name }] } });
    services.set(service('web'));
    endpointSlices.set(slice('web', 'a', [endpoint(1, 'R', zone('a')), endpoint(2, 'R', zone('b'))]));
    tracker.flush();
    tracker.setNode({ name: 'here', zone: 'b' });
    tracker.setNode({ name: 'here', zone: 'b' });
    tracker.flush();
    expect(batches.flat()).toEqual(['+default/web:/TCP 10.0.0.1', '+default/web:/TCP 10.0.0.2']);
  });

  it('says nothing after it is closed, also of what was pending', async () => {
    const { services, tracker, batches } = setUp();
    services.set(service('web'));
    tracker.close();
    services.set(service('db'));
    await settled();
    expect(batches).toEqual([]);
  });
});
