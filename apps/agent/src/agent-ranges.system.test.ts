import { FakeApiServer, type FakeApiServerOptions } from '@infra-offload/k8s-watch/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Harness } from './testing/harness.js';
import { eventually, ip } from './testing/network.js';

let harness: Harness;
let api: FakeApiServer | undefined;

beforeEach(() => {
  harness = new Harness();
});

afterEach(async () => {
  await harness.stop();
  await api?.stop();
});

async function startApi(options: FakeApiServerOptions = {}): Promise<FakeApiServer> {
  api = await FakeApiServer.start(options);
  return api;
}

const node = { kind: 'Node', metadata: { name: 'node-1' }, spec: { podCIDRs: ['10.244.0.0/24'] } };
const range = (name: string, ...cidrs: string[]) => ({
  kind: 'ServiceCIDR',
  metadata: { name },
  spec: { cidrs },
});
const kubeadm = {
  kind: 'ConfigMap',
  metadata: { namespace: 'kube-system', name: 'kubeadm-config' },
  data: { ClusterConfiguration: 'networking: { serviceSubnet: 10.98.0.0/16, podSubnet: 10.240.0.0/12 }' },
};

function wanted(): readonly string[] | undefined {
  const object = harness.manager.objects.get('1:node-1')?.object;
  return object?.$case === 'node' ? object.value.serviceCidrs : undefined;
}

const routes = () => ip('route', 'show', 'dev', `${harness.network.prefix}0`);
const warnings = () => harness.log.filter(({ level }) => level >= 40).map(({ msg }) => msg);

describe('the ranges of services', () => {
  it('are those of ServiceCIDR objects, in the first snapshot and as they change', async () => {
    const server = await startApi();
    for (const object of [node, kubeadm, range('kubernetes', '10.96.0.0/16', 'fd00::/108')]) {
      server.database.create(object);
    }
    await harness.start(1, harness.watching(server));
    expect(harness.manager.messages).toHaveLength(1);
    expect(wanted()).toEqual(['10.96.0.0/16']);
    server.database.create(range('more', '10.97.0.0/16'));
    await eventually(() => wanted()?.length === 2, 'the second range');
    await eventually(() => routes().includes('10.97.0.0/16'), 'its route');
    server.database.delete({ kind: 'ServiceCIDR', name: 'more' });
    await eventually(() => !routes().includes('10.97.0.0/16'), 'the route is gone');
    expect(wanted()).toEqual(['10.96.0.0/16']);
    expect(warnings()).toEqual([]);
  });

  it('are those that kubeadm has written down, on a server without ServiceCIDR objects', async () => {
    const server = await startApi({ versions: { servicecidrs: '' } });
    server.database.create(kubeadm);
    await harness.start(1, harness.watching(server));
    expect(harness.manager.messages).toHaveLength(1);
    expect(wanted()).toEqual(['10.98.0.0/16']);
    // The Node object has no range of its own.
    expect(routes()).toMatch(/^10\.240\.0\.0\/12 via 169\.254\.1\.1 /m);
    expect(warnings()).toEqual([]);
  });

  it('are the configured ones, whatever the cluster says', async () => {
    const server = await startApi();
    for (const object of [node, kubeadm, range('kubernetes', '10.96.0.0/16')]) server.database.create(object);
    await harness.start(1, harness.watching(server, { serviceCidrs: ['10.0.0.0/24'] }));
    expect(wanted()).toEqual(['10.0.0.0/24']);
    expect(server.requests.filter(({ resource }) => /servicecidrs|configmaps/.test(resource))).toEqual([]);
  });

  it('may be unknown: that is said once, and all else works', async () => {
    const server = await startApi();
    for (const verb of ['get', 'list', 'watch'] as const) {
      for (const resource of ['servicecidrs', 'configmaps']) server.forbid(verb, resource);
    }
    server.database.create(node);
    await harness.start(2, harness.watching(server));
    expect(wanted()).toEqual([]);
    expect(warnings()).toEqual([
      expect.stringMatching(/^the range of service addresses is not known: set serviceCidrs/),
    ]);
    const netns = harness.network.addNetns('blue');
    expect((await harness.cni('ADD', { netns })).exitCode).toBe(0);
    expect((await harness.cni('DEL', { netns })).exitCode).toBe(0);
  });
});
