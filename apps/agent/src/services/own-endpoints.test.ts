import type { LoadBalancedService } from '@infra-offload/k8s-watch';
import { describe, expect, it } from 'vitest';
import { nodeEndpoints, OwnSources } from './own-endpoints.js';
import type { NodeReach } from './wanted-services.js';

const reach: NodeReach = {
  nodeAddresses: ['192.0.2.1'],
  internalAddresses: ['192.0.2.1'],
  otherNodes: ['192.0.2.2', '192.0.2.3'],
  hasUplink: true,
  podCidrs: ['10.244.1.0/24'],
};

function port(key: string, clusterIp: string, ...endpoints: string[]): LoadBalancedService {
  return {
    key,
    namespace: 'default',
    name: key,
    portName: '',
    protocol: 'TCP',
    frontends: [{ kind: 'ClusterIP', address: clusterIp, port: 443 }],
    endpoints: endpoints.map((address) => ({ address, port: 6443, local: false })),
    conditions: [],
  };
}

describe('OwnSources', () => {
  it.each<[string, string[], object]>([
    ['this node', ['192.0.2.1'], { '10.96.0.1': '192.0.2.1' }],
    ['this node and pods', ['10.244.2.5', '192.0.2.1'], { '10.96.0.1': '192.0.2.1' }],
    ['pods', ['10.244.1.5', '10.244.2.5'], {}],
    ['another node', ['192.0.2.2'], {}],
    ['this and another node', ['192.0.2.1', '192.0.2.2'], {}],
  ])('endpoints are %s', (_what, endpoints, expected) => {
    const sources = new OwnSources();
    const isChanged = sources.upsert(port('api', '10.96.0.1', ...endpoints), reach);
    expect(Object.fromEntries(sources.sources)).toEqual(expected);
    expect(isChanged).toBe(Object.keys(expected).length > 0);
  });

  it('follows endpoints, and says when something has changed', () => {
    const sources = new OwnSources();
    expect(sources.upsert(port('api', '10.96.0.1', '192.0.2.1'), reach)).toBe(true);
    expect(sources.upsert(port('api', '10.96.0.1', '192.0.2.1', '10.244.2.5'), reach)).toBe(false);
    expect(sources.upsert(port('api', '10.96.0.1', '192.0.2.1', '192.0.2.3'), reach)).toBe(true);
    expect(sources.sources.size).toBe(0);
    expect(sources.upsert(port('api', '10.96.0.1', '192.0.2.1'), reach)).toBe(true);
    expect(sources.upsert(port('web', '10.96.0.2', '10.244.1.5'), reach)).toBe(false);
    expect(sources.remove('web')).toBe(false);
    expect(sources.remove('api')).toBe(true);
    expect(sources.sources.size).toBe(0);
  });

  it('keeps the usual source if another port of the address needs it', () => {
    const sources = new OwnSources();
    sources.upsert(port('a', '10.96.0.1', '192.0.2.1'), reach);
    expect(sources.upsert(port('b', '10.96.0.1', '192.0.2.2'), reach)).toBe(true);
    expect(sources.sources.size).toBe(0);
    expect(sources.remove('b')).toBe(true);
    expect(sources.sources.get('10.96.0.1')).toBe('192.0.2.1');
  });
});

it('without an uplink, no endpoint counts', () => {
  const service = port('api', '10.96.0.1', '192.0.2.1', '192.0.2.2');
  expect(nodeEndpoints(service, reach)).toEqual({ own: '192.0.2.1', other: '192.0.2.2' });
  expect(nodeEndpoints(service, { ...reach, hasUplink: false })).toEqual({});
});
