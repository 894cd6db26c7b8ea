import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** The mount namespace of a process; undefined if it is gone. */
export function mountNamespaceOf(pid: number | string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/mnt`);
  } catch {
    return undefined;
  }
}

/** All processes in a mount namespace. */
export function processesIn(mountNamespace: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && mountNamespaceOf(name) === mountNamespace)
    .map(Number);
}

/** Kills those that are still there. */
export function killAll(pids: Iterable<number>): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It is gone.
    }
  }
}

/** The numbers in a file of a cgroup; none if it is gone. */
export function pidsIn(file: string): number[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
