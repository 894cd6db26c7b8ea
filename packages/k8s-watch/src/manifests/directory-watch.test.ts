import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DirectoryWatch } from './directory-watch.js';

let root: string;
let watch: DirectoryWatch;
let hints: number;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'watch-'));
  hints = 0;
  watch = new DirectoryWatch(join(root, 'x', 'y'), () => hints++);
});

afterEach(() => {
  watch.close();
  rmSync(root, { recursive: true, force: true });
});

/** Hints for what `change` does, and what follows from looking again. */
async function expectHint(change: () => void): Promise<void> {
  await watch.refresh();
  hints = 0;
  change();
  await expect.poll(() => hints).toBeGreaterThan(0);
}

describe('DirectoryWatch', () => {
  it('hints at a directory that comes level by level, its files, its end and its return', async () => {
    for (let round = 0; round < 3; round++) {
      await expectHint(() => mkdirSync(join(root, 'x')));
      await expectHint(() => mkdirSync(join(root, 'x', 'y')));
      await expectHint(() => writeFileSync(join(root, 'x', 'y', 'a.yaml'), ''));
      await expectHint(() => writeFileSync(join(root, 'x', 'y', 'a.yaml'), 'more'));
      await expectHint(() => rmSync(join(root, 'x'), { recursive: true }));
    }
  });

  it('watches the directory that is there, even if it has the name of the former one', async () => {
    mkdirSync(join(root, 'x', 'y'), { recursive: true });
    for (let round = 0; round < 3; round++) {
      await watch.refresh();
      rmSync(join(root, 'x', 'y'), { recursive: true });
      mkdirSync(join(root, 'x', 'y'));
      await expectHint(() => writeFileSync(join(root, 'x', 'y', 'a.yaml'), ''));
    }
  });

  it('watches where a link leads to now', async () => {
    for (const name of ['one', 'two']) mkdirSync(join(root, name, 'y'), { recursive: true });
    symlinkSync('one', join(root, 'x'));
    await expectHint(() => writeFileSync(join(root, 'one', 'y', 'a.yaml'), ''));
    symlinkSync('two', join(root, 'new'));
    renameSync(join(root, 'new'), join(root, 'x'));
    await expectHint(() => writeFileSync(join(root, 'two', 'y', 'a.yaml'), ''));
  });

  it('is silent once it is closed', async () => {
    mkdirSync(join(root, 'x', 'y'), { recursive: true });
    await watch.refresh();
    let others = 0;
    const other = new DirectoryWatch(join(root, 'x', 'y'), () => others++);
    await other.refresh();
    watch.close();
    writeFileSync(join(root, 'x', 'y', 'a.yaml'), '');
    await expect.poll(() => others).toBeGreaterThan(0);
    other.close();
    expect(hints).toBe(0);
  });
});
