import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { must } from '@infra-offload/testbed';
import { SANDBOX_IMAGE } from './node-config.js';

const SCRIPT = fileURLToPath(new URL('../../../images/archives.sh', import.meta.url));
/** The first time it makes the base images, too. */
const BUILD_MS = 1_800_000;

/** Builds all images that the cluster's pods have; gives their archives. */
export async function buildImages(bin: string, directory: string): Promise<readonly string[]> {
  const { agnhost } = await testImages(bin);
  await must(SCRIPT, [directory], {
    timeoutMs: BUILD_MS,
    env: {
      ...process.env,
      AGNHOST: join(bin, 'agnhost'),
      AGNHOST_IMAGE: agnhost,
      PAUSE: join(bin, 'pause'),
      PAUSE_IMAGE: SANDBOX_IMAGE,
    },
  });
  return ['pause', 'agent', 'manager', 'agnhost'].map((name) => join(directory, `${name}.tar`));
}

/** The images that Kubernetes' own tests of this release have. */
export async function testImages(bin: string): Promise<{ readonly agnhost: string }> {
  const names = (await must(join(bin, 'e2e.test'), ['--list-images'])).split('\n');
  const agnhost = names
    .filter((name) => /^registry\.k8s\.io\/e2e-test-images\/agnhost:/.test(name))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .at(-1);
  if (agnhost === undefined) throw new Error(`${bin}/e2e.test names no image of agnhost`);
  return { agnhost };
}
