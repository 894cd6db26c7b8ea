import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must, programs } from '@infra-offload/testbed';
import type { Cluster } from './cluster.js';
import { installDns } from './dns/deployment.js';
import { type TargetKind, targetConfig } from './node-config.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Installs infra-offload by the commands of its guide, the targets included, and then DNS. */
export async function install(cluster: Cluster, target: TargetKind): Promise<void> {
  await prepare(cluster, target);
  await deploy(cluster);
  await cluster.nodesAreReady();
  await installDns(cluster);
}

/** Certificates, and a target on each node. */
export async function prepare(cluster: Cluster, target: TargetKind): Promise<void> {
  await make(cluster, 'gen-certs');
  await make(cluster, 'tls-secrets');
  for (const node of cluster.nodes) {
    const config = join(cluster.directory, node.name, 'softswitch.yaml');
    writeFileSync(config, targetConfig(certificates(cluster), target));
    const softswitch = node.service('softswitch', process.execPath, [
      programs.softswitch,
      '--config',
      config,
    ]);
    await softswitch.start(async () => softswitch.tail().includes('softswitch ready'));
  }
}

export function deploy(cluster: Cluster): Promise<void> {
  return make(cluster, 'deploy', 'OVERLAY=standalone');
}

/** Removes it from the cluster, and from what is on the nodes, all but the targets. */
export function uninstall(cluster: Cluster): Promise<void> {
  return make(cluster, 'undeploy');
}

function certificates(cluster: Cluster): string {
  return join(cluster.directory, 'certs');
}

/** As the guide has it, but what is built is not built again. */
async function make(cluster: Cluster, ...words: readonly string[]): Promise<void> {
  await must(
    'make',
    ['--directory', ROOT, '--assume-old=build', `CERTS=${certificates(cluster)}`, ...words],
    { env: cluster.environment, timeoutMs: 600_000 },
  );
}
