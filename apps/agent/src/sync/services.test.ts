import type { LoadBalancedService } from '@infra-offload/k8s-watch';
import { describe, expect, it } from 'vitest';
import { toService } from './services.js';

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

describe('toService', () => {
  it('keeps names, endpoints and affinity', () => {
    expect(toService({ ...base, sessionAffinity: { timeoutSeconds: 60 } })).toEqual({
      service: {
        namespace: 'default',
        name: 'web',
        portName: 'http',
        protocol: 1,
        frontends: [clusterIp],
        endpoints: [{ address: '10.244.0.2', port: 8080, weight: 0 }],
        sessionAffinity: { timeoutSeconds: 60 },
      },
      limitations: [],
    });
  });

  it.each<[string, Partial<LoadBalancedService>, object[], RegExp[]]>([
    [
      'has external addresses',
      { frontends: [...base.frontends, externalIp, balancer], external },
      [clusterIp, { address: '192.0.2.1', port: 80 }, { address: '192.0.2.2', port: 80 }],
      [],
    ],
    [
      'has a node port',
      { frontends: [...base.frontends, { kind: 'NodePort', port: 30080 }], external },
      [clusterIp],
      [/NodePortNotSupported: node port 30080/],
    ],
    [
      'limits the sources of its load balancer',
      { frontends: [...base.frontends, balancer], external: { ...external, sourceRanges: ['192.0.2.0/24'] } },
      [clusterIp],
      [/SourceRangesNotSupported: 192.0.2.2/],
    ],
    [
      'keeps internal traffic on the node, but not external traffic',
      {
        frontends: [...base.frontends, externalIp],
        external: { ...external, clusterEndpoints: [endpoint, elsewhere] },
      },
      [clusterIp],
      [/InternalTrafficPolicyLocal: 192.0.2.1/],
    ],
    [
      'has IPv6 addresses',
      { conditions: [{ reason: 'IPv6NotSupported', message: 'not balanced: address fd00::1' }] },
      [clusterIp],
      [/^IPv6NotSupported: not balanced: address fd00::1$/],
    ],
  ])('a service that %s', (_what, change, frontends, limitations) => {
    const result = toService({ ...base, ...change });
    expect(result.service.frontends).toEqual(frontends);
    expect(result.limitations).toEqual(limitations.map((pattern) => expect.stringMatching(pattern)));
  });

  it.each([
    ['TCP', 1],
    ['UDP', 2],
    ['SCTP', 3],
  ] as const)('%s is protocol %i', (protocol, number) => {
    expect(toService({ ...base, protocol }).service.protocol).toBe(number);
  });
});
