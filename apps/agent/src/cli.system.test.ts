import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FakeManager } from './testing/fake-manager.js';
import { eventually } from './testing/network.js';

const root = fileURLToPath(new URL('..', import.meta.url));
let directory: string;
let running: ChildProcess[];

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infra-agent-cli-'));
  running = [];
});

afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
  rmSync(directory, { recursive: true, force: true });
});

function start(args: string[], env: Record<string, string> = {}) {
  const node = ['--import', 'tsx', '--conditions', '@infra-offload/source', join(root, 'src/cli.ts')];
  const child = spawn(process.execPath, [...node, ...args], { cwd: root, env: { ...process.env, ...env } });
  running.push(child);
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  return { child, exited, stderr: () => stderr };
}

/** Empty when there is no such process. */
function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

describe('infra-agent', () => {
  it.each<[string, string[], Record<string, string>, number, RegExp]>([
    ['mtuu: 1500', [], {}, 2, /^infra-agent: .*agent\.yaml:1:7: unknown key 'mtuu'; did you mean 'mtu'\?\n$/],
    ['', ['--nope'], {}, 2, /^infra-agent: unknown option '--nope'\n$/],
    [
      '',
      [],
      { INFRA_AGENT_MTU: 'abc' },
      2,
      /^infra-agent: option .* from env 'INFRA_AGENT_MTU' is invalid.*\n$/,
    ],
    ['', ['--mtu', '10'], {}, 2, /^infra-agent: --mtu: mtu: .*\n$/],
    [
      '',
      [],
      { INFRA_AGENT_MANAGER_ADDRESS: 'x' },
      2,
      /^infra-agent: INFRA_AGENT_MANAGER_ADDRESS: managerAddress: .*\n$/,
    ],
    [
      'tls: { mode: insecure }',
      ['--monitoring-listen', '192.0.2.1:1'],
      {},
      2,
      /^infra-agent: monitoring\.listen: cannot listen on 192\.0\.2\.1:1: .*\n$/,
    ],
  ])('ends with one line for %j %j %j', async (config, args, env, code, message) => {
    const file = join(directory, 'agent.yaml');
    writeFileSync(file, config);
    const paths = [
      '--cni-socket',
      join(directory, 'cni.sock'),
      '--state-directory',
      join(directory, 'state'),
    ];
    const { exited, stderr } = start(['--config', file, ...paths, ...args], env);
    expect(await exited).toBe(code);
    expect(stderr()).toMatch(message);
  });

  it.each<[string[], number, RegExp]>([
    [
      ['checkManager', '--timeout', '200ms', '--managerAddr', '127.0.0.1', '--managerPort', '9'],
      1,
      /infra-manager 127\.0\.0\.1:9 is not serving/,
    ],
    [['checkCalicoConfig', '--timeout=100ms', '--cni-config-directory', '/nonexistent'], 1, /cannot be read/],
    [['checkManager', '--timeout', 'soon'], 2, /not a duration such as 30s/],
    [
      ['checkManager', '--insecure', '--mtls'],
      2,
      /^infra-agent: --insecure: insecure and mtls are both true/,
    ],
    [
      ['checkManager', '--insecure=false', '--clientCert', '/nowhere/tls.crt'],
      2,
      /^infra-agent: certificates for infra-manager: \/\S+ cannot be read: ENOENT: no such file or directory; 'tls-certs create' makes certificates, .*\n$/,
    ],
    [['--hostIfaceMTU', '10'], 2, /^infra-agent: --mtu: mtu: /],
    [['--logLevel', 'Loud'], 2, /log\.level: /],
  ])('%j ends with %i and says why', async (args, code, message) => {
    const file = join(directory, 'agent.yaml');
    writeFileSync(file, 'tls: { mode: insecure }');
    const { exited, stderr } = start([...args, '--config', file]);
    expect(await exited).toBe(code);
    expect(stderr()).toMatch(message);
  });

  it('checkManager ends with 0 when the manager serves', async () => {
    const file = join(directory, 'agent.yaml');
    writeFileSync(file, 'tls: { mode: insecure }');
    const manager = await new FakeManager().start();
    try {
      const { exited } = start(['--config', file, '--manager-address', manager.address, 'checkManager']);
      expect(await exited).toBe(0);
    } finally {
      manager.kill();
    }
  });

  it('runs without target and manager, says what it waits for, and stops on SIGTERM', async () => {
    const file = join(directory, 'agent.yaml');
    const settings = {
      managerAddress: '127.0.0.1:9',
      tls: { mode: 'insecure' },
      tapPrefix: 'none_',
      cniSocket: join(directory, 'run', 'cni.sock'),
      stateDirectory: join(directory, 'state'),
      monitoring: { listen: '127.0.0.1:0' },
    };
    writeFileSync(file, JSON.stringify(settings));
    const { child, exited, stderr } = start([], { INFRA_AGENT_CONFIG: file, NODE_NAME: 'n1' });
    const started = () => /"node":"n1".*"monitoring":"([^"]+)".*infra-agent runs/.exec(stderr())?.[1];
    await eventually(() => started() !== undefined, 'start');
    const ready = await fetch(`http://${started()}/readyz`);
    expect(ready.status).toBe(503);
    expect(await ready.text()).toMatch(/interface none_0 is not there yet/);
    child.kill('SIGTERM');
    expect(await exited).toBe(0);
  });

  it('leaves no process behind when it is killed', async () => {
    const settings = {
      tls: { mode: 'insecure' },
      tapPrefix: 'none_',
      cniSocket: join(directory, 'cni.sock'),
      stateDirectory: join(directory, 'state'),
      monitoring: { listen: '127.0.0.1:0' },
    };
    const file = join(directory, 'agent.yaml');
    writeFileSync(file, JSON.stringify(settings));
    const { child, exited, stderr } = start(['--config', file]);
    await eventually(() => stderr().includes('infra-agent runs'), 'start');
    const children = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ');
    const monitors = children.filter((pid) => commandOf(pid).includes('monitor'));
    expect(monitors).toHaveLength(1);
    child.kill('SIGKILL');
    await exited;
    await eventually(() => monitors.every((pid) => !commandOf(pid).includes('monitor')), 'the monitor ends');
  });
});
