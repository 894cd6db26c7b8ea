import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const DIRECTORY = fileURLToPath(new URL('../../../../tools/swx-host', import.meta.url));

/** Whether this machine can have swx-host: then tests with it fail, rather than being skipped, when it does not run. */
export const dpdkInstalled = spawnSync('pkg-config', ['--exists', 'libdpdk']).status === 0;

/** Builds swx-host if it is not up to date, and tells where it is. */
export function swxHost(variant: 'plain' | 'asan' = 'plain'): string {
  // Test files run at the same time; only one of them may build.
  execFileSync(
    'flock',
    [`${DIRECTORY}/Makefile`, 'make', '-s', '-C', DIRECTORY, variant === 'asan' ? 'asan' : 'all'],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  return `${DIRECTORY}/build/${variant === 'asan' ? 'asan/' : ''}swx-host`;
}
