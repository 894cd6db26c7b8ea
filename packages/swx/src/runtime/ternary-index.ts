import { HashIndex } from './hash-index.js';
import type { RowStore } from './rows.js';

/** The rows that share one mask. */
interface MaskGroup {
  readonly mask: Int32Array;
  readonly index: HashIndex;
  readonly rows: Set<number>;
  /** Lowest priority number of the group. */
  best: number;
}

/**
 * Finds the row with the lowest priority number among those that match: tuple space search, one hash probe for each
 * distinct mask, masks with the best rows first. Rows of the same priority: the older (lower) row number wins.
 */
export class TernaryIndex {
  readonly #store: RowStore;
  /** The key to look up; the caller fills it. */
  readonly key: Int32Array;
  readonly #masked: Int32Array;
  readonly #groups = new Map<string, MaskGroup>();
  #ordered: MaskGroup[] = [];
  readonly #priorities: number[] = [];
  readonly #masks = new Map<number, string>();
  /** Rows with the same mask and key but another priority: the next worse one. */
  readonly #next = new Map<number, number>();

  constructor(store: RowStore) {
    this.#store = store;
    this.key = new Int32Array(store.shape.keyWords);
    this.#masked = new Int32Array(store.shape.keyWords);
  }

  /** The best row for `key`; 0 when none matches. */
  lookup(): number {
    const { key } = this;
    const priorities = this.#priorities;
    const ordered = this.#ordered;
    const masked = this.#masked;
    let found = 0;
    let best = Number.POSITIVE_INFINITY;
    for (const group of ordered) {
      if (group.best > best) break;
      for (let i = 0; i < key.length; i++) masked[i] = (key[i] ?? 0) & (group.mask[i] ?? 0);
      const row = group.index.find(masked);
      if (row === 0) continue;
      const priority = priorities[row] ?? 0;
      if (priority < best || (priority === best && row < found)) {
        found = row;
        best = priority;
      }
    }
    return found;
  }

  /** The row with exactly this (masked) key, mask and priority; 0 when there is none. */
  find(key: Int32Array, mask: Int32Array, priority: number): number {
    let row = this.#groups.get(mask.join())?.index.find(key) ?? 0;
    while (row !== 0 && this.#priorities[row] !== priority) row = this.#next.get(row) ?? 0;
    return row;
  }

  mask(row: number): Int32Array {
    const group = this.#groups.get(this.#masks.get(row) ?? '');
    return group?.mask ?? new Int32Array(this.#store.shape.keyWords);
  }

  priority(row: number): number {
    return this.#priorities[row] ?? 0;
  }

  /** Adds a row whose (masked) key is in the store. */
  insert(row: number, mask: Int32Array, priority: number): void {
    const name = mask.join();
    const group = this.#groups.get(name) ?? this.#addGroup(name, mask);
    this.#priorities[row] = priority;
    this.#masks.set(row, name);
    group.rows.add(row);
    const head = group.index.find(this.#store.key(row));
    if (head === 0) {
      group.index.insert(row);
    } else if (priority < this.priority(head)) {
      group.index.replace(head, row);
      this.#next.set(row, head);
    } else {
      let before = head;
      let after = this.#next.get(before) ?? 0;
      while (after !== 0 && this.priority(after) < priority) {
        before = after;
        after = this.#next.get(before) ?? 0;
      }
      this.#next.set(before, row);
      if (after !== 0) this.#next.set(row, after);
    }
    if (priority < group.best) {
      group.best = priority;
      this.#sort();
    }
  }

  remove(row: number): void {
    const name = this.#masks.get(row);
    const group = name === undefined ? undefined : this.#groups.get(name);
    if (name === undefined || group === undefined) return;
    const after = this.#next.get(row) ?? 0;
    const head = group.index.find(this.#store.key(row));
    if (head !== row) {
      let before = head;
      while (this.#next.get(before) !== row) before = this.#next.get(before) ?? 0;
      if (after === 0) this.#next.delete(before);
      else this.#next.set(before, after);
    } else if (after !== 0) {
      group.index.replace(row, after);
    } else {
      group.index.remove(row);
    }
    this.#next.delete(row);
    this.#masks.delete(row);
    group.rows.delete(row);
    if (group.rows.size === 0) {
      this.#groups.delete(name);
      this.#sort();
    } else if (this.priority(row) === group.best) {
      group.best = this.#lowest(group);
      this.#sort();
    }
  }

  clear(): void {
    this.#groups.clear();
    this.#ordered = [];
    this.#masks.clear();
    this.#next.clear();
  }

  #addGroup(name: string, mask: Int32Array): MaskGroup {
    const group = {
      mask: Int32Array.from(mask),
      index: new HashIndex(this.#store),
      rows: new Set<number>(),
      best: Number.POSITIVE_INFINITY,
    };
    this.#groups.set(name, group);
    return group;
  }

  #lowest(group: MaskGroup): number {
    let best = Number.POSITIVE_INFINITY;
    for (const row of group.rows) best = Math.min(best, this.priority(row));
    return best;
  }

  #sort(): void {
    this.#ordered = [...this.#groups.values()].sort((a, b) => a.best - b.best);
  }
}
