/** A real cluster with no other network: installed, used and removed as the guide says. Needs KUBE_BIN. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  buildImages,
  Cluster,
  install,
  kubernetesPrograms,
  testImages,
  uninstall,
} from '@infra-offload/cluster';
import { eventually } from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const { bin, reason } = kubernetesPrograms();
if (bin === undefined) console.log(`no real cluster is tried: ${reason}`);
const target = process.env.TARGET === 'dpdk' ? 'dpdk' : 'engine';

describe.runIf(bin !== undefined)('a cluster without kube-proxy and any other network', () => {
  const archives = mkdtempSync(join(tmpdir(), 'iofk-images-'));
  let cluster: Cluster;
  let image: string;

  beforeAll(async () => {
    if (bin === undefined) return;
    const images = await buildImages(bin, archives);
    image = (await testImages(bin)).agnhost;
    cluster = await Cluster.create({ bin, images });
    await install(cluster, target);
  });
  afterAll(async () => {
    await cluster?.remove();
    rmSync(archives, { recursive: true, force: true });
  });

  const apply = (...items: object[]) =>
    cluster.must(['apply', '--filename', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  const inClient = (...command: string[]) => cluster.must(['exec', 'client', '--', ...command]);
  const rolledOut = () => cluster.must(['rollout', 'status', 'deployment/web', '--timeout=120s']);

  it('runs pods, which reach each other through a service', async () => {
    const container = { name: 'main', image };
    await apply(
      {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: { name: 'client' },
        spec: { containers: [{ ...container, args: ['pause'] }], terminationGracePeriodSeconds: 1 },
      },
      {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'web' },
        spec: {
          replicas: 2,
          selector: { matchLabels: { app: 'web' } },
          template: {
            metadata: { labels: { app: 'web' } },
            spec: {
              terminationGracePeriodSeconds: 10,
              containers: [
                {
                  ...container,
                  // Old pods serve while they are drained, as well-behaved ones do.
                  args: ['netexec', '--delay-shutdown=5'],
                  readinessProbe: { httpGet: { path: '/hostname', port: 8080 }, periodSeconds: 1 },
                },
              ],
            },
          },
        },
      },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: 'web' },
        spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 8080 }], clusterIP: '10.96.0.80' },
      },
    );
    await rolledOut();
    await cluster.must(['wait', '--for=condition=Ready', 'pod/client', '--timeout=120s']);
    const names = new Set<string>();
    await eventually('both pods have answered', async () => {
      names.add(await inClient('curl', '--silent', '--max-time', '5', 'http://10.96.0.80/hostname'));
      return names.size === 2 || undefined;
    });
    expect([...names].every((name) => name.startsWith('web-'))).toBe(true);
  });

  it('serves the API server to pods', async () => {
    const url = 'https://10.96.0.1/readyz';
    await eventually('the API server answers a pod', async () =>
      (await inClient('curl', '--silent', '--insecure', '--max-time', '5', url)) === 'ok' ? true : undefined,
    );
  });

  it('loses no request of a rolling update', async () => {
    const requests = `
      failed=0
      for i in $(seq 1000); do
        curl --silent --fail --max-time 5 --output /dev/null http://10.96.0.80/hostname || failed=$((failed + 1))
      done
      echo $failed`;
    const counted = inClient('sh', '-c', requests);
    await cluster.must(['rollout', 'restart', 'deployment/web']);
    await rolledOut();
    expect((await counted).trim()).toBe('0');
  });

  it('leaves nothing on the node when it is uninstalled', async () => {
    await cluster.must(['delete', 'deployment/web', 'pod/client', 'service/web', '--wait']);
    await uninstall(cluster);
    const node = cluster.first;
    const left =
      'ls /etc/cni/net.d /opt/infra /var/lib/cni/infraagent /var/run/infra-offload 2>/dev/null || true';
    expect(await node.must('sh', ['-c', left])).not.toMatch(/infra-offload\.conflist|cni\.sock|\.json/);
    expect(await node.must('ip', ['-brief', 'address', 'show', 'P4TAP_0'])).not.toMatch(/10\.244\./);
    expect((await cluster.kubectl(['get', 'namespace', 'infra-offload'])).code).not.toBe(0);
  });
});
