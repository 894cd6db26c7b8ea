import { describe, expect, it } from 'vitest';
import { endpoint, service, slice } from '../testing/test-objects.js';
import { resolveService } from './resolve.js';
import type { LoadBalancedEndpoint, LoadBalancedService } from './types.js';

const node = { name: 'here', zone: 'a' };
const here = { nodeName: 'here' };
const there = { nodeName: 'there' };

function only(services: readonly LoadBalancedService[]): LoadBalancedService {
  const [first, ...more] = services;
  if (first === undefined || more.length > 0) throw new Error(`${services.length} services`);
  return first;
}

/** Last parts of the addresses. */
function show(endpoints: readonly LoadBalancedEndpoint[] | undefined): string | undefined {
  return endpoints?.map(({ address }) => address.slice(address.lastIndexOf('.') + 1)).join(' ');
}

const external = { type: 'NodePort', ports: [{ port: 80, nodePort: 30080 }] };

describe('which endpoints are selected', () => {
  const rows: [string, ReturnType<typeof endpoint>[], { cluster: string; local: string }][] = [
    [
      '1: ready ones',
      [
        endpoint(1, 'R', here),
        endpoint(2, 'R', there),
        endpoint(3, 'S', here),
        endpoint(4, 'T', here),
        endpoint(5, 'X', here),
      ],
      { cluster: '1 2', local: '1' },
    ],
    [
      '1: ready and terminating is ready',
      [endpoint(1, 'r', here), endpoint(2, 'T', here)],
      { cluster: '1', local: '1' },
    ],
    [
      '2: none ready anywhere: serving and terminating',
      [endpoint(1, 'T', here), endpoint(2, 'T', there), endpoint(3, 'S', here), endpoint(4, 'X', here)],
      { cluster: '1 2', local: '1' },
    ],
    [
      '3: ready ones elsewhere, locally only serving and terminating',
      [endpoint(1, 'T', here), endpoint(2, 'R', there)],
      { cluster: '2', local: '1' },
    ],
    ['4: nothing usable', [endpoint(1, 'S', here), endpoint(2, 'X', there)], { cluster: '', local: '' }],
    ['4: no endpoints at all', [], { cluster: '', local: '' }],
    [
      'nil conditions: ready, serving, not terminating',
      [
        { addresses: ['10.0.0.1'], ...here },
        { addresses: ['10.0.0.2'], conditions: {} },
        { addresses: ['10.0.0.3'], conditions: { ready: null } },
      ],
      { cluster: '1 2 3', local: '1' },
    ],
    [
      'nil serving counts as serving',
      [{ addresses: ['10.0.0.1'], conditions: { ready: false, terminating: true }, ...here }],
      { cluster: '1', local: '1' },
    ],
  ];

  it.each(rows)('row %s', (_, endpoints, expected) => {
    const slices = [slice('web', 'web-1', endpoints)];
    const cluster = only(resolveService(service('web'), slices, node));
    expect(show(cluster.endpoints)).toBe(expected.cluster);
    const local = only(resolveService(service('web', { internalTrafficPolicy: 'Local' }), slices, node));
    expect(show(local.endpoints)).toBe(expected.local);
    const outside = only(
      resolveService(service('web', { ...external, externalTrafficPolicy: 'Local' }), slices, node),
    );
    expect(show(outside.external?.endpoints)).toBe(expected.local);
    expect(show(outside.external?.clusterEndpoints)).toBe(expected.cluster);
    expect(show(outside.endpoints)).toBe(expected.cluster);
  });

  const zones = (...names: string[]) => ({ hints: { forZones: names.map((name) => ({ name })) } });
  const nodes = (...names: string[]) => ({ hints: { forNodes: names.map((name) => ({ name })) } });
  const both = (nodeName: string, zone: string) => ({
    hints: { ...nodes(nodeName).hints, ...zones(zone).hints },
  });
  const topology: [string, ReturnType<typeof endpoint>[], string][] = [
    [
      'node hints of all ready ones, one names this node',
      [endpoint(1, 'R', nodes('here')), endpoint(2, 'R', nodes('there'))],
      '1',
    ],
    [
      'node hints before zone hints',
      [endpoint(1, 'R', both('here', 'b')), endpoint(2, 'R', both('there', 'a'))],
      '1',
    ],
    [
      'no node hint names this node: zone hints',
      [endpoint(1, 'R', both('there', 'b')), endpoint(2, 'R', both('there', 'a'))],
      '2',
    ],
    [
      'a ready one without node hints: zone hints',
      [endpoint(1, 'R', both('here', 'b')), endpoint(2, 'R', zones('a'))],
      '2',
    ],
    ['several zones in a hint', [endpoint(1, 'R', zones('b', 'a')), endpoint(2, 'R', zones('b'))], '1'],
    ['a ready one without any hint: all', [endpoint(1, 'R', zones('a')), endpoint(2)], '1 2'],
    [
      'an empty hint is none',
      [endpoint(1, 'R', zones('a')), endpoint(2, 'R', { hints: { forZones: [] } })],
      '1 2',
    ],
    ['no hint names this zone: all', [endpoint(1, 'R', zones('b')), endpoint(2, 'R', zones('c'))], '1 2'],
    [
      'hints of those that are not ready do not matter',
      [endpoint(1, 'R', zones('a')), endpoint(2, 'S'), endpoint(3, 'R', zones('b'))],
      '1',
    ],
    ['none ready: hints are not asked', [endpoint(1, 'T', zones('a')), endpoint(2, 'T', zones('b'))], '1 2'],
  ];

  it.each(topology)('topology: %s', (_, endpoints, expected) => {
    const { endpoints: selected } = only(
      resolveService(service('web'), [slice('web', 'web-1', endpoints)], node),
    );
    expect(show(selected)).toBe(expected);
  });

  it('asks zone hints only if the node has a zone, and never for local traffic', () => {
    const slices = [
      slice('web', 'web-1', [endpoint(1, 'R', { ...here, ...zones('b') }), endpoint(2, 'R', zones('a'))]),
    ];
    expect(show(only(resolveService(service('web'), slices, { name: 'here' })).endpoints)).toBe('1 2');
    const local = service('web', { internalTrafficPolicy: 'Local' });
    expect(show(only(resolveService(local, slices, node)).endpoints)).toBe('1');
  });
});

describe('why there are no endpoints', () => {
  it.each([
    ['Cluster', [], 'NoEndpoints'],
    ['Cluster', [endpoint(1, 'X', there)], 'NoEndpoints'],
    ['Local', [], 'NoEndpoints'],
    ['Local', [endpoint(1, 'S', there)], 'NoEndpoints'],
    ['Local', [endpoint(1, 'R', there)], 'NoLocalEndpoints'],
    ['Local', [endpoint(1, 'T', there)], 'NoLocalEndpoints'],
    ['Cluster', [endpoint(1, 'R', there)], undefined],
  ] as const)('policy %s, %j: %s', (policy, endpoints, reason) => {
    const slices = [slice('web', 'web-1', endpoints)];
    const internal = only(resolveService(service('web', { internalTrafficPolicy: policy }), slices, node));
    expect(internal.emptyReason).toBe(reason);
    const outside = service('web', { ...external, externalTrafficPolicy: policy });
    expect(only(resolveService(outside, slices, node)).external?.emptyReason).toBe(reason);
  });
});

describe('ports', () => {
  const ports = [
    { name: 'http', port: 80, targetPort: 'web' },
    { name: 'dns', port: 53, protocol: 'UDP' },
  ];

  it('match by name and protocol, and take the number from the slice', () => {
    const slices = [
      slice('web', 'web-1', [endpoint(1)], {
        ports: [
          { name: 'http', port: 8080 },
          { name: 'dns', port: 5353, protocol: 'UDP' },
        ],
      }),
      // The same named port has another number in other pods.
      slice('web', 'web-2', [endpoint(2)], {
        ports: [
          { name: 'http', port: 9090 },
          { name: 'dns', port: 5353, protocol: 'TCP' },
        ],
      }),
    ];
    const [http, dns] = resolveService(service('web', { ports }), slices, node);
    expect(http).toMatchObject({
      key: 'default/web:http/TCP',
      frontends: [{ kind: 'ClusterIP', address: '10.96.0.10', port: 80 }],
      endpoints: [
        { address: '10.0.0.1', port: 8080 },
        { address: '10.0.0.2', port: 9090 },
      ],
    });
    expect(dns).toMatchObject({
      key: 'default/web:dns/UDP',
      endpoints: [{ address: '10.0.0.1', port: 5353 }],
    });
  });

  it('without a name match the slice port without one, which Kubernetes gives the empty name', () => {
    const result = only(
      resolveService(service('web'), [slice('web', 'w', [endpoint(1)], { ports: [{ port: 1 }] })], node),
    );
    expect(result).toMatchObject({ key: 'default/web:/TCP', endpoints: [{ port: 1 }] });
  });

  it('without a number in the slice are ignored', () => {
    const slices = [slice('web', 'w', [endpoint(1)], { ports: [{ name: '' }, { name: '', port: null }] })];
    expect(only(resolveService(service('web'), slices, node)).emptyReason).toBe('NoEndpoints');
  });

  it('pass SCTP on', () => {
    const sctp = service('web', { ports: [{ port: 9, protocol: 'SCTP' }] });
    expect(only(resolveService(sctp, [], node)).key).toBe('default/web:/SCTP');
  });
});

describe('slices', () => {
  it('are joined, in the order of addresses as numbers', () => {
    const slices = [slice('web', 'b', [endpoint(10), endpoint(9)]), slice('web', 'a', [endpoint(100)])];
    expect(show(only(resolveService(service('web'), slices, node)).endpoints)).toBe('9 10 100');
  });

  it.each([
    ['the first', ['T', 'R']],
    ['the second', ['R', 'T']],
  ] as const)('prefer the entry that does not terminate, be it not %s', (_, [a, b]) => {
    const slices = [slice('web', 'a', [endpoint(1, a, here)]), slice('web', 'b', [endpoint(1, b, here)])];
    const { endpoints } = only(resolveService(service('web'), slices, node));
    expect(endpoints).toEqual([{ address: '10.0.0.1', port: 8080, nodeName: 'here', local: true }]);
  });

  it('prefer the entry that is ready', () => {
    const slices = [slice('web', 'a', [endpoint(1, 'S')]), slice('web', 'b', [endpoint(1, 'R')])];
    expect(show(only(resolveService(service('web'), slices, node)).endpoints)).toBe('1');
    expect(show(only(resolveService(service('web'), slices.reverse(), node)).endpoints)).toBe('1');
  });

  it('prefer an entry that does not terminate even if it is not ready', () => {
    const slices = [
      slice('web', 'a', [endpoint(1, 'T'), endpoint(2)]),
      slice('web', 'b', [endpoint(1, 'S')]),
    ];
    expect(show(only(resolveService(service('web'), slices, node)).endpoints)).toBe('2');
  });

  it('of IPv6 and of host names are left out, and told', () => {
    const slices = [
      slice('web', 'six', [{ addresses: ['fd00::1'] }], { addressType: 'IPv6' }),
      slice('web', 'name', [{ addresses: ['db.example.com'] }], { addressType: 'FQDN' }),
      slice('web', 'four', [endpoint(1)]),
    ];
    const result = only(resolveService(service('web'), slices, node));
    expect(show(result.endpoints)).toBe('1');
    expect(result.conditions).toEqual([
      { reason: 'IPv6NotSupported', message: 'not balanced: EndpointSlice six' },
      { reason: 'FqdnNotSupported', message: 'host names are not resolved: EndpointSlice name' },
    ]);
  });
});

describe('services that are not balanced', () => {
  it.each([
    ['headless', service('web', { clusterIP: 'None' })],
    ['headless by clusterIPs', service('web', { clusterIP: undefined, clusterIPs: ['None'] })],
    ['ExternalName', service('web', { type: 'ExternalName', clusterIP: undefined, ports: [] })],
    ['of another proxy', service('web', {}, { labels: { 'service.kubernetes.io/service-proxy-name': '' } })],
  ])('%s', (_, ignored) => {
    expect(resolveService(ignored, [slice('web', 'a', [endpoint(1)])], node)).toEqual([]);
  });
});

describe('frontends', () => {
  it('are all IPv4 addresses that nodes must catch, and node ports', () => {
    const result = only(
      resolveService(
        service(
          'web',
          {
            type: 'LoadBalancer',
            clusterIPs: ['10.96.0.10', 'fd00::10'],
            externalIPs: ['192.0.2.1', '192.0.2.2'],
            externalTrafficPolicy: 'Local',
            healthCheckNodePort: 32000,
            loadBalancerSourceRanges: ['203.0.113.0/24'],
            ports: [{ port: 80, nodePort: 30080 }],
          },
          {
            status: {
              loadBalancer: {
                ingress: [
                  { ip: '198.51.100.1' },
                  { ip: '198.51.100.2', ipMode: 'VIP' },
                  { ip: '198.51.100.3', ipMode: 'Proxy' },
                  { hostname: 'lb.example.com' },
                  { ip: '192.0.2.1' },
                ],
              },
            },
          },
        ),
        [slice('web', 'a', [endpoint(1, 'R', here), endpoint(2, 'R', there)])],
        node,
      ),
    );
    expect(result.frontends).toEqual([
      { kind: 'ClusterIP', address: '10.96.0.10', port: 80 },
      { kind: 'ExternalIP', address: '192.0.2.1', port: 80 },
      { kind: 'ExternalIP', address: '192.0.2.2', port: 80 },
      { kind: 'LoadBalancer', address: '198.51.100.1', port: 80 },
      { kind: 'LoadBalancer', address: '198.51.100.2', port: 80 },
      { kind: 'NodePort', port: 30080 },
    ]);
    expect(result.external).toMatchObject({
      policy: 'Local',
      sourceRanges: ['203.0.113.0/24'],
      healthCheckNodePort: 32000,
    });
    expect(show(result.external?.endpoints)).toBe('1');
    expect(show(result.external?.clusterEndpoints)).toBe('1 2');
    expect(result.conditions).toEqual([
      { reason: 'IPv6NotSupported', message: 'not balanced: address fd00::10' },
    ]);
  });

  it('of a load balancer do not count for other types of service', () => {
    const status = { loadBalancer: { ingress: [{ ip: '198.51.100.1' }] } };
    const result = only(resolveService(service('web', {}, { status }), [], node));
    expect(result.frontends).toEqual([{ kind: 'ClusterIP', address: '10.96.0.10', port: 80 }]);
    expect(result.external).toBeUndefined();
  });

  it('are none without a ClusterIP, which is told', () => {
    const result = only(resolveService(service('web', { clusterIP: '' }), [], node));
    expect(result.frontends).toEqual([]);
    expect(result.conditions.map(({ reason }) => reason)).toEqual(['NoClusterIP']);
  });
});

describe('session affinity', () => {
  it.each([
    [{ sessionAffinity: 'ClientIP' }, { timeoutSeconds: 10800 }],
    [
      { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } },
      { timeoutSeconds: 60 },
    ],
    [{ sessionAffinity: 'None', sessionAffinityConfig: { clientIP: { timeoutSeconds: 60 } } }, undefined],
    [{}, undefined],
  ])('%j', (spec, affinity) => {
    expect(only(resolveService(service('web', spec), [], node)).sessionAffinity).toEqual(affinity);
  });
});
