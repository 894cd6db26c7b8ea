import { expect, it } from 'vitest';
import { clusterIpHint } from './cluster-ip-hint.js';

const clusterIp = { KUBERNETES_PORT_443_TCP_ADDR: '10.96.0.1' };

it('says what to do where the API server is asked at its ClusterIP', () => {
  expect(clusterIpHint({ ...clusterIp, KUBERNETES_SERVICE_HOST: '10.96.0.1' })).toContain(
    'kubernetes-services-endpoint',
  );
});

it('has nothing to say elsewhere', () => {
  expect(clusterIpHint({ ...clusterIp, KUBERNETES_SERVICE_HOST: '192.0.2.10' })).toBeUndefined();
  expect(clusterIpHint({})).toBeUndefined();
});
