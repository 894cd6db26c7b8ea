import { LbModelError } from './errors.js';

export interface IdPoolOptions {
  /** Smallest id, inclusive; a safe integer >= 0. */
  readonly min: number;
  /** Largest id, inclusive. */
  readonly max: number;
  /** Milliseconds that a released id is left alone, so that nothing old still names it when it is handed out again. */
  readonly restMs: number;
}

export interface AllocateOptions {
  /** Current time in milliseconds; any clock, as long as it is always the same one. */
  readonly now: number;
  /** Wanted id: taken if it is free and rested, otherwise another one is chosen. */
  readonly prefer?: number;
  /** Rather hand out the id that has rested longest than none at all. Default false. */
  readonly allowUnrested?: boolean;
}

export type Allocation =
  /** `rested` is false if the id was handed out before its time (only with `allowUnrested`). */
  | { readonly ok: true; readonly id: number; readonly rested: boolean }
  /** `retryAt`: when the next resting id is ready; undefined if every id is in use. */
  | { readonly ok: false; readonly reason: 'exhausted'; readonly retryAt: number | undefined };

/** What a pool knows, as plain JSON. */
export interface IdPoolState {
  /** Ids in use, as inclusive ranges in ascending order. */
  readonly inUse: readonly (readonly [first: number, last: number])[];
  /** Released ids and when, in the order of release. */
  readonly resting: readonly (readonly [id: number, releasedAt: number])[];
}

/** A released id; the nodes form a list in the order of release, so that the longest rested is at the front. */
interface RestingId {
  readonly id: number;
  releasedAt: number;
  previous: RestingId | undefined;
  next: RestingId | undefined;
}

/**
 * Hands out the ids of a range, never one twice at a time, and lets a released id rest before it is used again.
 * Ids that were never used come first, in ascending order; then released ones, longest rested first.
 * Every operation takes constant time (amortised).
 */
export class IdPool {
  readonly min: number;
  readonly max: number;
  readonly restMs: number;
  readonly #inUse = new Set<number>();
  readonly #resting = new Map<number, RestingId>();
  #oldest: RestingId | undefined;
  #newest: RestingId | undefined;
  /** Every id below is in use or resting. */
  #nextUnused: number;

  /** @throws LbModelError INVALID_ARGUMENT */
  constructor(options: IdPoolOptions) {
    const { min, max, restMs } = options;
    if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max) || min < 0 || max < min) {
      throw new LbModelError('INVALID_ARGUMENT', `not a range of ids: ${min} to ${max}`, {
        details: { min, max },
      });
    }
    if (!(restMs >= 0)) {
      throw new LbModelError('INVALID_ARGUMENT', `restMs must be 0 or more, not ${restMs}`, {
        details: { restMs },
      });
    }
    this.min = min;
    this.max = max;
    this.restMs = restMs;
    this.#nextUnused = min;
  }

  /**
   * A pool as `state()` described it. Times later than `now` (the clock was set back) count as `now`.
   * @throws LbModelError INVALID_STATE if an id is out of range or named twice
   */
  static restore(options: IdPoolOptions, state: IdPoolState, now: number): IdPool {
    const pool = new IdPool(options);
    for (const [first, last] of state.inUse) {
      if (!(first <= last)) {
        throw new LbModelError('INVALID_STATE', `stored ids in use: not a range: ${first} to ${last}`, {
          details: {
            first,
            last,
          },
        });
      }
      pool.#check(first, 'INVALID_STATE');
      pool.#check(last, 'INVALID_STATE');
      for (let id = first; id <= last; id++) pool.#claimStored(id);
    }
    for (const [id, releasedAt] of state.resting) {
      pool.#check(id, 'INVALID_STATE');
      pool.#claimStored(id);
      pool.#inUse.delete(id);
      pool.#append(id, Math.min(releasedAt, now));
    }
    return pool;
  }

  /** Ids in use. */
  get used(): number {
    return this.#inUse.size;
  }

  /** Ids that may be handed out at some time: unused and resting ones. */
  get available(): number {
    return this.max - this.min + 1 - this.#inUse.size;
  }

  isInUse(id: number): boolean {
    return this.#inUse.has(id);
  }

  allocate(options: AllocateOptions): Allocation {
    const { now, prefer, allowUnrested = false } = options;
    if (prefer !== undefined && this.#isReady(prefer, now)) {
      this.reserve(prefer);
      return { ok: true, id: prefer, rested: true };
    }
    const unused = this.#firstUnused();
    if (unused !== undefined) {
      this.#inUse.add(unused);
      return { ok: true, id: unused, rested: true };
    }
    const oldest = this.#oldest;
    if (oldest === undefined) return { ok: false, reason: 'exhausted', retryAt: undefined };
    // The clock was set back: the rest begins anew, rather than lasting until the old time comes again.
    if (oldest.releasedAt > now) oldest.releasedAt = now;
    const readyAt = oldest.releasedAt + this.restMs;
    if (readyAt > now && !allowUnrested) return { ok: false, reason: 'exhausted', retryAt: readyAt };
    this.#unlink(oldest);
    this.#inUse.add(oldest.id);
    return { ok: true, id: oldest.id, rested: readyAt <= now };
  }

  /**
   * Takes exactly this id, rested or not: for owners that had it before, such as entries found on a device.
   * Returns false, and changes nothing, if somebody holds it.
   * @throws LbModelError INVALID_ARGUMENT if the id is out of range
   */
  reserve(id: number): boolean {
    this.#check(id, 'INVALID_ARGUMENT');
    if (this.#inUse.has(id)) return false;
    const resting = this.#resting.get(id);
    if (resting !== undefined) this.#unlink(resting);
    this.#inUse.add(id);
    return true;
  }

  /** Gives an id back; it rests from `now` on. @throws LbModelError NOT_IN_USE */
  release(id: number, now: number): void {
    if (!this.#inUse.delete(id)) {
      throw new LbModelError('NOT_IN_USE', `id ${id} was released but is not in use`, { details: { id } });
    }
    this.#append(id, now);
  }

  /** Everything the pool knows, to be stored and given to `restore`. */
  state(): IdPoolState {
    const inUse: [number, number][] = [];
    for (const id of [...this.#inUse].sort((a, b) => a - b)) {
      const range = inUse.at(-1);
      if (range !== undefined && range[1] === id - 1) range[1] = id;
      else inUse.push([id, id]);
    }
    const resting: [number, number][] = [];
    for (let node = this.#oldest; node !== undefined; node = node.next)
      resting.push([node.id, node.releasedAt]);
    return { inUse, resting };
  }

  #isReady(id: number, now: number): boolean {
    if (!Number.isSafeInteger(id) || id < this.min || id > this.max || this.#inUse.has(id)) return false;
    const resting = this.#resting.get(id);
    return resting === undefined || resting.releasedAt + this.restMs <= now;
  }

  #firstUnused(): number | undefined {
    while (this.#nextUnused <= this.max) {
      const id = this.#nextUnused++;
      if (!this.#inUse.has(id) && !this.#resting.has(id)) return id;
    }
    return undefined;
  }

  #claimStored(id: number): void {
    if (this.#inUse.has(id) || this.#resting.has(id)) {
      throw new LbModelError('INVALID_STATE', `stored state names id ${id} twice`, { details: { id } });
    }
    this.#inUse.add(id);
  }

  #check(id: number, code: 'INVALID_ARGUMENT' | 'INVALID_STATE'): void {
    if (Number.isSafeInteger(id) && id >= this.min && id <= this.max) return;
    throw new LbModelError(code, `id ${id} is not in ${this.min} to ${this.max}`, {
      details: {
        id,
        min: this.min,
        max: this.max,
      },
    });
  }

  #append(id: number, releasedAt: number): void {
    const node: RestingId = { id, releasedAt, previous: this.#newest, next: undefined };
    if (this.#newest === undefined) this.#oldest = node;
    else this.#newest.next = node;
    this.#newest = node;
    this.#resting.set(id, node);
  }

  #unlink(node: RestingId): void {
    if (node.previous === undefined) this.#oldest = node.next;
    else node.previous.next = node.next;
    if (node.next === undefined) this.#newest = node.previous;
    else node.next.previous = node.previous;
    this.#resting.delete(node.id);
  }
}
