import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { messageOf } from '@infra-offload/base';
import type { HostKind } from './protocol.js';
import type { RunFiles } from './run-directory.js';

/** Exit status when a host refuses the program. */
const EXIT_REFUSED = 2;
/** Lines of a host's log that tell why it ended. */
const REASON_LINES = 20;

export interface HostProgram {
  readonly kind: HostKind;
  /** What hosts of the kind are called in messages. */
  readonly name: string;
  readonly command: string;
  /** More arguments: `--ports`, `--memory`, `--huge`, … */
  readonly args: readonly string[];
}

/** How a host's process ended. */
export interface HostExit {
  readonly how: string;
  /** It cannot run the program that it was given. */
  readonly refused: boolean;
}

/** The process of a host, as whoever may end it sees it. */
export interface HostHandle {
  /** Settles when it is gone; undefined if nobody here is told. */
  readonly exit: Promise<HostExit> | undefined;
  isAlive(): boolean;
  /** Ends it by force, if it is still there. */
  kill(): void;
}

/** Starts a host with the program in the run directory. What it says goes into the log there. */
export function spawnHost({ command, args }: HostProgram, files: RunFiles): ChildProcess {
  const log = openSync(files.logFile, 'w', 0o600);
  // In a session of its own, with a file to write to: nothing of it ends with this process.
  const child = spawn(command, [...args, '--spec', files.specFile, '--socket', files.socket], {
    detached: true,
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  return child;
}

/** A host that this process has started. */
export function handleOfChild(child: ChildProcess): HostHandle {
  const exit = new Promise<HostExit>((resolve) => {
    child.once('error', (error) =>
      resolve({ how: `cannot run ${child.spawnfile}: ${messageOf(error)}`, refused: false }),
    );
    child.once('exit', (code, signal) =>
      resolve({ how: `it ended with ${signal ?? `code ${code}`}`, refused: code === EXIT_REFUSED }),
    );
  });
  return {
    exit,
    isAlive: () => child.pid !== undefined && child.exitCode === null && child.signalCode === null,
    kill: () => child.kill('SIGKILL'),
  };
}

/**
 * A host that was running already.
 *
 * @param pid 0 if it is in another container: the kernel does not tell its number then, and it can only be asked to end
 */
export function handleOfProcess(pid: number): HostHandle {
  return {
    exit: undefined,
    isAlive: () => isAlive(pid),
    kill: () => {
      try {
        if (pid > 0) process.kill(pid, 'SIGKILL');
      } catch {
        // It has gone by itself.
      }
    },
  };
}

export function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** The end of what a host has said; empty if that is nothing but that all is well. */
export function lastWords({ logFile }: RunFiles): string {
  try {
    const lines = readFileSync(logFile, 'utf8').trimEnd().split('\n');
    return lines
      .filter((line) => !/^\S+ ready: /.test(line))
      .slice(-REASON_LINES)
      .join('; ');
  } catch {
    return '';
  }
}
