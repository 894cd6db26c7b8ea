import { spawn } from 'node:child_process';

/**
 * As root, the command that follows these words gets process ids, mounts and names of network namespaces of its own: with
 * its end, whatever ends it, the kernel takes away what it has started, mounted or named. Nothing for others.
 */
export const APART: readonly string[] =
  process.getuid?.() === 0
    ? [
        ...[
          'unshare',
          '--mount',
          '--propagation',
          'slave',
          '--pid',
          '--fork',
          '--kill-child',
          '--mount-proc',
        ],
        ...[
          'sh',
          '-c',
          'mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && mount --make-shared /run/netns && "$@"; exit $?',
          'sh',
        ],
      ]
    : [];

const INTERRUPTED: Readonly<Partial<Record<NodeJS.Signals, number>>> = { SIGINT: 130, SIGTERM: 143 };

/**
 * Runs a command to its end, to that of its time, or until this process is told to end.
 *
 * @param limitMs without one it may take as long as it likes
 * @returns its exit status; 124 if it was out of time, 130 or 143 if this process got SIGINT or SIGTERM.
 */
export function runApart(
  words: readonly string[],
  { cwd, env }: { readonly cwd: string; readonly env: NodeJS.ProcessEnv },
  limitMs?: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const [command = '', ...args] = [...APART, ...words];
    // In a session of its own, so that it is ended here and nowhere else.
    const child = spawn(command, args, { cwd, env, stdio: ['ignore', 'inherit', 'inherit'], detached: true });
    let status: number | undefined;
    const end = (because: number) => {
      status ??= because;
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    const onSignal = (signal: NodeJS.Signals) => end(INTERRUPTED[signal] ?? 1);
    const limit = limitMs === undefined ? undefined : setTimeout(() => end(124), limitMs);
    const forget = () => {
      clearTimeout(limit);
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, onSignal);
    };
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, onSignal);
    child.once('error', (error) => {
      forget();
      reject(error);
    });
    child.once('exit', (code) => {
      forget();
      resolve(status ?? code ?? 1);
    });
  });
}
