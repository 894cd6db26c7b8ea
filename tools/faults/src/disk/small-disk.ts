import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isSystemError } from '@infra-offload/base';

const FILLER = 'filler';
/** Attempts at making a disk read-only while somebody writes to it. */
const ATTEMPTS = 200;

/** A disk of its own that can be full or read-only, in memory (tmpfs). Needs root. */
export class SmallDisk {
  readonly #path: string;

  /**
   * @param path where it is mounted; made if need be
   * @param megabytes what fits on it
   */
  constructor(path: string, megabytes: number) {
    this.#path = path;
    mkdirSync(path, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'small-disk', path]);
  }

  /** Takes all the room that is left. */
  fill(): void {
    for (let bytes = 1024 * 1024; bytes >= 1; bytes = Math.floor(bytes / 4)) {
      const block = Buffer.alloc(bytes);
      try {
        for (;;) writeFileSync(join(this.#path, FILLER), block, { flag: 'a' });
      } catch (error) {
        if (!isSystemError(error, 'ENOSPC')) throw error;
      }
    }
  }

  /** Gives the room back. */
  free(): void {
    rmSync(join(this.#path, FILLER), { force: true });
  }

  /** Lets nobody write any more, or again. */
  setReadOnly(isReadOnly: boolean): void {
    for (let attempt = 1; ; attempt++) {
      try {
        execFileSync('mount', ['-o', `remount,${isReadOnly ? 'ro' : 'rw'}`, this.#path], { stdio: 'pipe' });
        return;
      } catch (error) {
        // While a file is open for writing it is busy.
        if (attempt === ATTEMPTS) throw error;
      }
    }
  }

  unmount(): void {
    execFileSync('umount', ['--lazy', this.#path]);
  }
}
