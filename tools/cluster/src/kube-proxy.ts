import { join } from 'node:path';
import { eventually, type ServiceProcess } from '@infra-offload/testbed';
import { type Cluster, POD_RANGE } from './cluster.js';
import { installDns } from './dns/deployment.js';
import type { ClusterNode } from './node.js';

const HEALTH = 'http://127.0.0.1:10256/livez';

/**
 * Installs what clusters have without infra-offload: kube-proxy (nftables) and the CNI project's plugins `bridge` and `portmap`, with
 * routes between nodes, and then DNS.
 *
 * @returns kube-proxy of each node, by the node's name
 */
export async function installKubeProxy(cluster: Cluster): Promise<ReadonlyMap<string, ServiceProcess>> {
  const proxies = new Map<string, ServiceProcess>();
  for (const node of cluster.nodes) {
    const range = await podRange(cluster, node);
    for (const other of cluster.nodes)
      if (other !== node) await other.must('ip', ['route', 'add', range, 'via', node.address]);
    // Replies of pods on the same bridge have to be translated back.
    await node.must('sysctl', ['--quiet', '--write', 'net.bridge.bridge-nf-call-iptables=1']);
    await node.must('sh', ['-c', 'cat >/etc/cni/net.d/10-bridge.conflist'], { input: conflist(range) });
    const proxy = node.service('kube-proxy', join(cluster.bin, 'kube-proxy'), [
      ...['--kubeconfig', cluster.controlPlane.adminConfig, '--hostname-override', node.name],
      ...['--proxy-mode', 'nftables', '--cluster-cidr', POD_RANGE],
      // The limits of connection tracking are the machine's.
      ...['--conntrack-max-per-core', '0', '--conntrack-min', '0'],
    ]);
    await proxy.start(() => isHealthy(node));
    proxies.set(node.name, proxy);
  }
  await cluster.nodesAreReady();
  await installDns(cluster);
  return proxies;
}

export async function isHealthy(node: ClusterNode): Promise<boolean> {
  return (await node.run('curl', ['--silent', '--fail', HEALTH])).code === 0;
}

function podRange(cluster: Cluster, { name }: ClusterNode): Promise<string> {
  return eventually(`${name} has a range of addresses for pods`, async () => {
    const range = await cluster.must(['get', 'node', name, '--output=jsonpath={.spec.podCIDR}']);
    return range === '' ? undefined : range;
  });
}

function conflist(subnet: string): string {
  return JSON.stringify({
    cniVersion: '1.0.0',
    name: 'bridge',
    plugins: [
      {
        type: 'bridge',
        bridge: 'cni0',
        isGateway: true,
        hairpinMode: true,
        ipam: { type: 'host-local', ranges: [[{ subnet }]], routes: [{ dst: '0.0.0.0/0' }] },
      },
      { type: 'portmap', capabilities: { portMappings: true }, snat: true },
    ],
  });
}
