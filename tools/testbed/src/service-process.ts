import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { type ContainerProgram, containerCommand } from './container.js';
import type { Place } from './netns.js';
import { eventually } from './shell.js';

/** A program in the root directory of an image. */
export interface ImageProgram {
  readonly root: string;
  /** As the image sees it. */
  readonly file: string;
  /** Who runs it; root if left out. */
  readonly user?: number;
}

/** A program that needs no Node.js. */
export interface NativeProgram {
  readonly executable: string;
}

/**
 * A program of Node.js (a file here, one of an image, or one with the rights of a container), or any other; a function is
 * asked at each start.
 */
export type Program = string | ImageProgram | ContainerProgram | NativeProgram | (() => ContainerProgram);

/** What an image finds of the node's own, as containers have it mounted. */
const SHARED = ['/proc', '/sys', '/dev', '/run', '/tmp'];

/** The command line that runs a program. */
export function commandOf(program: Program, args: readonly string[]): [string, string[]] {
  if (typeof program === 'string') return [process.execPath, ['--enable-source-maps', program, ...args]];
  if (typeof program === 'function') return commandOf(program(), args);
  if ('runc' in program) return containerCommand(program, args);
  if ('executable' in program) return [program.executable, [...args]];
  const { root, file, user = 0 } = program;
  const mounts = SHARED.map((path) => `mount --rbind ${path} ${root}${path}`).join(' && ');
  // The rest is as the image has it, and cannot be written to.
  const script = `mount --bind ${root} ${root} && ${mounts} && mount -o remount,bind,ro ${root} && exec "$@"`;
  const chroot = ['chroot', `--userspec=${user}:${user}`, root, '/usr/local/bin/node', file, ...args];
  return ['unshare', ['--mount', '--propagation', 'slave', 'sh', '-c', script, 'sh', ...chroot]];
}

/** A server as a process of its own, in a network namespace or on a node, with its output in a file. */
export class ServiceProcess {
  readonly #place: Pick<Place, 'wrap'>;
  readonly #program: Program;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;
  #exit: Promise<number | null> | undefined;

  constructor(
    readonly name: string,
    place: Pick<Place, 'wrap'>,
    program: Program,
    args: readonly string[],
    readonly logFile: string,
  ) {
    this.#place = place;
    this.#program = program;
    this.#args = args;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /**
   * Starts it and waits until `ready` says so.
   *
   * @throws Error with the end of its log when it ends or is not ready in time
   */
  async start(ready: () => Promise<boolean>): Promise<void> {
    const [command, args] = this.#place.wrap(...commandOf(this.#program, this.#args));
    const log = openSync(this.logFile, 'a');
    // In a session of its own: Ctrl-C at the terminal is for whoever owns the testbed, who stops this in order.
    const child = spawn(command, args, { stdio: ['ignore', log, log], detached: true });
    closeSync(log);
    this.#child = child;
    this.#exit = new Promise((resolve) => {
      child.on('exit', resolve);
      child.on('error', () => resolve(null));
    });
    try {
      await eventually(
        `${this.name} is ready`,
        async () => {
          if (!this.running) return false;
          return (await ready()) || undefined;
        },
        { timeoutMs: 120_000 },
      );
    } catch (error) {
      throw new Error(`${this.name} did not start; the end of ${this.logFile}:\n${this.tail()}`, {
        cause: error,
      });
    }
    if (!this.running) {
      throw new Error(`${this.name} ended at its start; the end of ${this.logFile}:\n${this.tail()}`);
    }
  }

  /** Ends it with `signal` and waits; kills it after 10 s. Gives its exit code, null if a signal ended it. */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    const child = this.#child;
    if (!child || !this.#exit) return null;
    if (this.running) child.kill(signal);
    const killer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    const code = await this.#exit;
    clearTimeout(killer);
    this.#child = undefined;
    return code;
  }

  tail(lines = 15): string {
    return readFileSync(this.logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n');
  }
}
