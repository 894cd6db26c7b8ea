import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createLoggers } from '../log.js';
import { StateStore } from './store.js';

const logger = createLoggers({ level: 'silent', modules: {} }).state;
let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'manager-lock-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

async function openAndClose(path = directory): Promise<void> {
  const { store } = await StateStore.open(path, logger);
  await store.close();
}

/** Another process that opens the store and keeps it. */
async function holder() {
  const script = `
    import { createLoggers } from ${JSON.stringify(new URL('../log.ts', import.meta.url).href)};
    import { StateStore } from ${JSON.stringify(new URL('./store.ts', import.meta.url).href)};
    await StateStore.open(process.argv[1], createLoggers({ level: 'silent', modules: {} }).state);
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

describe('the lock of a state directory', () => {
  test('a second manager is refused with the pid of the first, until that one stops', async () => {
    const { store } = await StateStore.open(directory, logger);
    await expect(StateStore.open(directory, logger)).rejects.toMatchObject({
      code: 'STORE',
      message: `stateDirectory ${directory}: in use by another manager (pid ${process.pid})`,
    });
    await store.close();
    await openAndClose();
    expect(readdirSync(directory).filter((name) => name.endsWith('.lock.sock'))).toEqual([]);
  });

  test('a manager that was killed holds nothing', async () => {
    const child = await holder();
    try {
      await expect(StateStore.open(directory, logger)).rejects.toMatchObject({
        message: expect.stringContaining(`(pid ${child.pid})`),
      });
    } finally {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    await openAndClose();
  });

  test('of many at once one gets it', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, () => StateStore.open(directory, logger)),
    );
    const stores = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value.store] : []));
    expect(stores.length).toBe(1);
    for (const store of stores) await store.close();
  });

  test('a directory with a name longer than that of a socket may be', async () => {
    const long = join(directory, 'x'.repeat(150));
    mkdirSync(long);
    await openAndClose(long);
  });

  test('a file in the place of the lock is not removed', async () => {
    const file = join(directory, 'manager.lock.sock');
    writeFileSync(file, '');
    await expect(StateStore.open(directory, logger)).rejects.toMatchObject({
      code: 'STORE',
      message: `stateDirectory ${directory}: manager.lock.sock is not a socket: remove it`,
    });
  });
});
