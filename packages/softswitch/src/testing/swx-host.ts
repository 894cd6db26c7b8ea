import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Host } from '../dataplane/host/host.js';
import { HostProcesses } from '../dataplane/host/host-processes.js';
import type { HostProgram } from '../dataplane/host/host-program.js';

const DIRECTORY = fileURLToPath(new URL('../../../../tools/swx-host', import.meta.url));

/**
 * Whether this machine has, or must have (`make test`), DPDK: then tests with it fail, rather than being skipped, when
 * swx-host does not build or run.
 */
export const dpdkInstalled =
  process.env.REQUIRE_DPDK === '1' || spawnSync('pkg-config', ['--exists', 'libdpdk']).status === 0;

/**
 * Builds swx-host if it is not up to date, and tells where it is. The environment variable SWX_HOST names another build
 * to test, for instance with another version of DPDK.
 */
export function swxHost(variant: 'plain' | 'asan' = 'plain'): string {
  const { SWX_HOST } = process.env;
  if (SWX_HOST !== undefined) return SWX_HOST;
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

const HEADERS = `${DIRECTORY}/build/headers`;

/** Where the headers of DPDK's source package are, if they are there (`make headers`): with them programs can be compiled. */
export const dpdkHeaders =
  process.env.DPDK_HEADERS ?? (existsSync(`${HEADERS}/version`) ? HEADERS : undefined);

/** Compiles a program for so many ports, and gives the arguments to run that. */
export function compiled(spec: string, ports: number, directory: string): string[] {
  const [source, library] = [join(directory, 'program.spec'), join(directory, 'program.so')];
  writeFileSync(source, spec);
  const args = [
    '--spec',
    source,
    '--ports',
    `${ports}`,
    '--compile',
    library,
    '--headers',
    dpdkHeaders ?? '',
  ];
  execFileSync(swxHost(), args, { stdio: ['ignore', 'ignore', 'pipe'] });
  return ['--library', library];
}

export function dpdkProgram(args: readonly string[], binary = swxHost()): HostProgram {
  // Nothing is left of a test that was killed.
  return { kind: 'dpdk', name: 'swx-host', command: binary, args: [...args, '--die-with-parent'] };
}

/** Starts a program in a host whose files go with it. */
export async function startHost(spec: string, program: HostProgram): Promise<Host> {
  const source = await HostProcesses.open(program);
  try {
    const host = await source.start(spec);
    void host.ended.then(() => source.close());
    return host;
  } catch (error) {
    await source.close();
    throw error;
  }
}
