import type { LoadBalancedService } from '@infra-offload/k8s-watch';
import { expect, it } from 'vitest';
import { GatewayPorts } from './gateway-ports.js';

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
  expect(ports.of(service('a', nodePort, externalIp))).toBe(30080);
});

it('others have one each, for as long as they need one', () => {
  const ports = new GatewayPorts();
  const a = ports.of(service('a', externalIp));
  expect(ports.of(service('a', externalIp))).toBe(a);
  expect(ports.of(service('b', externalIp))).not.toBe(a);
  ports.of(service('a'));
  const all = new Set(Array.from({ length: 32_535 }, (_, i) => ports.of(service(`s${i}`, externalIp))));
  expect(all.size).toBe(32_535);
  expect(all.has(a)).toBe(true);
  expect(all.has(undefined)).toBe(false);
  expect(ports.of(service('one too many', externalIp))).toBeUndefined();
  ports.release('default/b:http/TCP');
  expect(ports.of(service('one too many', externalIp))).toBeGreaterThan(32_767);
});
