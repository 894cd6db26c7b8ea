import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must } from '@infra-offload/testbed';
import { stringify } from 'yaml';
import type { Cluster } from './cluster.js';
import { installDns } from './dns/deployment.js';
import type { TargetKind } from './node-config.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

/** Installs infra-offload by the commands of its guide, the targets included, and then DNS. */
export async function install(cluster: Cluster, target: TargetKind): Promise<void> {
  await prepare(cluster);
  await deploy(cluster, target);
  await cluster.nodesAreReady();
  await installDns(cluster);
}

/** Certificates. */
export async function prepare(cluster: Cluster): Promise<void> {
  await make(cluster, 'gen-certs');
  await make(cluster, 'tls-secrets');
}

/** @param tag of the images; those of the working tree if left out. */
export function deploy(cluster: Cluster, target: TargetKind, tag?: string): Promise<void> {
  const overlay = target === 'engine' ? 'standalone' : dpdkOverlay(cluster);
  return make(cluster, 'deploy', `OVERLAY=${overlay}`, ...(tag === undefined ? [] : [`TAG=${tag}`]));
}

/** Removes it from the cluster, and what of it is on the nodes. */
export function uninstall(cluster: Cluster): Promise<void> {
  return make(cluster, 'undeploy');
}

/** An overlay of one's own: standalone, with DPDK. */
function dpdkOverlay(cluster: Cluster): string {
  const directory = join(cluster.directory, 'overlay');
  mkdirSync(directory, { recursive: true });
  const there = (folder: string) => relative(directory, join(ROOT, 'deploy', folder));
  const overlay = { resources: [there('overlays/standalone')], components: [there('components/dpdk')] };
  writeFileSync(join(directory, 'kustomization.yaml'), stringify(overlay));
  return directory;
}

/** As the guide has it, but what is built is not built again. */
async function make(cluster: Cluster, ...words: readonly string[]): Promise<void> {
  await must(
    'make',
    ['--directory', ROOT, '--assume-old=tls-certs', `CERTS=${join(cluster.directory, 'certs')}`, ...words],
    { env: cluster.environment, timeoutMs: 600_000 },
  );
}
