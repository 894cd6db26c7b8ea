/** Numbers first..end-1 that are handed out and taken back. */
export class NumberPool {
  readonly #first: number;
  readonly #end: number;
  readonly #used = new Set<number>();
  #cursor: number;

  constructor(first: number, end: number) {
    this.#first = first;
    this.#end = end;
    this.#cursor = first;
  }

  /** `preferred` if it is in range and free, else the next free one going round; undefined when there is none. */
  take(preferred?: number): number | undefined {
    if (
      preferred !== undefined &&
      preferred >= this.#first &&
      preferred < this.#end &&
      !this.#used.has(preferred)
    ) {
      this.#used.add(preferred);
      return preferred;
    }
    if (this.#used.size >= Math.max(0, this.#end - this.#first)) return undefined;
    while (this.#used.has(this.#cursor)) this.#advance();
    const number = this.#cursor;
    this.#used.add(number);
    this.#advance();
    return number;
  }

  /** Takes this very number back into use; nothing if it belongs to another pool. */
  claim(number: number): void {
    if (number >= this.#first && number < this.#end) this.#used.add(number);
  }

  release(number: number): void {
    this.#used.delete(number);
  }

  #advance(): void {
    this.#cursor = this.#cursor + 1 < this.#end ? this.#cursor + 1 : this.#first;
  }
}
