import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must } from '@infra-offload/testbed';
import { SANDBOX_IMAGE } from './node-config.js';

const SCRIPT = fileURLToPath(new URL('../../../images/archives.sh', import.meta.url));
export const DNS_IMAGE = 'docker.io/infra-offload/cluster-dns:latest';
const DNS_PROGRAM = fileURLToPath(new URL('../dist/dns/dns.js', import.meta.url));
/** The first time it makes the base images, too. */
const BUILD_MS = 1_800_000;

/** Builds all images that the cluster's pods have; gives their archives. */
export async function buildImages(bin: string, directory: string): Promise<readonly string[]> {
  const { agnhost, standIns } = await testImages(bin);
  await must(SCRIPT, [directory], {
    timeoutMs: BUILD_MS,
    env: {
      ...process.env,
      AGNHOST: join(bin, 'agnhost'),
      AGNHOST_IMAGES: [agnhost, ...standIns].join(' '),
      DNS: DNS_PROGRAM,
      DNS_IMAGE,
      PAUSE: join(bin, 'pause'),
      PAUSE_IMAGE: SANDBOX_IMAGE,
    },
  });
  return readdirSync(directory).map((name) => join(directory, name));
}

/** The images that Kubernetes' own tests of this release have. */
export interface TestImages {
  readonly agnhost: string;
  /** Others of which the tests of networks need no more than that agnhost has: to ask for names, or just to run. */
  readonly standIns: readonly string[];
}

export async function testImages(bin: string): Promise<TestImages> {
  const names = (await must(join(bin, 'e2e.test'), ['--list-images'])).split('\n');
  const versions = (image: string) => {
    const found = names
      .filter((name) => name.startsWith(`registry.k8s.io/e2e-test-images/${image}:`))
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    if (found.length === 0) throw new Error(`${bin}/e2e.test names no image of ${image}`);
    return found;
  };
  const [agnhost = ''] = versions('agnhost').slice(-1);
  return { agnhost, standIns: ['glibc-dns-testing', 'nginx'].flatMap(versions) };
}
