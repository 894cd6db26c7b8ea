import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { P4RuntimeSession } from '@infra-offload/p4rt';
import { k8sDpDeviceConfig, k8sDpP4Info } from '@infra-offload/p4src';
import { afterAll, afterEach, expect, it } from 'vitest';

const CLI = fileURLToPath(new URL('./cli.ts', import.meta.url));
const ENGINE = fileURLToPath(new URL('./swx-engine.ts', import.meta.url));
const SPEC = fileURLToPath(new URL('../../../p4src/dpdk/k8s_dp.spec', import.meta.url));
const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

interface Run {
  readonly child: ChildProcess;
  stdout: string;
  stderr: string;
  readonly exit: Promise<number | null>;
}

function softswitch(...args: string[]): Run {
  return program([], CLI, ...args);
}

function program(options: readonly string[], file: string, ...args: string[]): Run {
  const command = ['--import', 'tsx', '--conditions', '@infra-offload/source', ...options, file, ...args];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'pipe'] });
  cleanups.push(() => child.exitCode ?? child.kill('SIGKILL'));
  const run: Run = {
    child,
    stdout: '',
    stderr: '',
    exit: new Promise((resolve) => child.on('exit', resolve)),
  };
  child.stdout?.on('data', (chunk) => {
    run.stdout += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    run.stderr += chunk;
  });
  return run;
}

const RUN_DIRECTORY = mkdtempSync(join(tmpdir(), 'softswitch-cli-'));
afterAll(() => rmSync(RUN_DIRECTORY, { recursive: true }));

const ANY_PORTS = [
  '--run-directory',
  RUN_DIRECTORY,
  '--p4runtime',
  '127.0.0.1:0',
  '--gnmi',
  '127.0.0.1:0',
  '--tls-mode',
  'insecure',
];

it('says one line when ready, and removes its devices on SIGTERM', async () => {
  const prefix = `c${randomBytes(3).toString('hex')}_`;
  const run = softswitch(...ANY_PORTS, '--tap-prefix', prefix, '--taps', '2', '--log-level', 'warn');
  await expect.poll(() => run.stdout).toContain('\n');
  expect(run.stdout).toMatch(
    new RegExp(
      `^softswitch ready: p4runtime 127\\.0\\.0\\.1:\\d+, gnmi 127\\.0\\.0\\.1:\\d+, device 1, ports ${prefix}0\\.\\.${prefix}1\n$`,
    ),
  );
  expect(existsSync(`/sys/class/net/${prefix}1`)).toBe(true);
  run.child.kill('SIGTERM');
  expect(await run.exit).toBe(0);
  expect(existsSync(`/sys/class/net/${prefix}1`)).toBe(false);
  expect(run.stderr).toBe('');
});

it('without certificates it says so and what to do, unless it is to go without', async () => {
  const run = softswitch('--tls-cert', '/nowhere/tls.crt');
  expect(await run.exit).toBe(2);
  expect(run.stderr).toMatch(
    /^softswitch: tls: \/\S+ cannot be read: ENOENT: no such file or directory; 'tls-certs create' makes certificates, and the mode insecure goes without\n$/,
  );
});

it('a faulty configuration is one line that names the place, and no device is left', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'softswitch-'));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'config.yaml');
  writeFileSync(file, 'p4runtime: nowhere\ntaps: { count: -1, colour: red }\n');
  const run = softswitch('--config', file);
  expect(await run.exit).toBe(2);
  expect(run.stderr).toMatch(
    /^softswitch: \/.*config\.yaml:1:12: p4runtime: is neither .*:2:16: taps\.count.*:2:28: unknown key 'taps\.colour'.*\n$/,
  );
  expect(run.stdout).toBe('');
});

it('a flag that there is not is one line, and a wrong configuration', async () => {
  const run = softswitch('--tabs', '2');
  expect(await run.exit).toBe(2);
  expect(run.stderr).toMatch(/^softswitch: unknown option '--tabs'\n/);
});

/** A softswitch that gets a pipeline, and is ended. */
async function runAndStop(...flags: string[]): Promise<void> {
  const run = softswitch(...flags);
  await expect.poll(() => run.stdout).toContain('\n');
  const [, address = ''] = /p4runtime (\S+),/.exec(run.stdout) ?? [];
  const session = await P4RuntimeSession.open({ address, deviceId: 1, electionId: 1n });
  await session.setPipeline(k8sDpP4Info(), k8sDpDeviceConfig(), { action: 'VERIFY_AND_COMMIT' });
  await session.close();
  run.child.kill('SIGTERM');
  expect(await run.exit).toBe(0);
}

it('SIGTERM leaves the data plane running, the next one goes on with it, and stop ends it', async () => {
  const prefix = `c${randomBytes(3).toString('hex')}_`;
  const directory = mkdtempSync(join(tmpdir(), 'softswitch-run-'));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  const tap = `/sys/class/net/${prefix}0`;
  const flags = [...ANY_PORTS, '--run-directory', directory, '--tap-prefix', prefix, '--taps', '1'];
  await runAndStop(...flags);
  expect(existsSync(tap)).toBe(true);

  const second = softswitch(...flags);
  await expect.poll(() => second.stdout).toContain(`ports ${prefix}0\n`);
  expect(second.stderr).toContain('the pipeline was taken over unchanged');
  const refused = softswitch('--run-directory', directory, 'stop');
  expect(await refused.exit).toBe(1);
  expect(refused.stderr).toContain(`the softswitch with the process id ${second.child.pid} has it`);
  const status = softswitch('--run-directory', directory, 'status');
  expect(await status.exit).toBe(0);
  expect(status.stdout).toMatch(/^engine: swx-engine \S+; pid \d+, 65536 ports, processing packets\n$/);
  second.child.kill('SIGKILL');
  await second.exit;
  expect(existsSync(tap)).toBe(true);

  const stop = softswitch('--run-directory', directory, 'stop');
  expect(await stop.exit).toBe(0);
  expect(stop.stdout).toBe('the data plane has ended, and its ports are gone\n');
  expect(existsSync(tap)).toBe(false);
  const again = softswitch('--run-directory', directory, 'stop');
  expect(await again.exit).toBe(0);
  expect(again.stdout).toBe(`no data plane runs in ${directory}\n`);
  const nothing = softswitch('--run-directory', directory, 'status');
  expect(await nothing.exit).toBe(0);
  expect(nothing.stdout).toBe(`no data plane runs in ${directory}\n`);
});

it('a data plane that `softswitch dataplane` has started goes on without the softswitch, and ends with its keeper', async () => {
  const prefix = `c${randomBytes(3).toString('hex')}_`;
  const directory = mkdtempSync(join(tmpdir(), 'softswitch-kept-'));
  cleanups.push(() => rmSync(directory, { recursive: true }));
  const config = join(directory, 'softswitch.yaml');
  writeFileSync(config, `keptDataplane: true\nrunDirectory: ${directory}\n`);
  const keeper = softswitch('--config', config, 'dataplane');
  await expect.poll(() => keeper.stdout).toBe(`dataplane ready: ${directory}\n`);
  const flags = [...ANY_PORTS, '--config', config, '--run-directory', directory];
  await runAndStop(...flags, '--tap-prefix', prefix, '--taps', '1');
  const status = softswitch('--config', config, 'status');
  expect(await status.exit).toBe(0);
  expect(status.stdout).toMatch(/^engine: .*, processing packets\n$/);
  expect(existsSync(`/sys/class/net/${prefix}0`)).toBe(true);
  keeper.child.kill('SIGTERM');
  expect(await keeper.exit).toBe(0);
  expect(existsSync(`/sys/class/net/${prefix}0`)).toBe(false);
});

it.each([
  ['the softswitch', CLI, [...ANY_PORTS, '--taps', '0', '--run-directory'], 'softswitch ready'],
  [
    'the engine, one thread of which waits for packets',
    ENGINE,
    ['--spec', SPEC, '--socket'],
    'swx-engine ready',
  ],
])('%s ends at once when nobody has caught an exception', async (_, file, args, ready) => {
  const directory = mkdtempSync(join(tmpdir(), 'softswitch-'));
  cleanups.push(() => rmSync(directory, { recursive: true, force: true }));
  const fault = 'process.once("SIGUSR2", () => { throw new Error("nobody catches this"); })';
  const place = file === CLI ? directory : join(directory, 'control.sock');
  const run = program(
    ['--import', `data:text/javascript,${encodeURIComponent(fault)}`],
    file,
    ...args,
    place,
  );
  await expect.poll(() => run.stdout).toContain(ready);
  run.child.kill('SIGUSR2');
  expect(await run.exit).toBe(1);
  expect(run.stderr.match(/uncaught error/g)).toHaveLength(1);
  expect(run.stderr).toContain('nobody catches this');
});
