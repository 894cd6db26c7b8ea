import { readdirSync, readFileSync } from 'node:fs';

/** What a process holds of its machine. */
export interface Usage {
  /** Open file descriptors: files, sockets, pipes. */
  readonly descriptors: number;
  /** Memory in use, in MB (VmRSS). */
  readonly residentMb: number;
  /** Child processes. */
  readonly children: number;
}

/**
 * What a process of this machine holds now, from /proc.
 *
 * @throws Error ENOENT if there is no such process
 */
export function usageOf(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const residentKb = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0);
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    residentMb: Math.round(residentKb / 1024),
    children: childrenOf(pid).length,
  };
}

/** Process ids of the children of a process, of whichever of its threads. */
export function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
}
