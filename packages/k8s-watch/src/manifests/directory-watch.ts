import { type FSWatcher, type Stats, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { Guard } from '@infra-offload/guard';

/**
 * Says when something may have changed in a directory, be it there already or not. What has changed is for the caller to
 * see by looking: file system events are only hints here, so no order or kind of them can lead astray (editors
 * that replace files, links that are switched over, directories that are removed and made again).
 */
export class DirectoryWatch {
  readonly #directory: string;
  readonly #onHint: () => void;
  #watcher: FSWatcher | undefined;
  #watched: string | undefined;

  constructor(directory: string, onHint: () => void) {
    this.#directory = resolve(directory);
    this.#onHint = onHint;
  }

  /**
   * Watches the directory as it is now or, while there is none, its nearest ancestor. To be called before each look.
   * @throws the error of node:fs if nothing can be watched, for instance ENOSPC: out of inotify watches
   */
  async refresh(): Promise<void> {
    for (let path = this.#directory; ; path = dirname(path)) {
      const stats = await stat(path).catch(() => undefined);
      if (stats?.isDirectory()) return this.#watch(path, stats);
      if (path === dirname(path)) return this.close();
    }
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#watched = undefined;
  }

  #watch(path: string, { dev, ino, birthtimeMs }: Stats): void {
    // The number alone is not enough: a directory that is made again may well get the old one's.
    const identity = `${dev}:${ino}:${birthtimeMs}:${path}`;
    if (identity === this.#watched) return;
    this.close();
    const guard = new Guard();
    this.#watcher = watch(
      path,
      guard.handler(() => this.#onHint()),
    );
    this.#watcher.on(
      'error',
      guard.handler(() => {
        this.close();
        this.#onHint();
      }),
    );
    this.#watched = identity;
  }
}
