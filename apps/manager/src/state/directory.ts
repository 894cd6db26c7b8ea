import { access, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf } from '@infra-offload/base';
import { ManagerError } from '../errors.js';
import type { Logger } from '../log.js';
import { isDiskTrouble } from './disk.js';
import { DirectoryLock } from './lock.js';

/** The directory that one manager keeps its state in, and nobody else. */
export class StateDirectory {
  readonly #path: string;
  #lock: DirectoryLock | undefined;
  #preparation: Promise<void> | undefined;

  private constructor(path: string) {
    this.#path = path;
  }

  /**
   * Makes the directory if need be, and locks it. On a disk that is full or read-only that is left for later.
   *
   * @throws ManagerError STORE when it cannot be used at all, or another manager uses it.
   */
  static async open(path: string, logger: Logger): Promise<StateDirectory> {
    const directory = new StateDirectory(path);
    try {
      await directory.prepare();
    } catch (error) {
      if (!ManagerError.is(error) || !isDiskTrouble(error.cause)) throw error;
      logger.error({ reason: error.message }, 'the state directory cannot be locked yet');
    }
    return directory;
  }

  join(name: string): string {
    return join(this.#path, name);
  }

  /**
   * To be called before something is written there for the first time, or after it could not be: makes the directory and
   * its lock anew if they are not there.
   *
   * @throws ManagerError STORE
   */
  prepare(): Promise<void> {
    this.#preparation ??= this.#prepare().finally(() => {
      this.#preparation = undefined;
    });
    return this.#preparation;
  }

  /** Lets others have it. */
  async close(): Promise<void> {
    await this.#lock?.release();
    this.#lock = undefined;
  }

  async #prepare(): Promise<void> {
    try {
      await makeDirectory(this.#path);
      if (this.#lock?.isIntact(this.#path) === true) return;
      await this.close();
      this.#lock = await DirectoryLock.take(this.#path);
    } catch (error) {
      throw new ManagerError('STORE', `stateDirectory ${this.#path}: ${messageOf(error)}`, {
        details: { directory: this.#path },
        cause: error,
      });
    }
  }
}

async function makeDirectory(path: string): Promise<void> {
  if (await exists(path)) return;
  // Not recursive where it need not be: in file systems that make no directories (/proc) that never ends.
  await mkdir(path, { recursive: !(await exists(dirname(path))), mode: 0o700 });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
