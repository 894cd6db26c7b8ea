/** What the benchmarks of the manager share: a softswitch process, a manager process, and this process as the agent. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { credentials } from '@grpc/grpc-js';
import {
  type Change,
  OffloadClient,
  type StatusResponse,
  type SyncResponse,
  type WantedObject,
} from '@infra-offload/infra-api';

const CHANGES_PER_MESSAGE = 200;

const root = join(dirname(fileURLToPath(import.meta.url)), '../..');
const state = mkdtempSync(join(tmpdir(), 'manager-scale-'));
const processes = new Set<ChildProcess>();
// Also after an error that nobody caught: nothing is left behind.
process.on('exit', () => {
  for (const child of processes) child.kill('SIGTERM');
  rmSync(state, { recursive: true, force: true });
});

/** Starts a program of the repository and waits for a line of its output that `ready` understands. */
async function start<T>(folder: string, args: readonly string[], ready: (line: string) => T | undefined) {
  const program =
    process.env.MANAGER_DIST === '1'
      ? [join(root, folder, 'dist/cli.js')]
      : ['--import', 'tsx', '--conditions', '@infra-offload/source', join(root, folder, 'src/cli.ts')];
  const child = spawn(process.execPath, [...program, ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  processes.add(child);
  child.on('exit', () => processes.delete(child));
  const value = await new Promise<T>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${folder} ended with ${code}`)));
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', (line) => {
        const found = ready(line);
        if (found !== undefined) resolve(found);
        else if (process.env.VERBOSE === '1' || !line.startsWith('{')) console.error(line);
      });
    }
  });
  return { child, value };
}

/** Starts a manager and waits until it is ready. */
export async function startManager(p4runtime: string, gnmi: string, more: readonly string[] = []) {
  const began = performance.now();
  const { child, value } = await start(
    'apps/manager',
    [
      ...[
        '--p4runtime',
        p4runtime,
        '--gnmi',
        gnmi,
        '--listen',
        '127.0.0.1:0',
        '--monitoring-listen',
        '127.0.0.1:0',
      ],
      ...['--state-directory', state],
      ...more,
      ...['--tls-mode', 'insecure', '--p4runtime-tls-mode', 'insecure', '--gnmi-tls-mode', 'insecure'],
    ],
    (line) => {
      if (!line.includes('infra-manager runs')) return undefined;
      const { listen = '', monitoring = '' } = JSON.parse(line) as { listen?: string; monitoring?: string };
      return { listen, monitoring };
    },
  );
  while (!(await fetch(`http://${value.monitoring}/readyz`)).ok)
    await new Promise((resolve) => setTimeout(resolve, 20));
  return { child, listen: value.listen, readyMs: performance.now() - began };
}

export async function stop(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  // What SIGTERM would leave, the data plane of a softswitch, is to end, too.
  child.kill('SIGINT');
  await gone;
}

/** Stops everything that was started. */
export async function stopAll(): Promise<void> {
  for (const child of [...processes]) await stop(child);
}

/** Starts a softswitch without interfaces. */
export async function startSoftswitch() {
  const { value: target, child } = await start(
    'packages/softswitch',
    [
      '--p4runtime',
      '127.0.0.1:0',
      '--gnmi',
      '127.0.0.1:0',
      '--taps',
      '0',
      '--run-directory',
      join(state, 'softswitch'),
      '--tls-mode',
      'insecure',
      '--log-level',
      'error',
    ],
    (line) => {
      const [, p4runtime, gnmi] = /p4runtime (\S+), gnmi (\S+),/.exec(line) ?? [];
      return p4runtime === undefined || gnmi === undefined ? undefined : { p4runtime, gnmi };
    },
  );
  return { target, child };
}

export type Body = NonNullable<Change['change']>;
export const upsert = (value: WantedObject): Body => ({ $case: 'upsert', value });

/** Plays the agent. */
export class Agent {
  readonly #client: OffloadClient;
  readonly #stream: ReturnType<OffloadClient['sync']>;
  #revision = 0n;
  #applied = 0n;
  #wake: () => void = () => undefined;

  constructor(address: string) {
    this.#client = new OffloadClient(address, credentials.createInsecure());
    this.#stream = this.#client.sync();
    this.#stream.on('data', (response: SyncResponse) => {
      this.#applied = response.appliedRevision;
      this.#wake();
    });
    this.#stream.on('error', (error) => {
      if (!this.#closed) throw error;
    });
  }
  #closed = false;

  async apply(bodies: readonly Body[]): Promise<void> {
    for (let i = 0; i < bodies.length; i += CHANGES_PER_MESSAGE) {
      const changes = bodies
        .slice(i, i + CHANGES_PER_MESSAGE)
        .map((change) => ({ revision: ++this.#revision, change }));
      if (!this.#stream.write({ changes }))
        await new Promise((resolve) => this.#stream.once('drain', resolve));
    }
    while (this.#applied < this.#revision) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  snapshot(objects: readonly WantedObject[]): Promise<void> {
    return this.apply([
      { $case: 'snapshotBegin', value: { nodeName: 'bench' } },
      ...objects.map(upsert),
      { $case: 'snapshotEnd', value: {} },
    ]);
  }

  status(): Promise<StatusResponse> {
    return new Promise((resolve, reject) => {
      this.#client.status({ allObjects: false }, (error, response) =>
        error ? reject(error) : resolve(response),
      );
    });
  }

  close(): void {
    this.#closed = true;
    this.#stream.cancel();
    this.#client.close();
  }
}

export function memoryMb(pid: number | undefined, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024;
}

/** Seconds of CPU that a process has used. */
export function cpuSeconds(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

export const ms = (value: number) => `${value.toFixed(2)} ms`;
