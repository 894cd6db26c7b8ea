import { statSync } from 'node:fs';
import { readFile, readlink, realpath, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isSystemError } from '@infra-offload/base';
import { CniError, CniErrorCode } from '@infra-offload/cni-types';

/**
 * A network namespace: where it was found, and what tells whether the path still leads to the same one (paths are
 * reused: a process id by another process, a name by another container).
 */
export interface NetnsReference {
  readonly path: string;
  /** Inode of the namespace, in decimal. The kernel uses them again: another one is another namespace, the same may be one. */
  readonly inode: string;
}

/** The agent's own network namespace, in a form that stays right inside other namespaces. */
export const ownNetnsPath = `/proc/${process.pid}/ns/net`;

/** As the kernel calls a namespace. */
const NAMESPACE = /^(\w+):\[\d+\]$/;

let ownInode: string | undefined;

/**
 * Its inode, in decimal.
 *
 * @throws {Error} ENOENT where /proc is not mounted
 */
export function ownNetnsInode(): string {
  ownInode ??= String(statSync(ownNetnsPath, { bigint: true }).ino);
  return ownInode;
}

/**
 * Finds out which network namespace `path` leads to.
 *
 * @throws CniError 8 if it leads to none, or to that of the agent.
 */
export async function resolveNetns(path: string): Promise<NetnsReference> {
  const own = await stat(ownNetnsPath, { bigint: true });
  let found: Awaited<typeof own>;
  try {
    found = await stat(path, { bigint: true });
  } catch (cause) {
    throw new CniError(CniErrorCode.invalidNetns, `network namespace ${path} does not exist`, { cause });
  }
  if (found.dev !== own.dev || !['net', undefined].includes(await kindOf(path))) {
    throw new CniError(CniErrorCode.invalidNetns, `${path} is not a network namespace`);
  }
  if (found.ino === own.ino) {
    throw new CniError(CniErrorCode.invalidNetns, `${path} is the network namespace of the node itself`);
  }
  return { path, inode: String(found.ino) };
}

/** The kernel's name for the kind of namespace that a path leads to: "net", "mnt"; undefined if nothing tells. */
async function kindOf(path: string): Promise<string | undefined> {
  try {
    // /proc/PID/ns/net is a link to "net:[4026531840]", which is no path; a bind mount of it has that as its root.
    const target = await readlink(path).catch(() => undefined);
    if (target !== undefined && !NAMESPACE.test(target)) return await kindOf(resolve(dirname(path), target));
    const name = target ?? rootOf(await realpath(path), await readFile('/proc/self/mountinfo', 'utf8'));
    return NAMESPACE.exec(name ?? '')?.[1];
  } catch {
    return undefined;
  }
}

/** What is mounted at a path, the last mount first; see proc(5). */
function rootOf(path: string, mountinfo: string): string | undefined {
  const lines = mountinfo.split('\n').map((line) => line.split(' '));
  return lines.findLast(([, , , , point]) => point === path)?.[3];
}

/** Whether the path leads to a namespace with the inode that it led to before. What is inside tells whether it is the same. */
export async function hasSameInode(netns: NetnsReference): Promise<boolean> {
  try {
    const [own, found] = await Promise.all([
      stat(ownNetnsPath, { bigint: true }),
      stat(netns.path, { bigint: true }),
    ]);
    return found.dev === own.dev && String(found.ino) === netns.inode;
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR', 'ESRCH', 'EACCES')) return false;
    throw error;
  }
}
