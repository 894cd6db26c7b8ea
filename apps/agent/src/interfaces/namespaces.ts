import { readdir, readFile, stat } from 'node:fs/promises';
import { type NetnsReference, ownNetnsPath } from './netns.js';

/** Where `ip netns` and container runtimes keep namespaces by name. */
const NAMED_DIRECTORY = '/var/run/netns';

/**
 * The network namespaces that can be reached, without the agent's own: those that have a name, those that are mounted
 * anywhere, and those of processes. Each is there once, by a path that lasts if it has one.
 */
export async function listNamespaces(): Promise<NetnsReference[]> {
  const own = await stat(ownNetnsPath, { bigint: true });
  const found = new Map<bigint, string>();
  for (const path of [...(await namedPaths()), ...(await mountedPaths()), ...(await processPaths())]) {
    // It may have gone since, and what is named need not be a namespace.
    const { dev, ino } = (await stat(path, { bigint: true }).catch(() => undefined)) ?? {};
    if (dev === own.dev && ino !== undefined && ino !== own.ino && !found.has(ino)) found.set(ino, path);
  }
  return [...found].map(([inode, path]) => ({ path, inode: String(inode) }));
}

async function namedPaths(): Promise<string[]> {
  return (await namesIn(NAMED_DIRECTORY)).map((name) => `${NAMED_DIRECTORY}/${name}`);
}

/** Lines of mountinfo (proc(5)): the fourth field is what is mounted, the fifth where, with odd characters in octal. */
async function mountedPaths(): Promise<string[]> {
  const text = await readFile('/proc/self/mountinfo', 'utf8').catch(() => '');
  return text.split('\n').flatMap((line) => {
    const [, , , root, mountPoint] = line.split(' ');
    if (mountPoint === undefined || root?.startsWith('net:[') !== true) return [];
    return [
      mountPoint.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8))),
    ];
  });
}

async function processPaths(): Promise<string[]> {
  const ids = (await namesIn('/proc')).filter((name) => /^[0-9]+$/.test(name));
  return ids.map((id) => `/proc/${id}/ns/net`);
}

async function namesIn(directory: string): Promise<string[]> {
  return readdir(directory).catch(() => []);
}
