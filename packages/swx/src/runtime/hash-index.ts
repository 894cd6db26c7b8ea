import { hashWords } from '../hash.js';
import type { RowStore } from './rows.js';

const FIRST_SLOTS = 16;
/** Finds rows by their key words: open addressing with linear probing, at most half full. */
export class HashIndex {
  readonly #store: RowStore;
  /** Row numbers; 0 is an empty slot. */
  slots: Int32Array;
  mask: number;
  #count = 0;

  constructor(
    store: RowStore,
    /** Rows to have room for from the start. */
    reserved = 0,
  ) {
    this.#store = store;
    const size = Math.max(FIRST_SLOTS, 2 ** Math.ceil(Math.log2(2 * reserved)));
    this.slots = new Int32Array(size);
    this.mask = size - 1;
  }

  get size(): number {
    return this.#count;
  }

  /** The row with this key; 0 when there is none. */
  find(key: Int32Array): number {
    const { keyWords } = this.#store.shape;
    let slot = hashWords(key, 0, keyWords) & this.mask;
    for (;;) {
      const row = this.slots[slot] ?? 0;
      if (row === 0 || this.#equals(row, key)) return row;
      slot = (slot + 1) & this.mask;
    }
  }

  /** Adds a row, whose key is in the store and not in the index. */
  insert(row: number): void {
    if ((this.#count + 1) * 2 > this.slots.length) this.#resize(this.slots.length * 2);
    this.#place(row);
    this.#count++;
  }

  /** Removes a row whose key is still in the store. */
  remove(row: number): void {
    let hole = this.#home(row);
    while (this.slots[hole] !== row) {
      if (this.slots[hole] === 0) return;
      hole = (hole + 1) & this.mask;
    }
    // Rows behind the hole move up when it lies between their home and their place, so that no mark is needed.
    let next = hole;
    for (;;) {
      next = (next + 1) & this.mask;
      const follower = this.slots[next] ?? 0;
      if (follower === 0) break;
      const home = this.#home(follower);
      if (((next - home) & this.mask) >= ((next - hole) & this.mask)) {
        this.slots[hole] = follower;
        hole = next;
      }
    }
    this.slots[hole] = 0;
    this.#count--;
  }

  /** Puts another row in the place of one with the same key. */
  replace(row: number, by: number): void {
    let slot = this.#home(row);
    while (this.slots[slot] !== row) slot = (slot + 1) & this.mask;
    this.slots[slot] = by;
  }

  clear(): void {
    this.slots = new Int32Array(FIRST_SLOTS);
    this.mask = FIRST_SLOTS - 1;
    this.#count = 0;
  }

  #home(row: number): number {
    const { shape, stride, rows } = this.#store;
    return hashWords(rows, row * stride, shape.keyWords) & this.mask;
  }

  #equals(row: number, key: Int32Array): boolean {
    const { shape, stride, rows } = this.#store;
    const base = row * stride;
    for (let i = 0; i < shape.keyWords; i++) if (rows[base + i] !== key[i]) return false;
    return true;
  }

  #place(row: number): void {
    let slot = this.#home(row);
    while (this.slots[slot] !== 0) slot = (slot + 1) & this.mask;
    this.slots[slot] = row;
  }

  #resize(size: number): void {
    const old = this.slots;
    this.slots = new Int32Array(size);
    this.mask = size - 1;
    for (const row of old) if (row !== 0) this.#place(row);
  }
}
