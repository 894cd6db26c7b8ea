import { setTimeout } from 'node:timers/promises';

/** Stops a process in the middle of whatever it does (SIGSTOP), and lets it go on after `forMs` milliseconds. */
export async function freeze(pid: number, forMs: number): Promise<void> {
  process.kill(pid, 'SIGSTOP');
  try {
    await setTimeout(forMs);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
}
