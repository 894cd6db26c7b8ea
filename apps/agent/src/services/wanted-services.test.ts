import type { Service } from '@infra-offload/infra-api';
import type { LoadBalancedService } from '@infra-offload/k8s-watch';
import { describe, expect, it } from 'vitest';
import { type NodeReach, toServices } from './wanted-services.js';

const endpoint = { address: '10.244.0.2', port: 8080, local: true };
const elsewhere = { address: '10.244.1.2', port: 8080, local: false };
const base: LoadBalancedService = {
  key: 'default/web:http/TCP',
  namespace: 'default',
  name: 'web',
  portName: 'http',
  protocol: 'TCP',
  frontends: [{ kind: 'ClusterIP', address: '10.96.0.10', port: 80 }],
  endpoints: [endpoint],
  conditions: [],
};
const external = {
  policy: 'Cluster',
  endpoints: [endpoint],
  clusterEndpoints: [endpoint],
  sourceRanges: [],
} satisfies LoadBalancedService['external'];
const clusterIp = { address: '10.96.0.10', port: 80 };
const externalIp = { kind: 'ExternalIP', address: '192.0.2.1', port: 80 } as const;
const balancer = { kind: 'LoadBalancer', address: '192.0.2.2', port: 80 } as const;

const inside: NodeReach = {
  nodeAddresses: ['192.0.2.100', '192.0.2.101'],
  internalAddresses: ['192.0.2.100'],
  otherNodes: ['192.0.2.200'],
  hasUplink: false,
  podCidrs: ['10.244.0.0/24'],
};
const outside: NodeReach = { ...inside, hasUplink: true };
const nodePort = { kind: 'NodePort', port: 30080 } as const;
const toWire = ({ address, port }: { address: string; port: number }) => ({ address, port, weight: 0 });
const outer = [
  { address: '192.0.2.1', port: 80 },
  { address: '192.0.2.2', port: 80 },
];

function conditionsOf(services: readonly Service[]): string[][] {
  return services.map(({ conditions }) => conditions.map(({ reason, message }) => `${reason}: ${message}`));
}

describe('toServices', () => {
  it('says of addresses that pods may be given, too; the service is balanced all the same', () => {
    const frontends = [
      { kind: 'ClusterIP', address: '10.244.0.255', port: 80 } as const,
      { kind: 'ClusterIP', address: '10.244.1.0', port: 80 } as const,
    ];
    const services = toServices({ ...base, frontends }, inside);
    expect(services[0]?.frontends).toHaveLength(2);
    expect(conditionsOf(services)).toEqual([
      [
        expect.stringMatching(
          /^AddressInPodRange: 10\.244\.0\.255 is in the range of pods 10\.244\.0\.0\/24/,
        ),
      ],
    ]);
  });

  it('keeps names, endpoints and affinity', () => {
    expect(toServices({ ...base, sessionAffinity: { timeoutSeconds: 60 } }, inside)).toEqual([
      {
        namespace: 'default',
        name: 'web',
        portName: 'http',
        protocol: 1,
        frontends: [clusterIp],
        endpoints: [toWire(endpoint)],
        sessionAffinity: { timeoutSeconds: 60 },
        conditions: [],
        hasEndpointsElsewhere: false,
      },
    ]);
  });

  it('tells endpoints that policy Local leaves out from none at all', () => {
    const isElsewhere = (change: Partial<LoadBalancedService>, reach = outside) =>
      toServices({ ...base, endpoints: [], ...change }, reach).map(
        (service) => service.hasEndpointsElsewhere,
      );
    expect(isElsewhere({ emptyReason: 'NoEndpoints' })).toEqual([false]);
    expect(isElsewhere({ emptyReason: 'NoLocalEndpoints' })).toEqual([true]);
    const empty = { ...external, endpoints: [], clusterEndpoints: [elsewhere] };
    const local = { ...empty, policy: 'Local', emptyReason: 'NoLocalEndpoints' } as const;
    const frontends = [...base.frontends, externalIp];
    expect(isElsewhere({ frontends, external: local, endpoints: [elsewhere] })).toEqual([false, true]);
    expect(isElsewhere({ frontends, external: local, emptyReason: 'NoLocalEndpoints' })).toEqual([true]);
    expect(isElsewhere({ frontends, external: local, emptyReason: 'NoEndpoints' })).toEqual([false, true]);
  });

  it.each<[string, Partial<LoadBalancedService>, object[], RegExp[]]>([
    [
      'has external addresses',
      { frontends: [...base.frontends, externalIp, balancer], external },
      [clusterIp, ...outer],
      [],
    ],
    [
      'has a node port',
      { frontends: [...base.frontends, nodePort], external },
      [clusterIp, { address: '192.0.2.100', port: 30080 }, { address: '192.0.2.101', port: 30080 }],
      [],
    ],
    [
      'limits the sources of its load balancer',
      { frontends: [...base.frontends, balancer], external: { ...external, sourceRanges: ['192.0.2.0/24'] } },
      [clusterIp],
      [/SourceRangesNotSupported: 192.0.2.2/],
    ],
    [
      'limits the sources of its load balancer to everybody',
      {
        frontends: [...base.frontends, balancer],
        external: { ...external, sourceRanges: ['10.0.0.0/8', '0.0.0.0/0'] },
      },
      [clusterIp, { address: '192.0.2.2', port: 80 }],
      [],
    ],
    [
      'has IPv6 addresses',
      { conditions: [{ reason: 'IPv6NotSupported', message: 'not balanced: address fd00::1' }] },
      [clusterIp],
      [/^IPv6NotSupported: not balanced: address fd00::1$/],
    ],
  ])('a service that %s', (_what, change, frontends, conditions) => {
    const services = toServices({ ...base, ...change }, inside);
    expect(services).toHaveLength(1);
    expect(services[0]?.frontends).toEqual(frontends);
    expect(conditionsOf(services)).toEqual([conditions.map((pattern) => expect.stringMatching(pattern))]);
  });

  it.each<[string, NodeReach, string[], RegExp[]]>([
    ['this node', outside, ['192.0.2.100'], []],
    ['another node', outside, ['192.0.2.200'], []],
    ['both', outside, ['192.0.2.100', '192.0.2.200'], [/^SourceTranslationNotSupported: .* 192\.0\.2\.100 /]],
    ['both, without an uplink', inside, ['192.0.2.100', '192.0.2.200'], []],
  ])(
    'says that processes of a node do not reach it if the endpoints are %s',
    (_what, reach, addresses, told) => {
      const endpoints = addresses.map((address) => ({ address, port: 6443, local: false }));
      expect(conditionsOf(toServices({ ...base, endpoints }, reach))).toEqual([
        told.map((pattern) => expect.stringMatching(pattern)),
      ]);
    },
  );

  it('says that a node port needs an address', () => {
    const balanced = { ...base, frontends: [...base.frontends, nodePort], external };
    const services = toServices(balanced, { ...inside, nodeAddresses: [] });
    expect(services.map(({ frontends }) => frontends)).toEqual([[clusterIp]]);
    expect(conditionsOf(services)).toEqual([[expect.stringMatching(/^NodeAddressUnknown: node port 30080/)]]);
  });

  const both = [endpoint, elsewhere];
  it.each<[string, NodeReach, Partial<LoadBalancedService>, (typeof endpoint)[] | undefined, RegExp[]]>([
    [
      'pods of this node reach the whole cluster, whatever keeps internal traffic on the node',
      inside,
      { external: { ...external, clusterEndpoints: both } },
      both,
      [],
    ],
    [
      'pods of this node reach the whole cluster, whatever keeps external traffic on the node',
      inside,
      { endpoints: both, external: { ...external, policy: 'Local', clusterEndpoints: both } },
      undefined,
      [],
    ],
    [
      'clients outside stay on this node by policy Local',
      outside,
      { endpoints: both, external: { ...external, policy: 'Local', clusterEndpoints: both } },
      [endpoint],
      [],
    ],
    [
      'clients outside stay on this node by need',
      outside,
      { endpoints: both, external: { ...external, endpoints: both, clusterEndpoints: both } },
      [endpoint],
      [/^SourceTranslationNotSupported: /],
    ],
    [
      'pods are served where clients outside cannot be',
      outside,
      {
        endpoints: [elsewhere],
        external: { ...external, endpoints: [elsewhere], clusterEndpoints: [elsewhere] },
      },
      undefined,
      [/^SourceTranslationNotSupported: /],
    ],
    [
      'there is nothing for clients outside by policy Local',
      outside,
      {
        endpoints: [elsewhere],
        external: { ...external, policy: 'Local', endpoints: [], clusterEndpoints: [elsewhere] },
      },
      [],
      [],
    ],
  ])('%s', (_what, reach, change, expected, conditions) => {
    const services = toServices({ ...base, frontends: [...base.frontends, externalIp], ...change }, reach);
    const external = { address: '192.0.2.1', port: 80 };
    const main = (change.endpoints ?? base.endpoints).map(toWire);
    expect(
      services.map(({ portName, frontends, endpoints }) => ({ portName, frontends, endpoints })),
    ).toEqual(
      expected === undefined
        ? [{ portName: 'http', frontends: [clusterIp, external], endpoints: main }]
        : [
            { portName: 'http', frontends: [clusterIp], endpoints: main },
            { portName: 'http.external', frontends: [external], endpoints: expected.map(toWire) },
          ],
    );
    // What is about addresses outside is told of the object that has them.
    const told = conditions.map((pattern) => expect.stringMatching(pattern));
    expect(conditionsOf(services)).toEqual(expected === undefined ? [told] : [[], told]);
  });

  it('tells what is about the whole service of its first object', () => {
    const balanced: LoadBalancedService = {
      ...base,
      frontends: [...base.frontends, externalIp, balancer],
      external: { ...external, clusterEndpoints: [endpoint, elsewhere], sourceRanges: ['192.0.2.0/24'] },
      conditions: [{ reason: 'IPv6NotSupported', message: 'not balanced: address fd00::1' }],
    };
    expect(conditionsOf(toServices(balanced, inside))).toEqual([
      ['IPv6NotSupported: not balanced: address fd00::1'],
      [expect.stringMatching(/^SourceRangesNotSupported: 192.0.2.2/)],
    ]);
  });

  it('names the addresses of an unnamed port apart', () => {
    const frontends = [...base.frontends, externalIp];
    const external = {
      policy: 'Local',
      endpoints: [],
      clusterEndpoints: [endpoint],
      sourceRanges: [],
    } as const;
    const services = toServices({ ...base, portName: '', frontends, external }, outside);
    expect(services.map(({ portName }) => portName)).toEqual(['', 'external']);
  });

  it.each([
    ['TCP', 1],
    ['UDP', 2],
    ['SCTP', 3],
  ] as const)('%s is protocol %i', (protocol, number) => {
    expect(toServices({ ...base, protocol }, inside)[0]?.protocol).toBe(number);
  });
});
