/** What clients keep with the tables (NOTE), with a way to take back what was changed since a moment. */
export class Notes {
  readonly #notes = new Map<string, Uint8Array>();
  #undo: (readonly [key: string, before: Uint8Array | undefined])[] = [];

  get(key: string): Uint8Array | undefined {
    return this.#notes.get(key);
  }

  keys(): string[] {
    return [...this.#notes.keys()];
  }

  /** An empty value takes the note away. */
  set(key: string, value: Uint8Array): void {
    this.#undo.push([key, this.#notes.get(key)]);
    if (value.length === 0) this.#notes.delete(key);
    else this.#notes.set(key, value);
  }

  /** What is there now is not taken back any more. */
  keep(): void {
    this.#undo = [];
  }

  /** Takes back everything since {@link keep}. */
  rollBack(): void {
    for (const [key, before] of this.#undo.reverse()) {
      if (before === undefined) this.#notes.delete(key);
      else this.#notes.set(key, before);
    }
    this.#undo = [];
  }
}
