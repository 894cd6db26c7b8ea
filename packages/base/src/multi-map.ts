const NONE: ReadonlySet<never> = new Set();

/** Any number of values for each key, in the order in which they came. */
export class MultiMap<Key, Value> {
  readonly #values = new Map<Key, Set<Value>>();

  /** How many keys have values. */
  get size(): number {
    return this.#values.size;
  }

  /** @returns whether the key had none before. */
  add(key: Key, value: Value): boolean {
    const values = this.#values.get(key);
    if (values !== undefined) {
      values.add(value);
      return false;
    }
    this.#values.set(key, new Set([value]));
    return true;
  }

  /** @returns whether the key has none any more, and had this one. */
  delete(key: Key, value: Value): boolean {
    const values = this.#values.get(key);
    if (values === undefined || !values.delete(value) || values.size > 0) return false;
    return this.#values.delete(key);
  }

  /** Removes all values of a key. */
  deleteAll(key: Key): void {
    this.#values.delete(key);
  }

  /** The values as they are now and later, until the key has none. */
  get(key: Key): ReadonlySet<Value> {
    return this.#values.get(key) ?? NONE;
  }

  has(key: Key): boolean {
    return this.#values.has(key);
  }

  keys(): MapIterator<Key> {
    return this.#values.keys();
  }

  /** Every set of values with its key. */
  entries(): MapIterator<[Key, ReadonlySet<Value>]> {
    return this.#values.entries();
  }

  /** Puts `value` under `after` instead of under `before`. */
  move(value: Value, before: Iterable<Key>, after: Iterable<Key>): void {
    const kept = new Set(after);
    for (const key of before) if (!kept.has(key)) this.delete(key, value);
    for (const key of kept) this.add(key, value);
  }

  clear(): void {
    this.#values.clear();
  }
}
