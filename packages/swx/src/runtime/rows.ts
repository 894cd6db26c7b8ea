/** Marks the action word of a row that is not in use. */
const FREE = -1;
const FIRST_ROWS = 64;

/** Widths, in 32-bit words, of the parts of a row. */
export interface RowShape {
  readonly keyWords: number;
  /** Words for the arguments of the widest action. */
  readonly argWords: number;
  /** Whether rows have an expiry time and a timeout index (learners). */
  readonly timed: boolean;
}

/**
 * The entries of a table as rows of one typed array: key words, the number of the action, its arguments and, for
 * learners, the timeout index and the expiry time (a float64 in ms). A row's number is the entry's index (1 … limit);
 * it stays as long as the entry lives. Row 0 is the default entry, so a miss needs no case of its own.
 */
export class RowStore {
  readonly stride: number;
  /** Where in a row the number of its action is. The arguments follow it. */
  readonly actionAt: number;
  readonly timeoutAt: number;
  /** Index of the expiry time in a row, counted in float64. */
  readonly expiryAt: number;
  rows: Int32Array;
  /** The same memory as `rows`. */
  times: Float64Array;
  /** Rows 1 … highWater-1 have been used at some time. */
  highWater = 1;
  count = 0;
  readonly #free: number[] = [];

  constructor(
    readonly shape: RowShape,
    /** Greatest number of entries. */
    readonly limit: number,
    /** Takes memory for this many entries at once; the system hands it out page by page, when it is first written. */
    reserved = FIRST_ROWS - 1,
  ) {
    this.actionAt = shape.keyWords;
    this.timeoutAt = this.actionAt + 1 + shape.argWords;
    const used = this.timeoutAt + (shape.timed ? 1 : 0);
    // Whole float64s, so that the expiry times are aligned in every row.
    this.expiryAt = Math.ceil(used / 2);
    this.stride = shape.timed ? (this.expiryAt + 1) * 2 : this.expiryAt * 2;
    this.rows = new Int32Array(this.stride * Math.min(reserved + 1, limit + 1));
    this.times = new Float64Array(this.rows.buffer);
  }

  /** Takes a free row; 0 when there is none, or no memory for one. The caller fills it. */
  allocate(): number {
    const reused = this.#free.pop();
    if (reused !== undefined) {
      this.count++;
      return reused;
    }
    if (this.highWater > this.limit) return 0;
    if (this.highWater * this.stride >= this.rows.length && !this.#grow()) return 0;
    this.count++;
    return this.highWater++;
  }

  release(row: number): void {
    const base = row * this.stride;
    this.rows.fill(0, base, base + this.stride);
    this.rows[base + this.actionAt] = FREE;
    this.#free.push(row);
    this.count--;
  }

  isUsed(row: number): boolean {
    return row > 0 && row < this.highWater && this.word(row, this.actionAt) !== FREE;
  }

  word(row: number, at: number): number {
    return this.rows[row * this.stride + at] ?? 0;
  }

  setKey(row: number, key: Int32Array): void {
    this.rows.set(key, row * this.stride);
  }

  setAction(row: number, action: number, args: Int32Array): void {
    const at = row * this.stride + this.actionAt;
    this.rows[at] = action;
    this.rows.fill(0, at + 1, at + 1 + this.shape.argWords);
    this.rows.set(args, at + 1);
  }

  key(row: number): Int32Array {
    const base = row * this.stride;
    return this.rows.slice(base, base + this.shape.keyWords);
  }

  args(row: number): Int32Array {
    const base = row * this.stride + this.actionAt + 1;
    return this.rows.slice(base, base + this.shape.argWords);
  }

  /** Numbers of the rows in use, in ascending order. */
  *used(): IterableIterator<number> {
    for (let row = 1; row < this.highWater; row++) if (this.isUsed(row)) yield row;
  }

  /** Numbers of the rows in use from `first` on, in ascending order, at most `count`. */
  usedFrom(first: number, count: number): number[] {
    const found: number[] = [];
    for (let row = Math.max(first, 1); row < this.highWater && found.length < count; row++)
      if (this.isUsed(row)) found.push(row);
    return found;
  }

  #grow(): boolean {
    const rows = Math.min(this.limit + 1, Math.max(FIRST_ROWS, (this.rows.length / this.stride) * 2));
    try {
      const larger = new Int32Array(rows * this.stride);
      larger.set(this.rows);
      this.rows = larger;
      this.times = new Float64Array(larger.buffer);
      return true;
    } catch (error) {
      // The declared size is more than the machine has.
      if (error instanceof RangeError) return false;
      throw error;
    }
  }
}
