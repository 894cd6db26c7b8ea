import type { LoadBalancedService } from '@infra-offload/k8s-watch';
import { expect, it } from 'vitest';
import { type GatewayPort, GatewayPorts } from './gateway-ports.js';

const clusterIp = { kind: 'ClusterIP', address: '10.96.0.10', port: 80 } as const;
const externalIp = { kind: 'ExternalIP', address: '192.0.2.1', port: 80 } as const;
const nodePort = { kind: 'NodePort', port: 30080 } as const;

function service(name: string, ...more: LoadBalancedService['frontends']): LoadBalancedService {
  return {
    key: `default/${name}:http/TCP`,
    namespace: 'default',
    name,
    portName: 'http',
    protocol: 'TCP',
    frontends: [clusterIp, ...more],
    endpoints: [],
    conditions: [],
  };
}

it('a service port that nobody outside reaches has none, one with a node port has that', () => {
  const ports = new GatewayPorts();
  expect(ports.of(service('a'))).toBeUndefined();
  expect(ports.of(service('a', nodePort, externalIp))).toEqual({ outside: 30080, inside: undefined });
});

it('with traffic policy Local, clients on the node have a port of their own, but not with SCTP', () => {
  const ports = new GatewayPorts();
  const external = { policy: 'Local', endpoints: [], clusterEndpoints: [], sourceRanges: [] } as const;
  const local = { ...service('a', nodePort), external };
  const own = { outside: 30080, inside: 65_535 };
  expect(ports.of(local)).toEqual(own);
  expect(ports.of(local)).toEqual(own);
  expect(ports.of({ ...local, protocol: 'SCTP' })).toEqual({ outside: 30080, inside: undefined });
  expect(ports.of({ ...service('b', externalIp), external })).toEqual({ outside: 65_534, inside: 65_533 });
  ports.release(local.key);
  ports.release('default/b:http/TCP');
  expect(ports.of({ ...local, frontends: [clusterIp] })).toBeUndefined();
});

it('others have one each, for as long as they need one', () => {
  const ports = new GatewayPorts();
  const of = (name: string): GatewayPort['outside'] | undefined =>
    ports.of(service(name, externalIp))?.outside;
  const a = of('a');
  expect(of('a')).toBe(a);
  expect(of('b')).not.toBe(a);
  ports.of(service('a'));
  const all = new Set(Array.from({ length: 32_535 }, (_, i) => of(`s${i}`)));
  expect(all.size).toBe(32_535);
  expect(all.has(a)).toBe(true);
  expect(all.has(undefined)).toBe(false);
  expect(of('one too many')).toBeUndefined();
  ports.release('default/b:http/TCP');
  expect(of('one too many')).toBeGreaterThan(32_767);
});
