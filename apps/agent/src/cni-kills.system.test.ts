import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DeadlyCommands, type Kill } from './testing/deadly-commands.js';
import { FakeManager } from './testing/fake-manager.js';
import { FaultyIpam } from './testing/faulty-ipam.js';
import type { PluginJson, PluginResult } from './testing/harness.js';
import { eventually, links, TestNetwork } from './testing/network.js';

const root = fileURLToPath(new URL('..', import.meta.url));
let build: string;
let network: TestNetwork;
let manager: FakeManager;
let commands: DeadlyCommands;
let ipam: FaultyIpam;
let netns: string;
let taps: string[];
let agent: ChildProcess | undefined;

beforeAll(async () => {
  build = mkdtempSync(join(tmpdir(), 'infra-cni-kills-'));
  const tsup = join(root, '../../node_modules/.bin/tsup');
  await promisify(execFile)(tsup, ['--out-dir', build], { cwd: root });
  network = new TestNetwork();
  manager = await new FakeManager().start();
  commands = new DeadlyCommands(network.directory);
  ipam = new FaultyIpam(network.directory);
  netns = network.addNetns('pod');
  // One TAP for pods: if any run kept it, no later ADD could succeed.
  network.addTaps(2);
  taps = tapsWithMacs();
});

afterAll(async () => {
  await stopAgent();
  manager.kill();
  network.cleanUp();
  rmSync(build, { recursive: true, force: true });
});

beforeEach(async () => {
  if (!isAgentRunning()) await startAgent();
  expect(leftovers()).toEqual([]);
});

const socket = () => join(network.directory, 'run', 'cni.sock');
const stateDirectory = () => join(network.directory, 'state', 'tap');

async function startAgent(): Promise<void> {
  const node = ['--import', 'tsx', '--conditions', '@infra-offload/source', join(root, 'src/cli.ts')];
  const config = join(network.directory, 'agent.yaml');
  const settings = {
    managerAddress: manager.address,
    tls: { mode: 'insecure' },
    tapPrefix: network.prefix,
    cniSocket: socket(),
    stateDirectory: join(network.directory, 'state'),
    monitoring: { listen: '127.0.0.1:0' },
  };
  writeFileSync(config, JSON.stringify(settings));
  const env = { ...process.env, PATH: `${commands.directory}:${process.env.PATH}` };
  const before = manager.streams;
  agent = spawn(process.execPath, [...node, '--config', config], {
    cwd: root,
    env,
    stdio: 'ignore',
  });
  await eventually(() => manager.streams > before && manager.lastRevision > 0n, 'the agent is connected');
  await eventually(async () => (await cni('STATUS')).exitCode === 0, 'the agent is ready');
}

function isAgentRunning(): boolean {
  return agent !== undefined && agent.exitCode === null && agent.signalCode === null;
}

async function stopAgent(): Promise<void> {
  if (!isAgentRunning()) return;
  const exited = new Promise((resolve) => agent?.once('exit', resolve));
  agent?.kill('SIGTERM');
  await exited;
}

/** Runs the built infra-cni as libcni does: the CNI environment, the configuration on standard input. */
function cni(command: string): Promise<PluginResult> {
  return new Promise((resolve, reject) => {
    const env = {
      PATH: process.env.PATH,
      CNI_COMMAND: command,
      CNI_CONTAINERID: 'c1',
      CNI_NETNS: netns,
      CNI_IFNAME: 'eth0',
      CNI_ARGS: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart',
      CNI_PATH: `${ipam.directory}:/usr/lib/cni`,
    };
    const child = spawn(join(build, 'infra-cni.js'), [], { env, stdio: ['pipe', 'pipe', 'ignore'] });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stdin.end(
      JSON.stringify({
        cniVersion: '1.0.0',
        name: 'pods',
        type: 'infra-cni',
        socket: socket(),
        ipam: {
          type: 'host-local',
          dataDir: join(network.directory, 'ipam'),
          ranges: [[{ subnet: '10.244.7.0/24' }]],
        },
      }),
    );
    child.once('error', reject);
    child.once('close', (code) => {
      const json: PluginJson | undefined = stdout === '' ? undefined : JSON.parse(stdout);
      resolve({ exitCode: code ?? 128, json });
    });
  });
}

function tapsWithMacs(): string[] {
  return links()
    .filter(({ ifname }) => ifname.startsWith(network.prefix))
    .map(({ ifname, address }) => `${ifname} ${address}`);
}

/** What is where it should not be; empty if nothing is. */
function leftovers(): string[] {
  const leases = join(network.directory, 'ipam', 'pods');
  return [
    ...(existsSync(leases) ? readdirSync(leases) : []).filter((name) => name.startsWith('10.')),
    ...readdirSync(stateDirectory()),
    ...[...manager.pods.keys()].map((id) => `manager: ${id}`),
    ...links(netns).flatMap(({ ifname }) => (ifname === 'lo' ? [] : [`in the pod: ${ifname}`])),
    ...taps.filter((tap) => !tapsWithMacs().includes(tap)).map((tap) => `missing: ${tap}`),
  ];
}

async function expectClean(): Promise<void> {
  await eventually(() => leftovers().length === 0, 'clean').catch(() => {});
  expect(leftovers()).toEqual([]);
}

/** What a runtime does after an ADD or DEL that failed; then a pod from beginning to end. */
async function expectRecovery(): Promise<void> {
  expect(await cni('DEL')).toEqual({ exitCode: 0, json: undefined });
  await expectClean();
  expect(await cni('ADD')).toMatchObject({ exitCode: 0 });
  expect(links(netns).map(({ ifname }) => ifname)).toContain('eth0');
  expect(await cni('DEL')).toEqual({ exitCode: 0, json: undefined });
  await expectClean();
}

/** Kills the agent as soon as its state file says so. */
function killWhenWritten(text: string): { close(): void } {
  return watch(stateDirectory(), () => {
    const files = readdirSync(stateDirectory()).filter((name) => name.endsWith('.json'));
    const texts = files.map((name) => readFileSync(join(stateDirectory(), name), 'utf8'));
    if (texts.some((each) => each.includes(text))) agent?.kill('SIGKILL');
  });
}

describe('an agent that is killed', () => {
  it.each<Kill>([
    { command: 'ip link set', when: 'before' },
    { command: 'ip link set', when: 'after' },
    { command: 'nsenter ip -batch', when: 'before' },
    { command: 'nsenter ip -batch', when: 'halfway' },
    { command: 'nsenter ip -batch', when: 'after' },
  ])('in ADD, $when $command, leaves nothing behind when it is back', async (kill) => {
    commands.arm(kill);
    expect(await cni('ADD')).toMatchObject({ exitCode: 1, json: { code: 11 } });
    expect(commands.isArmed).toBe(false);
    await startAgent();
    // Before the runtime says anything: the agent has undone it, and infra-cni has given the address back.
    await expectClean();
    await expectRecovery();
  });

  it.each<Kill>([
    { command: 'nsenter ip -details', when: 'before' },
    { command: 'nsenter ip link set', when: 'before' },
    { command: 'nsenter ip link set', when: 'after' },
  ])('in DEL, $when $command, lets the next DEL finish it', async (kill) => {
    expect(await cni('ADD')).toMatchObject({ exitCode: 0 });
    commands.arm(kill);
    expect(await cni('DEL')).toMatchObject({ exitCode: 1, json: { code: 11 } });
    expect(commands.isArmed).toBe(false);
    await startAgent();
    await expectRecovery();
  });

  it.each(['AddPod', 'DeletePod'])('while the manager works on %s, leaves nothing behind', async (call) => {
    const kill = () => {
      manager.onAddPod = () => {};
      manager.onDeletePod = () => {};
      agent?.kill('SIGKILL');
    };
    if (call === 'AddPod') {
      manager.onAddPod = kill;
      expect(await cni('ADD')).toMatchObject({ exitCode: 1, json: { code: 11 } });
    } else {
      expect(await cni('ADD')).toMatchObject({ exitCode: 0 });
      manager.onDeletePod = kill;
      expect(await cni('DEL')).toMatchObject({ exitCode: 1, json: { code: 11 } });
    }
    await startAgent();
    await expectRecovery();
  });

  it.each(['"allocated"', '"attached"'])('when its state file has just said %s', async (text) => {
    const watcher = killWhenWritten(text);
    try {
      // With the second one, infra-cni may have had its answer just before.
      const { exitCode } = await cni('ADD');
      if (text === '"allocated"') expect(exitCode).toBe(1);
      await eventually(() => agent?.signalCode === 'SIGKILL', 'killed');
    } finally {
      watcher.close();
    }
    await startAgent();
    await expectRecovery();
  });
});

describe('infra-cni that is killed', () => {
  it('after it has got an address leaves nothing behind the DEL of the runtime', async () => {
    ipam.arm('ADD kills infra-cni after it');
    expect(await cni('ADD')).toMatchObject({ exitCode: 128 });
    expect(leftovers()).toEqual([expect.stringMatching(/^10\.244\.7\./)]);
    await expectRecovery();
  });
});
