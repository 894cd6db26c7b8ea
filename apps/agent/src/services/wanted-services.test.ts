import type { LoadBalancedService } from '@infra-offload/k8s-watch';
import { describe, expect, it } from 'vitest';
import { podGateway } from '../interfaces/attachment.js';
import { isApart } from './gateway-ports.js';
import type { OutsidePort } from './outside-port.js';
import { type NodeReach, toServices, type WantedService } from './wanted-services.js';

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
  hasUplink: false,
  podCidrs: ['10.244.0.0/24'],
};
const outside: NodeReach = { ...inside, hasUplink: true };
const nodePort = { kind: 'NodePort', port: 30080 } as const;
const toWire = ({ address, port }: { address: string; port: number }) => ({ address, port, weight: 0 });
const GATEWAY_PORT = 65_535;
const INSIDE_PORT = 65_534;
const gatewayPort = { outside: GATEWAY_PORT, inside: undefined };
const gateway = { address: podGateway, port: expect.any(Number) };
const insideGateway = { address: podGateway, port: INSIDE_PORT };
const toGateway = ({ address, port }: { address: string; port: number }) => ({
  address,
  port,
  gatewayPort: GATEWAY_PORT,
  sourceRanges: [],
});
const outsidePort = (addresses: OutsidePort['addresses'], nodePort?: number): OutsidePort => ({
  protocol: 'TCP',
  nodePort,
  insidePort: undefined,
  addresses,
});
const outer = [
  { address: '192.0.2.1', port: 80 },
  { address: '192.0.2.2', port: 80 },
];

function conditionsOf({ services }: WantedService): string[][] {
  return services.map(({ conditions }) => conditions.map(({ reason, message }) => `${reason}: ${message}`));
}

describe('toServices', () => {
  it('says of addresses that pods may be given, too; the service is balanced all the same', () => {
    const frontends = [
      { kind: 'ClusterIP', address: '10.244.0.255', port: 80 } as const,
      { kind: 'ClusterIP', address: '10.244.1.0', port: 80 } as const,
    ];
    const wanted = toServices({ ...base, frontends }, inside, undefined);
    expect(wanted.services[0]?.frontends).toHaveLength(2);
    expect(conditionsOf(wanted)).toEqual([
      [
        expect.stringMatching(
          /^AddressInPodRange: 10\.244\.0\.255 is in the range of pods 10\.244\.0\.0\/24/,
        ),
      ],
    ]);
  });

  it('keeps names, endpoints and affinity', () => {
    const { services } = toServices({ ...base, sessionAffinity: { timeoutSeconds: 60 } }, inside, undefined);
    expect(services).toEqual([
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
    const isElsewhere = (change: Partial<LoadBalancedService>) =>
      toServices({ ...base, endpoints: [], ...change }, outside, gatewayPort).services.map(
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

  it.each<[string, Partial<LoadBalancedService>, object[], OutsidePort | undefined, RegExp[]]>([
    [
      'has external addresses',
      { frontends: [...base.frontends, externalIp, balancer], external },
      [clusterIp, gateway, ...outer],
      outsidePort([toGateway(externalIp), toGateway(balancer)]),
      [],
    ],
    [
      'has a node port',
      { frontends: [...base.frontends, nodePort], external },
      [clusterIp, gateway, { address: '192.0.2.100', port: 30080 }, { address: '192.0.2.101', port: 30080 }],
      outsidePort([], 30080),
      [],
    ],
    [
      'limits the sources of its load balancer, which is left to the kernel',
      {
        frontends: [...base.frontends, externalIp, balancer],
        external: { ...external, sourceRanges: ['192.0.2.0/24'] },
      },
      [clusterIp, gateway, { address: '192.0.2.1', port: 80 }],
      outsidePort([toGateway(externalIp), { ...toGateway(balancer), sourceRanges: ['192.0.2.0/24'] }]),
      [],
    ],
    [
      'limits the sources of its load balancer to everybody',
      {
        frontends: [...base.frontends, balancer],
        external: { ...external, sourceRanges: ['10.0.0.0/8', '0.0.0.0/0'] },
      },
      [clusterIp, gateway, { address: '192.0.2.2', port: 80 }],
      outsidePort([toGateway(balancer)]),
      [],
    ],
    [
      'has IPv6 addresses',
      { conditions: [{ reason: 'IPv6NotSupported', message: 'not balanced: address fd00::1' }] },
      [clusterIp],
      undefined,
      [/^IPv6NotSupported: not balanced: address fd00::1$/],
    ],
  ])('a service that %s', (_what, change, frontends, outside, conditions) => {
    const balanced = { ...base, ...change };
    const wanted = toServices(balanced, inside, balanced.external && gatewayPort);
    expect(wanted.services).toHaveLength(1);
    expect(wanted.services[0]?.frontends).toEqual(frontends);
    expect(wanted.outside).toEqual(outside);
    expect(conditionsOf(wanted)).toEqual([conditions.map((pattern) => expect.stringMatching(pattern))]);
  });

  it('says that nobody outside is served when there is no port left', () => {
    const frontends = [...base.frontends, externalIp];
    const wanted = toServices({ ...base, frontends, external }, inside, undefined);
    expect(wanted.outside).toBeUndefined();
    expect(conditionsOf(wanted)).toEqual([[expect.stringMatching(/^GatewayPortsExhausted: /)]]);
  });

  it('with an uplink, the node itself reaches the whole cluster in any case', () => {
    const wanted = toServices(
      {
        ...base,
        endpoints: [endpoint],
        frontends: [...base.frontends, externalIp],
        external: { ...external, policy: 'Local', clusterEndpoints: [endpoint, elsewhere] },
      },
      outside,
      { outside: GATEWAY_PORT, inside: INSIDE_PORT },
    );
    expect(wanted.outside?.insidePort).toBe(INSIDE_PORT);
    expect(wanted.services.map(({ portName, frontends }) => [portName, frontends])).toEqual([
      ['http', [clusterIp, gateway, { address: '192.0.2.1', port: 80 }]],
      ['http.external.node', [insideGateway]],
    ]);
  });

  it('says that the node is served as others are when there is no port left for it', () => {
    const local = { ...external, policy: 'Local' } as const;
    const frontends = [...base.frontends, externalIp];
    const wanted = toServices({ ...base, frontends, external: local }, inside, gatewayPort);
    expect(conditionsOf(wanted)).toEqual([
      [expect.stringMatching(/^GatewayPortsExhausted: .*the node itself/)],
    ]);
  });

  it('SCTP has the ports that its clients use, since they cannot be translated', () => {
    const frontends = [...base.frontends, nodePort, externalIp];
    const { services, outside } = toServices({ ...base, protocol: 'SCTP', frontends, external }, inside, {
      outside: 30080,
      inside: undefined,
    });
    expect(outside?.addresses).toEqual([{ ...toGateway(externalIp), gatewayPort: 80 }]);
    const ports = services[0]?.frontends
      .filter(({ address }) => address === podGateway)
      .map(({ port }) => port);
    expect(ports).toEqual([30080, 80]);
  });

  const here = [endpoint];
  const both = [endpoint, elsewhere];
  const direct = { address: '192.0.2.1', port: 80 };
  it.each<[string, NodeReach, Partial<LoadBalancedService>, [string, object[], (typeof endpoint)[]][]]>([
    [
      'everybody reaches the whole cluster',
      inside,
      { endpoints: both, external: { ...external, endpoints: both, clusterEndpoints: both } },
      [['http', [clusterIp, gateway, direct], both]],
    ],
    [
      'only those who use the ClusterIP stay on the node (internalTrafficPolicy Local)',
      inside,
      { endpoints: here, external: { ...external, endpoints: both, clusterEndpoints: both } },
      [
        ['http', [clusterIp], here],
        ['http.external', [gateway, direct], both],
      ],
    ],
    [
      'only clients outside stay on the node (externalTrafficPolicy Local)',
      inside,
      { endpoints: both, external: { ...external, policy: 'Local', clusterEndpoints: both } },
      [
        ['http', [clusterIp, direct, insideGateway], both],
        ['http.external', [gateway], here],
      ],
    ],
    [
      'both policies are Local, which does not hold for pods that use an external address',
      inside,
      { endpoints: here, external: { ...external, policy: 'Local', clusterEndpoints: both } },
      [
        ['http', [clusterIp, gateway], here],
        ['http.external.pods', [direct, insideGateway], both],
      ],
    ],
    [
      'all three differ',
      inside,
      { endpoints: here, external: { ...external, policy: 'Local', endpoints: [], clusterEndpoints: both } },
      [
        ['http', [clusterIp], here],
        ['http.external', [gateway], []],
        ['http.external.pods', [direct, insideGateway], both],
      ],
    ],
    [
      'with an uplink, clients of other nodes use the addresses that pods use',
      outside,
      { endpoints: both, external: { ...external, policy: 'Local', clusterEndpoints: both } },
      [
        ['http', [clusterIp, insideGateway], both],
        ['http.external', [gateway, direct], here],
      ],
    ],
  ])('%s', (_what, reach, change, expected) => {
    const balanced = { ...base, frontends: [...base.frontends, externalIp], ...change };
    const inside = isApart(balanced) ? INSIDE_PORT : undefined;
    const { services } = toServices(balanced, reach, { outside: GATEWAY_PORT, inside });
    expect(services.map(({ portName, frontends, endpoints }) => [portName, frontends, endpoints])).toEqual(
      expected.map(([name, frontends, endpoints]) => [name, frontends, endpoints.map(toWire)]),
    );
  });

  it('names the objects of an unnamed port apart', () => {
    const frontends = [...base.frontends, externalIp];
    const external = { policy: 'Local', endpoints: [], clusterEndpoints: both, sourceRanges: [] } as const;
    const { services } = toServices({ ...base, portName: '', frontends, external }, inside, gatewayPort);
    expect(services.map(({ portName }) => portName)).toEqual(['', 'external', 'external.pods']);
  });

  it.each([
    ['TCP', 1],
    ['UDP', 2],
    ['SCTP', 3],
  ] as const)('%s is protocol %i', (protocol, number) => {
    expect(toServices({ ...base, protocol }, inside, undefined).services[0]?.protocol).toBe(number);
  });
});
