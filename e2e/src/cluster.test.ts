/**
 * A real cluster whose only network this is: installed, used and removed as the guide says, with some of Kubernetes' own tests in between.
 * Needs KUBE_BIN.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  buildImages,
  Cluster,
  deploy,
  installDns,
  kubernetesPrograms,
  prepare,
  runE2e,
  testImages,
  uninstall,
} from '@infra-offload/cluster';
import { eventually } from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const NODE_PORT = 30_080;
const WEB = '10.96.0.80';
/** One of each kind that takes seconds. */
const SAMPLE = [
  'Services should serve multiport endpoints from pods',
  'Services should be able to change the type from ExternalName to ClusterIP',
  'DNS should provide DNS for services',
  'Granular Checks: Pods should function for intra-pod communication: udp',
  'HostPort validates that there is no conflict',
  'Proxy version v1 should proxy through a service and a pod',
];

const { bin, reason } = kubernetesPrograms();
if (bin === undefined) console.log(`no real cluster is tried: ${reason}`);
const target = process.env.TARGET === 'dpdk' ? 'dpdk' : 'engine';

describe.runIf(bin !== undefined)('a cluster without kube-proxy and any other network', () => {
  let archives: string | undefined;
  let cluster: Cluster;
  let image: string;
  let before: string;

  beforeAll(async () => {
    if (bin === undefined) return;
    archives = mkdtempSync(join(tmpdir(), 'iofk-images-'));
    const images = await buildImages(bin, archives);
    image = (await testImages(bin)).agnhost;
    cluster = await Cluster.create({ bin, images });
    await prepare(cluster);
    before = await tracesOnNode();
    await deploy(cluster, target);
    await cluster.nodesAreReady();
    await installDns(cluster);
  });
  afterAll(async () => {
    await cluster?.remove();
    if (archives !== undefined) rmSync(archives, { recursive: true, force: true });
  });

  /** What an installation could leave on a node. */
  const tracesOnNode = () =>
    cluster.first.must('sh', [
      '-c',
      // Not the chains that portmap keeps, which the node had before.
      `nft list tables | grep -v '^table ip nat$'
       ip -oneline link | cut -d: -f2
       ip -oneline -4 address
       ip -4 route
       ls -d /run/infra-* 2>/dev/null
       find /etc/cni /opt /var/lib/cni /var/lib/infra-offload -type f 2>/dev/null | sort`,
    ]);
  const apply = (...items: object[]) =>
    cluster.must(['apply', '--filename', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  const inClient = (...command: string[]) => cluster.must(['exec', 'client', '--', ...command]);
  const fetch = ['curl', '--silent', '--fail', '--max-time', '5'];
  const inProduct = ['--namespace', 'infra-offload'];
  /** Has a pod of a DaemonSet replaced, and waits for the next one. */
  const replacePod = async (set: string) => {
    await cluster.must([...inProduct, 'delete', 'pod', `--selector=app.kubernetes.io/name=${set}`, '--wait']);
    await isReady(set);
  };
  const isReady = (set: string) =>
    eventually(`the pod of ${set} is ready`, async () => {
      const selector = `--selector=app.kubernetes.io/name=${set}`;
      const wait = [...inProduct, 'wait', '--for=condition=Ready', 'pod', '--timeout=5s', selector];
      return (await cluster.kubectl(wait)).code === 0 || undefined;
    });
  const rolledOut = () => cluster.must(['rollout', 'status', 'deployment/web', '--timeout=110s']);
  const restartWeb = async () => {
    await cluster.must(['rollout', 'restart', 'deployment/web']);
    await rolledOut();
  };

  it('runs pods, which reach each other under their addresses and through services', async () => {
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
        spec: {
          type: 'NodePort',
          clusterIP: WEB,
          selector: { app: 'web' },
          ports: [{ port: 80, targetPort: 8080, nodePort: NODE_PORT }],
        },
      },
    );
    await rolledOut();
    await cluster.must(['wait', '--for=condition=Ready', 'pod/client', '--timeout=110s']);
    const addresses = await cluster.must([
      ...['get', 'pods', '--selector=app=web'],
      '--output=jsonpath={.items[*].status.podIP}',
    ]);
    for (const address of addresses.split(' '))
      expect(await inClient(...fetch, `http://${address}:8080/hostname`)).toMatch(/^web-/);
    const names = new Set<string>();
    await eventually('both pods have answered', async () => {
      names.add(await inClient(...fetch, `http://${WEB}/hostname`));
      return names.size === 2 || undefined;
    });
    expect([...names].every((name) => name.startsWith('web-'))).toBe(true);
  });

  it('serves names and the API server to pods', async () => {
    expect(await inClient(...fetch, 'http://web.default/hostname')).toMatch(/^web-/);
    expect(await inClient('dig', '+short', '+tcp', 'web.default.svc.cluster.local')).toBe(`${WEB}\n`);
    expect(await inClient(...fetch, '--insecure', 'https://kubernetes.default/readyz')).toBe('ok');
  });

  it('serves node ports to the node and to machines beside the cluster', async () => {
    const url = `http://${cluster.first.address}:${NODE_PORT}/hostname`;
    const [command = '', ...args] = [...fetch, url];
    expect(await cluster.first.must(command, args)).toMatch(/^web-/);
    expect(await cluster.outside.must(command, args)).toMatch(/^web-/);
  });

  it('keeps pods apart by policy, but not from the kubelet of their node', async () => {
    const policy = {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'deny' },
      spec: { podSelector: { matchLabels: { app: 'web' } }, policyTypes: ['Ingress'] },
    };
    await apply(policy);
    const attempt = () =>
      cluster.kubectl(['exec', 'client', '--', ...fetch.slice(0, -1), '1', `http://${WEB}/hostname`]);
    await eventually('the policy is in force', async () => (await attempt()).code !== 0 || undefined);
    // New pods become ready by kubelet's probes only.
    await restartWeb();
    expect((await attempt()).code).not.toBe(0);
    await cluster.must(['delete', 'networkpolicy/deny', '--wait']);
    await eventually('nothing is denied', async () => (await attempt()).code === 0 || undefined);
  });

  it('loses no request of a rolling update', async () => {
    const counted = inClient(
      'sh',
      '-c',
      `requests=0 failed=0
       until [ -e /tmp/stop ]; do
         requests=$((requests + 1))
         ${fetch.join(' ')} --output /dev/null http://${WEB}/hostname || failed=$((failed + 1))
       done
       echo $requests $failed`,
    );
    await restartWeb();
    await restartWeb();
    await inClient('touch', '/tmp/stop');
    const [requests = 0, failed] = (await counted).trim().split(' ').map(Number);
    expect(failed).toBe(0);
    expect(requests).toBeGreaterThan(100);
  });

  it('loses no packet when the softswitch is replaced', async () => {
    // Not one of those that the rolling update has left to end.
    const ready = '{.items[0].endpoints[?(@.conditions.ready==true)].addresses[0]}';
    const [address = ''] = (
      await cluster.must([
        ...['get', 'endpointslices', '--selector=kubernetes.io/service-name=web'],
        `--output=jsonpath=${ready}`,
      ])
    ).split(' ');
    const pings = inClient(
      'sh',
      '-c',
      `ping -q -i 0.05 ${address} & ping=$!
       until [ -e /tmp/replaced ]; do sleep 0.1; done
       kill -INT $ping
       wait $ping`,
    );
    await replacePod('infra-softswitch');
    await isReady('inframanager');
    await inClient('touch', '/tmp/replaced');
    const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(await pings) ?? [];
    expect(received).toBe(sent);
    expect(Number(sent)).toBeGreaterThan(20);
  });

  it('goes on by itself when the data plane is replaced', async () => {
    await replacePod('infra-dataplane');
    await eventually('the service answers', async () => {
      const { code } = await cluster.kubectl([
        ...['exec', 'client', '--', ...fetch.slice(0, -1)],
        ...['1', `http://${WEB}/hostname`],
      ]);
      return code === 0 || undefined;
    });
    expect(await inClient(...fetch, 'http://web.default/hostname')).toMatch(/^web-/);
  });

  it('passes a sample of Kubernetes’ own tests', async () => {
    const results = await runE2e(cluster, `sig-network.*(${SAMPLE.join('|')}).*Conformance`);
    expect(results.filter(({ passed }) => !passed)).toEqual([]);
    expect(results).toHaveLength(SAMPLE.length);
  });

  it('leaves nothing on the node when it is uninstalled', async () => {
    await cluster.must(['delete', 'deployment/web', 'pod/client', 'service/web']);
    await cluster.must(['wait', '--for=delete', 'pod', '--all', '--timeout=110s']);
    await cluster.must(['--namespace', 'kube-system', 'delete', 'deployment/cluster-dns', '--wait']);
    await cluster.must([
      '--namespace',
      'kube-system',
      'wait',
      '--for=delete',
      'pod',
      '--selector=k8s-app=kube-dns',
    ]);
    await uninstall(cluster);
    expect(await tracesOnNode()).toBe(before);
    expect((await cluster.kubectl(['get', 'namespace', 'infra-offload'])).code).not.toBe(0);
  });
});
