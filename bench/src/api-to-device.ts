/**
 * From the Kubernetes API to the device, with every process real: infra-agent, infra-manager and softswitch, and this one as
 * the API server. Prints what a cold start with 10,000 services and 100,000 endpoints costs, and how long the change of one
 * EndpointSlice takes from the write at the API server until the device has the group of endpoints: a second P4Runtime
 * client, which only reads, looks for it there. As root, after `make build`; it all happens in a network namespace.
 *
 *   node scripts/bench.mjs api-to-device
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { FakeApiServer, type ObjectInput } from '@infra-offload/k8s-watch/testing';
import { P4RuntimeSession } from '@infra-offload/p4rt';
import type { Entity } from '@infra-offload/p4rt/proto';
import { k8sDp } from '@infra-offload/p4src';
import { endpointSlice, eventually, service } from '@infra-offload/testbed';

const SERVICES = Number(process.argv[2] ?? 10_000);
const ENDPOINTS = Number(process.argv[3] ?? 10);
const CHANGES = 500;
const WARM_UP = 50;
const TICKS_PER_SECOND = 100;
const P4RUNTIME = '127.0.0.1:9559';
const METRICS = '127.0.0.1:50012';

const repository = fileURLToPath(new URL('../../', import.meta.url));

function address(base: number, index: number): string {
  const value = base + index;
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}

const clusterIp = (index: number) => address(0x0a600001, index);

function objects(index: number, round = 0): [ObjectInput, ObjectInput] {
  const options = {
    name: `service-${index}`,
    clusterIp: clusterIp(index),
    ports: [{ name: 'http', port: 80, targetPort: 8080 }],
  };
  const endpoints = Array.from({ length: ENDPOINTS }, (_, slot) => {
    const other = slot === 0 && round > 0;
    return { ip: address(other ? 0x0b000000 : 0x0ac80001, other ? round : index * ENDPOINTS + slot) };
  });
  return [service(options) as ObjectInput, endpointSlice(options, endpoints) as ObjectInput];
}

/** Runs itself again in a network namespace of its own, where addresses and ports are free. */
function enterNamespace(): void {
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const script = 'ip link set lo up && exec "$@"';
  const args = ['--net', '--', 'sh', '-c', script, 'sh', ...again];
  const { status } = spawnSync('unshare', args, {
    stdio: 'inherit',
    env: { ...process.env, IN_NAMESPACE: '1' },
  });
  process.exit(status ?? 1);
}

const directory = mkdtempSync(join(tmpdir(), 'api-to-device-'));
const children = new Map<string, ChildProcess>();

function start(name: string, program: string, args: readonly string[]): void {
  const command = [join(repository, program, 'dist/cli.js'), ...args];
  // What goes wrong shows; what goes well would be a line for each service.
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'ignore', 'inherit'] });
  children.set(name, child);
}

async function stop(name: string): Promise<void> {
  const child = children.get(name);
  if (child === undefined || child.exitCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  // What SIGTERM would leave, the data plane of the softswitch, is to end, too.
  child.kill('SIGINT');
  await gone;
}

/** What a process has used so far. */
function usage(name: string): string {
  const pid = children.get(name)?.pid;
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const mb = (field: string) =>
    (Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024).toFixed(0);
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  const seconds = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
  return `${name}: ${seconds.toFixed(1)} s CPU, ${mb('VmRSS')} MB resident, ${mb('VmHWM')} MB at most`;
}

async function isProgrammed(): Promise<boolean> {
  for (const [name, { exitCode }] of children) {
    if (exitCode !== null) throw new Error(`${name} ended with ${exitCode}`);
  }
  const text = await (await fetch(`http://${METRICS}/metrics`)).text();
  const value = (metric: string) => Number(new RegExp(`^${metric} (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
  const services = value('infra_manager_objects\\{kind="service",state="programmed"\\}');
  return value('infra_manager_target_in_sync') === 1 && services === SERVICES;
}

const { service: services, endpoint_group: groups } = k8sDp.tables;
const { endpoint_selector: selector } = k8sDp.actionProfiles;

/** Reads one entity. To the end, since a server takes many reads that are broken off for an attack. */
async function readOne(session: P4RuntimeSession, key: Entity): Promise<Entity> {
  let found: Entity | undefined;
  for await (const entity of session.read(key)) found = entity;
  if (found === undefined) throw new Error('the device does not have what was programmed');
  return found;
}

/** The selector's group of a service. */
async function groupOf(session: P4RuntimeSession, index: number): Promise<number> {
  const frontend = services.key({ dst_ip: clusterIp(index), protocol: 6, dst_port: 80 });
  const { action } = services.decode(await readOne(session, frontend));
  if (action?.name !== 'set_service') throw new Error(`service ${index} is not balanced`);
  const entry = await readOne(session, groups.key({ group_id: action.params.group_id }));
  const { action: balanced } = groups.decode(entry);
  if (balanced === undefined || !('group' in balanced)) throw new Error(`service ${index} has no group`);
  return balanced.group;
}

async function members(session: P4RuntimeSession, group: number): Promise<string> {
  const found = selector.decodeGroup(await readOne(session, selector.group(group, []))).members;
  return found
    .map(({ member }) => member)
    .sort((a, b) => a - b)
    .join();
}

/** Milliseconds from the write at the API server until the device has the change, of many changes one by one. */
async function changes(api: FakeApiServer, session: P4RuntimeSession): Promise<number[]> {
  const times: number[] = [];
  for (let i = 1; i <= CHANGES + WARM_UP; i++) {
    const index = (i * 7919) % SERVICES;
    const group = await groupOf(session, index);
    const before = await members(session, group);
    const [, slice] = objects(index, i);
    const began = performance.now();
    api.database.update(slice);
    while ((await members(session, group)) === before) await sleep(0);
    if (i > WARM_UP) times.push(performance.now() - began);
  }
  return times.sort((a, b) => a - b);
}

async function main(): Promise<void> {
  const api = await FakeApiServer.start();
  for (let index = 0; index < SERVICES; index++) {
    for (const object of objects(index)) api.database.create(object);
  }
  const kubeconfig = join(directory, 'kubeconfig');
  writeFileSync(kubeconfig, api.kubeconfig());
  let session: P4RuntimeSession | undefined;
  try {
    const began = performance.now();
    start('softswitch', 'packages/softswitch', [
      '--taps',
      '2',
      '--run-directory',
      join(directory, 'softswitch'),
      '--log-level',
      'error',
      '--tls-mode',
      'insecure',
    ]);
    const state = ['--state-directory', join(directory, 'manager')];
    const plain = [
      '--tls-mode',
      'insecure',
      '--p4runtime-tls-mode',
      'insecure',
      '--gnmi-tls-mode',
      'insecure',
    ];
    start('infra-manager', 'apps/manager', ['--monitoring-listen', METRICS, ...state, ...plain]);
    start('infra-agent', 'apps/agent', [
      ...[
        '--kubeconfig',
        kubeconfig,
        '--tls-mode',
        'insecure',
        '--service-cidrs',
        '10.96.0.0/16',
        '--node-name',
        'node-1',
      ],
      ...['--state-directory', join(directory, 'agent'), '--cni-socket', join(directory, 'cni.sock')],
    ]);
    await eventually('everything is programmed', async () => (await isProgrammed()) || undefined, {
      timeoutMs: 120_000,
      everyMs: 100,
    });
    const coldSeconds = (performance.now() - began) / 1000;
    console.log(
      `${SERVICES} services x ${ENDPOINTS} endpoints, from the start of all processes until programmed: ${coldSeconds.toFixed(1)} s`,
    );
    for (const name of children.keys()) console.log(`  ${usage(name)}`);
    session = await P4RuntimeSession.open({ address: P4RUNTIME, deviceId: 1, electionId: 1n });
    const times = await changes(api, session);
    const at = (share: number) => times[Math.floor(times.length * share)]?.toFixed(1);
    console.log(
      `one EndpointSlice changed, API server to device, ${times.length} times: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
    );
  } finally {
    session?.close();
    for (const name of ['infra-agent', 'infra-manager', 'softswitch']) await stop(name);
    await api.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

if (process.env.IN_NAMESPACE === undefined) enterNamespace();
await main();
