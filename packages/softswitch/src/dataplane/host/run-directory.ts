import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '@infra-offload/base';
import { fail, SoftswitchError } from '../../errors.js';
import type { Sockets } from './sockets.js';

/** What is in a run directory. */
export interface RunFiles {
  /** The control socket of the host. */
  readonly socket: string;
  /** The program that the host runs. */
  readonly specFile: string;
  /** What the host says, since it was started. */
  readonly logFile: string;
  /** Where a {@link HostKeeper} listens, if hosts are started by one. */
  readonly keeper: string;
}

export function runFiles(path: string): RunFiles {
  return {
    socket: join(path, 'control'),
    specFile: join(path, 'pipeline.spec'),
    logFile: join(path, 'dataplane.log'),
    keeper: join(path, 'keeper'),
  };
}

/** Where a data plane and the switch that controls it meet. Of two switches only one can have it, and of two keepers. */
export class RunDirectory {
  readonly files: RunFiles;
  #lock: number | undefined;

  private constructor(
    readonly path: string,
    lock: number,
  ) {
    this.files = runFiles(path);
    this.#lock = lock;
  }

  /** Makes the directory, for this user only, and takes it. UNAVAILABLE if another process has it. */
  static async take(
    sockets: Sockets,
    path: string,
    as: 'softswitch' | 'keeper' = 'softswitch',
  ): Promise<RunDirectory> {
    const file = join(path, as === 'keeper' ? 'keeper.lock' : 'lock');
    let lock: number;
    try {
      await mkdir(path, { recursive: true, mode: 0o700 });
      lock = openSync(file, 'a+', 0o600);
    } catch (error) {
      throw new SoftswitchError('UNAVAILABLE', `run directory ${path}: ${messageOf(error)}`, {
        cause: error,
      });
    }
    if (!sockets.lock(lock)) {
      const owner = readFileSync(file, 'utf8').trim();
      closeSync(lock);
      fail(
        'UNAVAILABLE',
        `run directory ${path}: the ${as} with the process id ${owner} has it; give each its own`,
      );
    }
    ftruncateSync(lock);
    writeSync(lock, `${process.pid}\n`);
    return new RunDirectory(path, lock);
  }

  /** Lets another have it. May be called twice. */
  release(): void {
    if (this.#lock !== undefined) closeSync(this.#lock);
    this.#lock = undefined;
  }
}
