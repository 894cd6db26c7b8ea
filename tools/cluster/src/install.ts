import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must, programs } from '@infra-offload/testbed';
import { createTree, secretManifests } from '@infra-offload/tls-certs';
import type { Cluster } from './cluster.js';
import { type TargetKind, targetConfig } from './node-config.js';
import { installDns } from './dns/deployment.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const NAMESPACE = 'infra-offload';

/** Installs infra-offload as its guide says: certificates, a target on each node, and the manifests of an overlay. */
export async function install(cluster: Cluster, target: TargetKind): Promise<void> {
  const certificates = join(cluster.directory, 'certs');
  await createTree(certificates);
  await cluster.must(['apply', '--filename', join(ROOT, 'deploy/base/common/namespace.yaml')]);
  const items = secretManifests(certificates, NAMESPACE);
  await cluster.must(['apply', '--filename', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  for (const node of cluster.nodes) {
    const config = join(cluster.directory, node.name, 'softswitch.yaml');
    writeFileSync(config, targetConfig(certificates, target));
    const softswitch = node.service('softswitch', process.execPath, [
      programs.softswitch,
      '--config',
      config,
    ]);
    await softswitch.start(async () => softswitch.tail().includes('softswitch ready'));
  }
  await deploy(cluster, ['up', 'standalone']);
  await cluster.nodesAreReady();
  await installDns(cluster);
}

/** Removes it from the cluster, and from what is on the nodes, all but the targets. */
export function uninstall(cluster: Cluster): Promise<void> {
  return deploy(cluster, ['down']);
}

async function deploy(cluster: Cluster, args: readonly string[]): Promise<void> {
  await must(join(ROOT, 'scripts/deploy.sh'), args, {
    env: { ...process.env, KUBECTL: cluster.kubectlCommand },
    timeoutMs: 600_000,
  });
}
