import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createLoggers } from '../log.js';
import { StateDirectory } from './directory.js';

const logger = createLoggers({ level: 'silent', modules: {} }).state;
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'manager-lock-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** Another process that opens the store and keeps it. */
async function holder() {
  const script = `
    import { createLoggers } from ${JSON.stringify(new URL('../log.ts', import.meta.url).href)};
    import { StateDirectory } from ${JSON.stringify(new URL('./directory.ts', import.meta.url).href)};
    await StateDirectory.open(process.argv[1], createLoggers({ level: 'silent', modules: {} }).state);
    console.log('held');
    setInterval(() => undefined, 1000);`;
  const flags = [
    '--import',
    'tsx',
    '--conditions',
    '@infra-offload/source',
    '--input-type=module',
    '-e',
    script,
  ];
  const child = spawn(process.execPath, [...flags, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
  await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(() => Promise.reject(new Error('the other process ended'))),
  ]);
  return child;
}

it('is not held by a manager that was killed', async () => {
  const child = await holder();
  try {
    await expect(StateDirectory.open(directory, logger)).rejects.toMatchObject({
      message: expect.stringContaining(`(pid ${child.pid})`),
    });
  } finally {
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }
  await (await StateDirectory.open(directory, logger)).close();
});
