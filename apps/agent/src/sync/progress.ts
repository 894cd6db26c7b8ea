import type { ObjectKey } from './wanted-state.js';

/** What listeners hear: an object has changed, or the manager has dealt with all changes of it. */
export interface ProgressListener {
  readonly changed: (key: ObjectKey) => void;
  readonly settled: (key: ObjectKey) => void;
}

/** Which wanted objects the manager does not have yet as they are wanted, and since when. */
export class SyncProgress {
  /** By when they changed first, oldest first; milliseconds since 1970. */
  readonly #waiting = new Map<ObjectKey, number>();
  readonly #listeners = new Set<ProgressListener>();
  readonly #now: () => number;
  #lastChanged: number | undefined;
  #lastApplied: number | undefined;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  /** When the oldest of them changed; undefined if there are none. */
  get pendingSince(): number | undefined {
    return this.#waiting.values().next().value;
  }

  /** Whether the manager does not have the object yet as it is wanted. */
  isPending(key: ObjectKey): boolean {
    return this.#waiting.has(key);
  }

  /** When an object last changed. */
  get lastChanged(): number | undefined {
    return this.#lastChanged;
  }

  /** When the manager last had dealt with something. */
  get lastApplied(): number | undefined {
    return this.#lastApplied;
  }

  listen(listener: ProgressListener): void {
    this.#listeners.add(listener);
  }

  /** The object is another one, or no more. */
  changed(key: ObjectKey): void {
    this.#lastChanged = this.#now();
    if (!this.#waiting.has(key)) this.#waiting.set(key, this.#lastChanged);
    for (const { changed } of this.#listeners) changed(key);
  }

  /**
   * The manager has applied changes.
   *
   * @param keys those they were of; all if it has taken over a snapshot, which settles what is not in it, too.
   */
  applied(keys: Iterable<ObjectKey> | 'all', isSettled: (key: ObjectKey) => boolean): void {
    this.#lastApplied = this.#now();
    for (const key of keys === 'all' ? [...this.#waiting.keys()] : keys) {
      if (!this.#waiting.has(key) || !isSettled(key)) continue;
      this.#waiting.delete(key);
      for (const { settled } of this.#listeners) settled(key);
    }
  }
}
