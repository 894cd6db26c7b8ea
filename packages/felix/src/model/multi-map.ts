/** Any number of values for each key. */
export class MultiMap<Key, Value> {
  readonly #values = new Map<Key, Set<Value>>();

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

  /** @returns whether the key has none any more. */
  delete(key: Key, value: Value): boolean {
    const values = this.#values.get(key);
    if (values === undefined || !values.delete(value) || values.size > 0) return false;
    return this.#values.delete(key);
  }

  get(key: Key): ReadonlySet<Value> {
    return this.#values.get(key) ?? none;
  }

  has(key: Key): boolean {
    return this.#values.has(key);
  }

  /** Gives `value` these keys instead of those it had. */
  move(value: Value, before: Iterable<Key>, after: Iterable<Key>): void {
    const kept = new Set(after);
    for (const key of before) if (!kept.has(key)) this.delete(key, value);
    for (const key of kept) this.add(key, value);
  }
}

const none: ReadonlySet<never> = new Set();
