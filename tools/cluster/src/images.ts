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
  const { agnhost, resolver } = await testImages(bin);
  await must(SCRIPT, [directory], {
    timeoutMs: BUILD_MS,
    env: {
      ...process.env,
      AGNHOST: join(bin, 'agnhost'),
      AGNHOST_IMAGES: `${agnhost} ${resolver}`,
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
  /** Where names are asked for; it may be agnhost, too. */
  readonly resolver: string;
}

export async function testImages(bin: string): Promise<TestImages> {
  const names = (await must(join(bin, 'e2e.test'), ['--list-images'])).split('\n');
  const newest = (image: string) => {
    const found = names
      .filter((name) => name.startsWith(`registry.k8s.io/e2e-test-images/${image}:`))
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
      .at(-1);
    if (found === undefined) throw new Error(`${bin}/e2e.test names no image of ${image}`);
    return found;
  };
  return { agnhost: newest('agnhost'), resolver: newest('glibc-dns-testing') };
}
