import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eventually } from '@infra-offload/testbed';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { runApart } from '../../tools/faults/src/runner/run-apart.js';

const MODULE = fileURLToPath(new URL('../../tools/faults/src/runner/run-apart.ts', import.meta.url));

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'infra-offload-apart-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

/** Makes a named namespace and a mount, starts a process that no signal but SIGKILL ends, and does not end itself. */
function messy(): string[] {
  const script = `ip netns add iof-apart && mkdir -p ${directory}/m && mount -t tmpfs tmpfs ${directory}/m
MARK=${directory} setsid sh -c "trap : TERM INT; while :; do sleep 1000; done" &
touch ${directory}/ready; while :; do sleep 1000; done`;
  return ['sh', '-c', script];
}

/** Processes that have the directory in their environment. */
const left = () =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`MARK=${directory}`);
      } catch {
        return false;
      }
    });

function nothingIsLeft(): void {
  expect(left()).toEqual([]);
  expect(existsSync('/run/netns/iof-apart')).toBe(false);
  expect(readFileSync('/proc/mounts', 'utf8')).not.toContain(directory);
}

it('gives the exit status of the command', async () => {
  const options = { cwd: directory, env: process.env };
  expect(await runApart(['true'], options)).toBe(0);
  expect(await runApart(['sh', '-c', 'exit 3'], options)).toBe(3);
});

it('leaves nothing when it is out of time', async () => {
  expect(await runApart(messy(), { cwd: directory, env: process.env }, 1_500)).toBe(124);
  await eventually('its processes are gone', () => left().length === 0 || undefined);
  nothingIsLeft();
});

it.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('leaves nothing after %s', async (signal, status) => {
  const program = `import { runApart } from ${JSON.stringify(MODULE)};
const status = await runApart(${JSON.stringify(messy())}, { cwd: '/', env: process.env });
process.exit(status);`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
    cwd: fileURLToPath(new URL('../..', import.meta.url)),
    stdio: 'inherit',
  });
  const exit = once(child, 'exit');
  await eventually('the mess is made', () => left()[0]);
  child.kill(signal);
  expect((await exit)[0]).toBe(status);
  await eventually('its processes are gone', () => left().length === 0 || undefined);
  nothingIsLeft();
});
