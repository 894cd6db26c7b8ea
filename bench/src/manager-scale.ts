/**
 * infra-manager at scale: a softswitch process, a manager process, and this process as the agent. Prints how fast a cold
 * start programs all services, how long the change of one EndpointSlice takes there and among few services, and what a
 * restart of the manager costs.
 *
 *   node --import tsx --conditions @infra-offload/source bench/src/manager-scale.ts [services] [endpoints]
 *
 * With MANAGER_DIST=1 the built programs (dist/cli.js) run instead of the sources.
 */
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
  Protocol,
  type StatusResponse,
  type SyncResponse,
  type WantedObject,
} from '@infra-offload/infra-api';

const SERVICES = Number(process.argv[2] ?? 10_000);
const ENDPOINTS = Number(process.argv[3] ?? 10);
const FEW = 100;
const SLICE_CHANGES = 500;
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
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  processes.add(child);
  child.on('exit', () => processes.delete(child));
  const value = await new Promise<T>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${folder} ended with ${code}`)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      const found = ready(line);
      if (found !== undefined) resolve(found);
      else if (process.env.VERBOSE === '1') console.error(line);
    });
  });
  return { child, value };
}

async function startManager(p4runtime: string, gnmi: string) {
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
        '--metrics-listen',
        '127.0.0.1:0',
      ],
      ...['--state-directory', state],
      ...['--tls-mode', 'insecure', '--p4runtime-tls-mode', 'insecure', '--gnmi-tls-mode', 'insecure'],
    ],
    (line) => {
      const log = JSON.parse(line) as { msg?: string; listen?: string; metrics?: string };
      return log.msg === 'infra-manager runs'
        ? { listen: log.listen ?? '', metrics: log.metrics ?? '' }
        : undefined;
    },
  );
  while (!(await fetch(`http://${value.metrics}/readyz`)).ok)
    await new Promise((resolve) => setTimeout(resolve, 20));
  return { child, listen: value.listen, readyMs: performance.now() - began };
}

async function stop(child: ChildProcess): Promise<void> {
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
}

function service(i: number, replaced = -1): WantedObject {
  return {
    object: {
      $case: 'service',
      value: {
        namespace: 'bench',
        name: `service-${i}`,
        portName: 'http',
        protocol: Protocol.PROTOCOL_TCP,
        frontends: [{ address: `10.96.${i >> 8}.${i & 255}`, port: 80 }],
        endpoints: Array.from({ length: ENDPOINTS }, (_, slot) => ({
          address: `10.${slot === replaced ? 200 : 128 + slot}.${i >> 8}.${i & 255}`,
          port: 8080,
          weight: 1,
        })),
        sessionAffinity: undefined,
        conditions: [],
      },
    },
  };
}

type Body = NonNullable<Change['change']>;
const upsert = (value: WantedObject): Body => ({ $case: 'upsert', value });

/** Plays the agent. */
class Agent {
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

/** Milliseconds from the Sync message to the answer that the change is programmed, of many changes one by one. */
async function sliceChanges(
  agent: Agent,
  services: number,
): Promise<{ readonly p50: number; readonly p99: number }> {
  const times: number[] = [];
  const warmUp = 50;
  for (let i = 0; i < SLICE_CHANGES + warmUp; i++) {
    const which = (i * 7919) % services;
    const change = [upsert(service(which, i % ENDPOINTS))];
    const began = performance.now();
    await agent.apply(change);
    if (i >= warmUp) times.push(performance.now() - began);
  }
  times.sort((a, b) => a - b);
  return {
    p50: times[Math.floor(times.length * 0.5)] ?? 0,
    p99: times[Math.floor(times.length * 0.99)] ?? 0,
  };
}

function memoryMb(pid: number | undefined, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? 0) / 1024;
}

/** Seconds of CPU that a process has used. */
function cpuSeconds(pid: number | undefined): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

const ms = (value: number) => `${value.toFixed(2)} ms`;

async function main(): Promise<void> {
  const { value: target, child: softswitch } = await start(
    'packages/softswitch',
    [
      '--p4runtime',
      '127.0.0.1:0',
      '--gnmi',
      '127.0.0.1:0',
      '--taps',
      '0',
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
  let manager = await startManager(target.p4runtime, target.gnmi);
  let agent = new Agent(manager.listen);

  await agent.snapshot(Array.from({ length: FEW }, (_, i) => service(i)));
  const few = await sliceChanges(agent, FEW);
  await agent.snapshot([]);

  const objects = Array.from({ length: SERVICES }, (_, i) => service(i));
  const before = await agent.status();
  const { pid } = manager.child;
  const cpu = { manager: cpuSeconds(pid), softswitch: cpuSeconds(softswitch.pid), agent: process.cpuUsage() };
  const began = performance.now();
  await agent.snapshot(objects);
  const coldMs = performance.now() - began;
  const used = {
    manager: cpuSeconds(pid) - cpu.manager,
    softswitch: cpuSeconds(softswitch.pid) - cpu.softswitch,
    agent: process.cpuUsage(cpu.agent).user / 1e6,
  };
  const after = await agent.status();
  const entities = Number((after.target?.updatesWritten ?? 0n) - (before.target?.updatesWritten ?? 0n));
  const writes = Number((after.target?.writeRequests ?? 0n) - (before.target?.writeRequests ?? 0n));
  console.log(`cold start, ${SERVICES} services x ${ENDPOINTS} endpoints:`);
  console.log(
    `  ${entities} entities in ${writes} writes, ${ms(coldMs)}: ${Math.round((entities / coldMs) * 1000)} entities/s`,
  );
  console.log(
    `  counting members of groups: ${Math.round(((entities + SERVICES * ENDPOINTS) / coldMs) * 1000)} entities/s`,
  );
  console.log(`  degraded objects: ${after.degraded}`);
  console.log(
    `  CPU: manager ${used.manager.toFixed(2)} s, softswitch ${used.softswitch.toFixed(2)} s, this agent ${used.agent.toFixed(2)} s`,
  );
  console.log(
    `  manager: ${Math.round(memoryMb(pid, 'VmRSS'))} MB resident, ${Math.round(memoryMb(pid, 'VmHWM'))} MB at most`,
  );

  const many = await sliceChanges(agent, SERVICES);
  console.log(`one EndpointSlice changed, Sync message to programmed (${SLICE_CHANGES} times):`);
  console.log(`  among ${FEW} services: p50 ${ms(few.p50)}, p99 ${ms(few.p99)}`);
  console.log(
    `  among ${SERVICES} services: p50 ${ms(many.p50)}, p99 ${ms(many.p99)} (p50 x${(many.p50 / few.p50).toFixed(2)})`,
  );

  agent.close();
  await stop(manager.child);
  manager = await startManager(target.p4runtime, target.gnmi);
  agent = new Agent(manager.listen);
  const restarted = await agent.status();
  console.log('restart of the manager:');
  console.log(`  ready after ${ms(manager.readyMs)}, ${restarted.target?.updatesWritten} entities written`);
  console.log(
    `  programmed ${restarted.programmed}, pending ${restarted.pending}, degraded ${restarted.degraded}`,
  );
  console.log(`  manager: ${Math.round(memoryMb(manager.child.pid, 'VmRSS'))} MB resident`);
  agent.close();
}

await main();
for (const child of [...processes]) await stop(child);
