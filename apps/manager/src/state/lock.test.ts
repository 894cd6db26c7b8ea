import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
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

async function openAndClose(path = directory): Promise<void> {
  const held = await StateDirectory.open(path, logger);
  await held.close();
}

describe('the lock of a state directory', () => {
  it('a second manager is refused with the pid of the first, until that one stops', async () => {
    const held = await StateDirectory.open(directory, logger);
    await expect(StateDirectory.open(directory, logger)).rejects.toMatchObject({
      code: 'STORE',
      message: `stateDirectory ${directory}: in use by another manager (pid ${process.pid})`,
    });
    await held.close();
    await openAndClose();
    expect(readdirSync(directory).filter((name) => name.endsWith('.lock.sock'))).toEqual([]);
  });

  it('of many at once one gets it', async () => {
    const results = await Promise.allSettled(
      Array.from({ length: 5 }, () => StateDirectory.open(directory, logger)),
    );
    const held = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
    expect(held.length).toBe(1);
    for (const one of held) await one.close();
  });

  it('a directory with a name longer than that of a socket may be', async () => {
    const long = join(directory, 'x'.repeat(150));
    mkdirSync(long);
    await openAndClose(long);
  });

  it('one that was removed with its directory is made anew', async () => {
    const held = await StateDirectory.open(directory, logger);
    rmSync(directory, { recursive: true });
    await held.prepare();
    await expect(StateDirectory.open(directory, logger)).rejects.toMatchObject({
      message: expect.stringContaining('in use by another manager'),
    });
    await held.close();
    await openAndClose();
  });

  it('a file in the place of the lock is not removed', async () => {
    const file = join(directory, 'manager.lock.sock');
    writeFileSync(file, '');
    await expect(StateDirectory.open(directory, logger)).rejects.toMatchObject({
      code: 'STORE',
      message: `stateDirectory ${directory}: manager.lock.sock is not a socket: remove it`,
    });
  });
});
