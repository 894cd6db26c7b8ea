import { HashIndex } from './hash-index.js';
import { type RowShape, RowStore } from './rows.js';

/** Rows looked at for expiry with each row that is learned: more than one, so that the sweep outruns the learning. */
const SWEEP_STEP = 2;
/**
 * Entries for which a learner takes memory at once. Growing a table of a million entries would hold up a packet for
 * some 50 ms.
 */
const RESERVED = 2 ** 21;
/** Rows looked at when the table is full. */
const SWEEP_WHEN_FULL = 64;

/**
 * A table that the data plane itself fills (add on miss). Entries expire at their own time; a look-up takes an expired
 * entry for a miss at once, and its row is freed by a sweep that moves on a few rows with each learned entry.
 */
export class LearnerTable {
  /** Time of the packet in ms. */
  readonly #now: () => number;
  readonly index: HashIndex;
  /** The key of the last lookup. */
  readonly key: Int32Array;
  /** The row of the last lookup when it hit, else 0. What `learn`, `rearm` and `forget` are about. */
  last = 0;
  /** What instructions have done with it, as DPDK counts it. */
  readonly counts = { learned: 0, notLearned: 0, rearmed: 0, forgotten: 0 };
  readonly #timeouts: number[];
  readonly #timeoutMask: number;
  #cursor = 1;

  readonly store: RowStore;

  constructor(
    shape: RowShape,
    /** Greatest number of entries. */
    size: number,
    timeoutSeconds: readonly number[],
    now: () => number,
  ) {
    this.#now = now;
    const reserved = Math.min(size, RESERVED);
    this.store = new RowStore(shape, size, reserved);
    this.index = new HashIndex(this.store, reserved);
    this.key = new Int32Array(shape.keyWords);
    this.#timeouts = timeoutSeconds.map((seconds) => seconds * 1000);
    // As in DPDK: the number of timeouts is rounded up to a power of two, filled with the first.
    const count = 2 ** Math.ceil(Math.log2(timeoutSeconds.length));
    while (this.#timeouts.length < count) this.#timeouts.push(this.#timeouts[0] ?? 0);
    this.#timeoutMask = count - 1;
  }

  timeoutSeconds(index: number): number {
    return (this.#timeouts[index] ?? 0) / 1000;
  }

  setTimeoutSeconds(index: number, seconds: number): void {
    this.#timeouts[index] = seconds * 1000;
  }

  /**
   * The row for the key of the last lookup, new or not; 0 when the table is full. Its action is for the caller to
   * write, then `arm` must be called.
   */
  claim(): number {
    const row = this.last !== 0 ? this.last : this.#take();
    if (row === 0) this.counts.notLearned++;
    else this.counts.learned++;
    return row;
  }

  /** The row of a key that has none yet, for what another data plane has learned; 0 when the table is full. */
  add(key: Int32Array): number {
    this.key.set(key);
    const row = this.#take();
    this.last = 0;
    return row;
  }

  #take(): number {
    this.#sweep(SWEEP_STEP);
    const known = this.index.find(this.key);
    if (known !== 0) {
      this.last = known;
      return known;
    }
    let row = this.store.allocate();
    if (row === 0) {
      this.#sweep(SWEEP_WHEN_FULL);
      row = this.store.allocate();
    }
    if (row === 0) return 0;
    this.store.setKey(row, this.key);
    this.index.insert(row);
    this.last = row;
    return row;
  }

  /** Starts the time of a row anew, with another timeout index. */
  arm(row: number, timeoutIndex: number): void {
    const { store } = this;
    const index = timeoutIndex & this.#timeoutMask;
    store.rows[row * store.stride + store.timeoutAt] = index;
    store.times[row * (store.stride >> 1) + store.expiryAt] = this.#now() + (this.#timeouts[index] ?? 0);
  }

  /** `rearm`: starts the time of the entry that was hit anew, with its own timeout. */
  rearm(): void {
    this.counts.rearmed++;
    const row = this.last;
    if (row !== 0) this.arm(row, this.store.rows[row * this.store.stride + this.store.timeoutAt] ?? 0);
  }

  /** `rearm` with a timeout index. */
  rearmWith(timeoutIndex: number): void {
    this.counts.rearmed++;
    if (this.last !== 0) this.arm(this.last, timeoutIndex);
  }

  /** `forget`: removes the entry that was hit. */
  forget(): void {
    this.counts.forgotten++;
    const row = this.last;
    if (row === 0) return;
    this.key.set(this.store.key(row));
    this.#remove(row);
    this.last = 0;
  }

  expiry(row: number): number {
    return this.store.times[row * (this.store.stride >> 1) + this.store.expiryAt] ?? 0;
  }

  isLive(row: number, now: number): boolean {
    return this.store.isUsed(row) && this.expiry(row) > now;
  }

  /** Numbers of the rows that have not expired. */
  *live(): IterableIterator<number> {
    const now = this.#now();
    for (const row of this.store.used()) if (this.expiry(row) > now) yield row;
  }

  /** Ends an entry from outside of the program, and gives what puts it back in its place. */
  end(row: number): () => void {
    const { store } = this;
    const [key, args, action] = [store.key(row), store.args(row), store.word(row, store.actionAt)];
    const [timeout, expiry] = [store.word(row, store.timeoutAt), this.expiry(row)];
    this.#remove(row);
    this.last = 0;
    return () => {
      // Rows are given out in the reverse order of their release, so that this is the same one again.
      const again = store.allocate();
      store.setKey(again, key);
      this.index.insert(again);
      store.setAction(again, action, args);
      store.rows[again * store.stride + store.timeoutAt] = timeout;
      store.times[again * (store.stride >> 1) + store.expiryAt] = expiry;
    };
  }

  #sweep(steps: number): void {
    const { store } = this;
    const now = this.#now();
    for (let i = 0; i < steps; i++) {
      if (this.#cursor >= store.highWater) this.#cursor = 1;
      const row = this.#cursor++;
      if (store.isUsed(row) && this.expiry(row) <= now) this.#remove(row);
    }
  }

  #remove(row: number): void {
    this.index.remove(row);
    this.store.release(row);
  }
}
