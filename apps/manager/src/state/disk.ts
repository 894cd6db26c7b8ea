import { lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** What a disk says that is full, read-only, broken or not there for the moment. */
const TROUBLE = new Set([
  'ENOSPC',
  'EDQUOT',
  'EROFS',
  'EIO',
  'ESTALE',
  'ETIMEDOUT',
  'EMFILE',
  'ENFILE',
  'ENOMEM',
]);
/** Unusable files of one name that are kept, so that they do not fill the disk themselves. */
const KEPT = 3;
const MARK = '.unusable-';

/** The code of an error of the system, such as ENOSPC. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Whether it is the disk that cannot at present, so that it is worth trying again. */
export function isDiskTrouble(error: unknown): boolean {
  return TROUBLE.has(codeOf(error) ?? '');
}

/** Renames whatever is at a path to `<path>.unusable-<time>`, and removes older ones but the last few. Returns the new path. */
export async function setAside(path: string): Promise<string> {
  const stamp = new Date().toISOString().replace(/[:.]/g, '-');
  let to = `${path}${MARK}${stamp}`;
  for (let i = 1; (await lstat(to).catch(() => undefined)) !== undefined; i++)
    to = `${path}${MARK}${stamp}-${i}`;
  await rename(path, to);
  const directory = dirname(path);
  const others = (await readdir(directory)).filter((name) => name.startsWith(basename(path) + MARK)).sort();
  for (const name of others.slice(0, -KEPT))
    await rm(join(directory, name), { recursive: true, force: true }).catch(() => undefined);
  return to;
}

/** Makes renames in a directory last. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems have nothing to sync there.
    if (codeOf(error) !== 'EINVAL' && codeOf(error) !== 'ENOTSUP') throw error;
  } finally {
    await handle.close();
  }
}
