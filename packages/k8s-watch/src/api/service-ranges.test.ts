import { afterEach, expect, it } from 'vitest';
import { eventually, statusOf, type TestCluster, testCluster } from '../testing/test-cluster.js';

let cluster: TestCluster | undefined;

afterEach(() => cluster?.close());

const ranges = (name: string, ...cidrs: string[]) => ({
  kind: 'ServiceCIDR',
  metadata: { name },
  spec: { cidrs },
});

it.each([{}, { servicecidrs: 'v1beta1' }])('follows ServiceCIDR objects of %j', async (versions) => {
  cluster = await testCluster({ versions });
  const { server, reports } = cluster;
  server.database.create(ranges('kubernetes', '10.96.0.0/16', 'fd00::/108'));
  const source = cluster.source({ ServiceCIDR: {} });
  await source.start();
  expect(source.serviceCIDRs.get('', 'kubernetes')?.cidrs).toEqual(['10.96.0.0/16', 'fd00::/108']);
  server.database.create(ranges('more', '10.97.0.0/16'));
  await eventually(() => source.serviceCIDRs.size === 2, 'the second range');
  server.database.delete({ kind: 'ServiceCIDR', name: 'more' });
  await eventually(() => source.serviceCIDRs.size === 1, 'it is gone');
  expect(reports).toEqual([]);
});

it('takes a server that has none as one without ranges, silently, and notices when it has been upgraded', async () => {
  const versions: Record<string, string> = { servicecidrs: '' };
  cluster = await testCluster({ versions });
  const { server, reports } = cluster;
  server.database.create(ranges('kubernetes', '10.96.0.0/16'));
  const source = cluster.source({ ServiceCIDR: {}, Service: {} });
  await source.start();
  expect(source.serviceCIDRs.size).toBe(0);
  expect(statusOf(source, 'ServiceCIDR').state).toBe('absent');
  expect([source.problems, reports]).toEqual([[], []]);
  delete versions.servicecidrs;
  await eventually(() => source.serviceCIDRs.size === 1, 'the range');
});

it('need not be allowed to read them, but says when that ends', async () => {
  cluster = await testCluster();
  const { server, reports } = cluster;
  server.forbid('list', 'servicecidrs');
  server.database.create(ranges('kubernetes', '10.96.0.0/16'));
  const source = cluster.source({ ServiceCIDR: {} });
  await source.start();
  expect([source.serviceCIDRs.size, reports]).toEqual([0, []]);
  server.allow('list', 'servicecidrs');
  await eventually(() => source.serviceCIDRs.size === 1, 'the range');
  server.forbid('list', 'servicecidrs');
  server.forbid('watch', 'servicecidrs');
  server.cutConnections();
  await eventually(() => source.problems.length === 1, 'a problem');
  expect(source.problems[0]).toMatchObject({ code: 'FORBIDDEN', kind: 'ServiceCIDR' });
  expect(source.serviceCIDRs.size).toBe(1);
});

const kubeadm = (text: string) => ({
  kind: 'ConfigMap',
  metadata: { namespace: 'kube-system', name: 'kubeadm-config' },
  data: { ClusterConfiguration: text },
});

const controlPlane = (component: string, command: readonly string[]) => ({
  kind: 'Pod',
  metadata: { namespace: 'kube-system', name: `${component}-node-1`, labels: { component } },
  spec: { containers: [{ name: component, command }] },
});

it('reads the ranges that kubeadm has left', async () => {
  cluster = await testCluster();
  const source = cluster.source({});
  const text =
    'networking: { dnsDomain: cluster.local, serviceSubnet: "10.96.0.0/16,fd00::/108", podSubnet: 10.244.0.0/16 }';
  cluster.server.database.create(kubeadm(text));
  expect(await source.clusterNetworking()).toEqual({
    serviceCidrs: ['10.96.0.0/16', 'fd00::/108'],
    podCidrs: ['10.244.0.0/16'],
    origin: 'ConfigMap kube-system/kubeadm-config',
  });
});

it.each(['- a', 'networking: 7', 'networking: { serviceSubnet: here }', '{', ''])(
  'reads the command lines of the control plane if kubeadm has left %j',
  async (text) => {
    cluster = await testCluster();
    const { database } = cluster.server;
    database.create(kubeadm(text));
    database.create(
      controlPlane('kube-apiserver', ['kube-apiserver', '--service-cluster-ip-range=10.96.0.0/12', '--v=2']),
    );
    database.create(
      controlPlane('kube-controller-manager', ['sh', '-c', 'exec kcm --cluster-cidr 10.0.0.0/8']),
    );
    database.create(controlPlane('etcd', ['etcd', '--cluster-cidr=192.0.2.0/24']));
    expect(await cluster.source({}).clusterNetworking()).toEqual({
      serviceCidrs: ['10.96.0.0/12'],
      podCidrs: ['10.0.0.0/8'],
      origin: 'command lines of the control plane in kube-system',
    });
  },
);

it('finds nothing where there is nothing, or where it may not look', async () => {
  cluster = await testCluster();
  const source = cluster.source({});
  expect(await source.clusterNetworking()).toBeUndefined();
  cluster.server.database.create(kubeadm('networking: { serviceSubnet: 10.96.0.0/16 }'));
  cluster.server.forbid('get', 'configmaps');
  cluster.server.forbid('list', 'pods');
  expect(await source.clusterNetworking()).toBeUndefined();
  await cluster.server.stop();
  await expect(source.clusterNetworking()).rejects.toMatchObject({ code: 'UNREACHABLE' });
});
