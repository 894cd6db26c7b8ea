import { chmod, lstat, mkdir, realpath, stat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { dirname } from 'node:path';
import { isSystemError, messageOf } from '@infra-offload/base';
import { AgentError } from './errors.js';

/**
 * Listens on a unix socket that only the agent's user can use, in a directory that only that user or root can write to: whoever
 * may write there could put a socket of his own in its place. A directory that is not there is made; a socket that a process
 * has left behind is removed.
 *
 * @param what for messages.
 * @param listen binds the socket before it returns; what it returns is awaited.
 * @throws AgentError SOCKET
 */
export async function listenPrivately<T>(path: string, what: string, listen: () => Promise<T>): Promise<T> {
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    await assertPrivateDirectory(dirname(path), what);
    await removeStaleSocket(path, what);
    const result = await listenMasked(listen);
    await chmod(path, 0o600);
    return result;
  } catch (cause) {
    if (AgentError.is(cause)) throw cause;
    throw new AgentError('SOCKET', `${what} ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Lets a server of node:net or node:http listen at a path. */
export function listenAt(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** The mask is that of the whole process, and holds for what is bound within the call. */
function listenMasked<T>(listen: () => Promise<T>): Promise<T> {
  const umask = process.umask(0o177);
  try {
    return listen();
  } finally {
    process.umask(umask);
  }
}

/** Above the directory itself, one that anybody can write to will do if it is sticky, as /tmp is. */
async function assertPrivateDirectory(directory: string, what: string): Promise<void> {
  const real = await realpath(directory);
  for (let place = real; ; place = dirname(place)) {
    const { uid, gid, mode } = await stat(place);
    const isOurs = uid === 0 || uid === process.geteuid?.();
    const isOpen = (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gid !== 0);
    const isSticky = place !== real && (mode & 0o1000) !== 0;
    if (!isOurs || (isOpen && !isSticky)) {
      const whose = isOurs ? 'can be written to by others' : `belongs to user ${uid}`;
      throw new AgentError(
        'SOCKET',
        `${what} is not safe in ${directory}: ${place} ${whose} (mode ${(mode & 0o7777).toString(8)}); ` +
          'its owner must be root, and nobody else may write there',
      );
    }
    if (place === dirname(place)) return;
  }
}

async function removeStaleSocket(path: string, what: string): Promise<void> {
  try {
    if (!(await lstat(path)).isSocket()) {
      throw new AgentError('SOCKET', `${what} ${path}: there is a file of that name that is not a socket`);
    }
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return;
    throw error;
  }
  const isServed = await new Promise<boolean>((resolve) => {
    const probe = connect(path, () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (isServed) throw new AgentError('SOCKET', `${what} ${path}: another infra-agent listens there`);
  await unlink(path);
}
