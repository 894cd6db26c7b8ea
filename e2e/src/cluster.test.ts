/**
 * A real cluster of two nodes whose only network this is: installed, used and removed as the guide says, with some of Kubernetes' own tests
 * in between. Needs KUBE_BIN. CLUSTER_ROUNDS=n installs, upgrades and removes it n times more in the end, instead of once.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  buildImages,
  Cluster,
  type ClusterNode,
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
const FAR_NODE_PORT = 30_081;
const FAR = '10.96.0.81';
const ROUNDS = Number(process.env.CLUSTER_ROUNDS ?? 1);
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
  let images: readonly string[];
  let cluster: Cluster;
  let image: string;
  let before: readonly string[];

  // Each has time of its own.
  beforeAll(async () => {
    if (bin === undefined) return;
    archives = mkdtempSync(join(tmpdir(), 'iofk-images-'));
    images = await buildImages(bin, archives);
    image = (await testImages(bin)).agnhost;
  });
  beforeAll(async () => {
    if (bin === undefined) return;
    cluster = await Cluster.create({ bin, images, nodes: 2 });
    await prepare(cluster);
    before = await traces();
  });
  beforeAll(async () => {
    if (bin === undefined) return;
    await deploy(cluster, target);
    await cluster.nodesAreReady();
    await installDns(cluster);
  });
  afterAll(async () => {
    await cluster?.remove();
    if (archives !== undefined) rmSync(archives, { recursive: true, force: true });
  });

  /** What an installation could leave on the nodes. */
  const traces = async () => Promise.all(cluster.nodes.map(tracesOn));
  const tracesOn = (node: ClusterNode) =>
    node.must('sh', [
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
  const inPod = (pod: string, ...command: string[]) => cluster.must(['exec', pod, '--', ...command]);
  const inClient = (...command: string[]) => inPod('client', ...command);
  /** A pod on the first node or the second. */
  const podOn = (index: 0 | 1, name: string, args: readonly string[], more: object = {}) => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name }, ...more },
    spec: {
      nodeName: cluster.nodes[index]?.name,
      containers: [{ name: 'main', image, args }],
      terminationGracePeriodSeconds: 1,
    },
  });
  const nodePortService = (name: string, clusterIP: string, nodePort: number) => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: {
      type: 'NodePort',
      clusterIP,
      selector: { app: name },
      ports: [{ port: 80, targetPort: 8080, nodePort }],
    },
  });
  const fetch = ['curl', '--silent', '--fail', '--max-time', '5'];
  const inProduct = ['--namespace', 'infra-offload'];
  /** Of a DaemonSet, on the first node. */
  const podOf = (set: string) => [
    ...['pod', `--selector=app.kubernetes.io/name=${set}`],
    `--field-selector=spec.nodeName=${cluster.first.name}`,
  ];
  /** Has a pod of a DaemonSet replaced, and waits for the next one. */
  const replacePod = async (set: string) => {
    await cluster.must([...inProduct, 'delete', ...podOf(set), '--wait']);
    await isReady(set);
  };
  const isReady = (set: string) =>
    eventually(`the pod of ${set} is ready`, async () => {
      const wait = [...inProduct, 'wait', '--for=condition=Ready', '--timeout=5s', ...podOf(set)];
      return (await cluster.kubectl(wait)).code === 0 || undefined;
    });
  /** Whether a pod reaches a service at all: undefined if not. */
  const reaches = async (pod: string, address: string) => {
    const command = [...fetch.slice(0, -1), '1', `http://${address}/hostname`];
    return (await cluster.kubectl(['exec', pod, '--', ...command])).code === 0 || undefined;
  };
  const webAnswers = () => reaches('client', WEB);
  const isGone = async () => {
    expect(await traces()).toEqual(before);
    expect((await cluster.kubectl(['get', 'namespace', 'infra-offload'])).code).not.toBe(0);
  };
  const rolledOut = () => cluster.must(['rollout', 'status', 'deployment/web', '--timeout=110s']);
  const restartWeb = async () => {
    await cluster.must(['rollout', 'restart', 'deployment/web']);
    await rolledOut();
  };

  it('runs pods, which reach each other under their addresses and through services', async () => {
    await apply(
      podOn(0, 'client', ['pause']),
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
                  name: 'main',
                  image,
                  // Old pods serve while they are drained, as well-behaved ones do.
                  args: ['netexec', '--delay-shutdown=5'],
                  readinessProbe: { httpGet: { path: '/hostname', port: 8080 }, periodSeconds: 1 },
                },
              ],
            },
          },
        },
      },
      nodePortService('web', WEB, NODE_PORT),
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

  it('reaches pods on the other node, under their addresses, through services and through node ports', async () => {
    await apply(
      podOn(1, 'far', ['netexec']),
      podOn(1, 'far-client', ['pause']),
      nodePortService('far', FAR, FAR_NODE_PORT),
    );
    await cluster.must(['wait', '--for=condition=Ready', 'pod/far', 'pod/far-client', '--timeout=110s']);
    const addressOf = (pod: string) => cluster.must(['get', 'pod', pod, '--output=jsonpath={.status.podIP}']);
    const client = await addressOf('client');
    await eventually('the service answers', () => reaches('client', FAR));
    for (const address of [`${await addressOf('far')}:8080`, FAR])
      expect(await inClient(...fetch, `http://${address}/clientip`)).toMatch(new RegExp(`^${client}:`));
    // Only the second node has an endpoint.
    for (const address of [FAR, `${cluster.first.address}:${FAR_NODE_PORT}`]) {
      const [command = '', ...args] = [...fetch, `http://${address}/hostname`];
      expect(await cluster.first.must(command, args)).toBe('far');
      if (address !== FAR) expect(await cluster.outside.must(command, args)).toBe('far');
    }
    expect(await inPod('far-client', ...fetch, 'http://web.default/hostname')).toMatch(/^web-/);
    expect(await inPod('far-client', ...fetch, '--insecure', 'https://kubernetes.default/readyz')).toBe('ok');
  });

  it('keeps pods of different nodes apart by policy, and lets those through that it names', async () => {
    const policy = (ingress: readonly object[]) => ({
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { name: 'far' },
      spec: { podSelector: { matchLabels: { app: 'far' } }, policyTypes: ['Ingress'], ingress },
    });
    await apply(policy([]));
    for (const pod of ['client', 'far-client'])
      await eventually(`${pod} is denied`, async () => !(await reaches(pod, FAR)) || undefined);
    await apply(policy([{ from: [{ podSelector: { matchLabels: { app: 'client' } } }] }]));
    await eventually('the client on the other node is let through', () => reaches('client', FAR));
    expect(await reaches('far-client', FAR)).toBe(undefined);
    await cluster.must(['delete', 'networkpolicy/far', '--wait']);
    await eventually('nothing is denied', () => reaches('far-client', FAR));
  });

  it('limits the bandwidth of pods that ask for it', async () => {
    const megabits = 4;
    const [ingress, egress] = ['kubernetes.io/ingress-bandwidth', 'kubernetes.io/egress-bandwidth'];
    const annotations = { [ingress]: `${megabits}M`, [egress]: `${megabits}M` };
    await apply(podOn(1, 'slow', ['pause'], { annotations }));
    await cluster.must(['wait', '--for=condition=Ready', 'pod/slow', '--timeout=110s']);
    const bytes = 1_000_000;
    const port = 9000;
    for (const [from, to] of [
      ['client', 'slow'],
      ['slow', 'client'],
    ] as const) {
      const address = await cluster.must(['get', 'pod', to, '--output=jsonpath={.status.podIP}']);
      const received = inPod(to, 'sh', '-c', `nc -l ${port} | wc --bytes`);
      await eventually('somebody listens', async () => {
        const sockets = await inPod(to, 'ss', '--listening', '--tcp', '--numeric', '--no-header');
        return sockets.includes(`:${port} `) || undefined;
      });
      const started = performance.now();
      await inPod(from, 'sh', '-c', `head --bytes=${bytes} /dev/zero | nc -N ${address} ${port}`);
      expect(Number(await received)).toBe(bytes);
      // Less what goes at once: 100 ms.
      const least = (bytes * 8) / (megabits * 1e6) - 0.1;
      expect((performance.now() - started) / 1000).toBeGreaterThan(least);
    }
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
    await eventually('the policy is in force', async () => !(await webAnswers()) || undefined);
    // New pods become ready by kubelet's probes only.
    await restartWeb();
    expect(await webAnswers()).toBe(undefined);
    await cluster.must(['delete', 'networkpolicy/deny', '--wait']);
    await eventually('nothing is denied', webAnswers);
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
    await eventually('the service answers', webAnswers);
    expect(await inClient(...fetch, 'http://web.default/hostname')).toMatch(/^web-/);
  });

  it('passes a sample of Kubernetes’ own tests', async () => {
    const results = await runE2e(cluster, `sig-network.*(${SAMPLE.join('|')}).*Conformance`);
    expect(results.filter(({ outcome }) => outcome !== 'passed')).toEqual([]);
    expect(results).toHaveLength(SAMPLE.length);
  });

  it('leaves nothing on the nodes when it is uninstalled', async () => {
    const objects = ['deployment/web', 'pod/client', 'pod/far', 'pod/far-client', 'pod/slow'];
    await cluster.must(['delete', ...objects, 'service/web', 'service/far']);
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
    await isGone();
  });

  it('is installed, upgraded and removed again, as often as one likes', async () => {
    const tag = 'next';
    for (const node of cluster.nodes)
      for (const program of ['agent', 'manager', 'softswitch']) await node.tagImage(program, tag);
    for (let round = 0; round < ROUNDS; round++) {
      // Its Secrets went with its namespace.
      await prepare(cluster);
      await deploy(cluster, target);
      await cluster.nodesAreReady();
      await apply(
        podOn(0, 'client', ['pause']),
        podOn(1, 'web', ['netexec']),
        nodePortService('web', WEB, NODE_PORT),
      );
      const pods = ['pod/client', 'pod/web'];
      await cluster.must(['wait', '--for=condition=Ready', '--timeout=110s', ...pods]);
      await eventually('the service answers', webAnswers);
      await deploy(cluster, target, tag);
      expect(await cluster.must([...inProduct, 'get', 'daemonsets', '--output=wide'])).toContain(
        `agent:${tag}`,
      );
      await eventually('the service answers after the upgrade', webAnswers);
      await cluster.must(['delete', 'service/web', ...pods]);
      await uninstall(cluster);
      await isGone();
    }
  });
});
