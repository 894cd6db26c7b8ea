/** Things that have a text each, counted, as a list in the order of their texts that is made anew when something changes. */
export class SortedMembers<Item> {
  readonly #counts = new Map<string, { count: number; readonly item: Item }>();
  /** Touched since the list was made. */
  readonly #touched = new Set<string>();
  #texts: readonly string[] = [];
  #items: readonly Item[] = [];

  add(text: string, item: Item): void {
    this.#touched.add(text);
    const known = this.#counts.get(text);
    if (known === undefined) this.#counts.set(text, { count: 1, item });
    else known.count += 1;
  }

  remove(text: string): void {
    const known = this.#counts.get(text);
    if (known === undefined) return;
    this.#touched.add(text);
    known.count -= 1;
    if (known.count === 0) this.#counts.delete(text);
  }

  /** The same list as before if nothing has changed. */
  items(): readonly Item[] {
    if (this.#touched.size === 0) return this.#items;
    const kept = this.#texts.filter((text) => !this.#touched.has(text));
    const touched = [...this.#touched].filter((text) => this.#counts.has(text)).sort();
    this.#touched.clear();
    const texts = merge(kept, touched);
    if (texts.length === this.#texts.length && texts.every((text, i) => text === this.#texts[i])) {
      return this.#items;
    }
    this.#texts = texts;
    this.#items = texts.flatMap((text) => this.#counts.get(text)?.item ?? []);
    return this.#items;
  }
}

/** Two sorted lists as one. */
function merge(a: readonly string[], b: readonly string[]): string[] {
  const merged: string[] = [];
  let next = 0;
  for (const text of a) {
    for (let other = b[next]; other !== undefined && other < text; other = b[++next]) merged.push(other);
    merged.push(text);
  }
  return merged.concat(b.slice(next));
}
