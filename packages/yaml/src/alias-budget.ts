/** Up to so many values nearly all may come from aliases; from the larger number on, a tenth. */
const LOW = 400_000;
const HIGH = 4_000_000;
const LOW_SHARE = 0.99;
const HIGH_SHARE = 0.1;

/** Counts the values of a document with what its aliases unfold to, by go-yaml's rule for what is too much. */
export class AliasBudget {
  readonly #most: number;
  #nodes = 0;
  #aliased = 0;

  constructor(most: number) {
    this.#most = most;
  }

  /** Values so far. */
  get nodes(): number {
    return this.#nodes;
  }

  /**
   * Adds values.
   *
   * @returns false if the document has too many now
   */
  add(nodes: number): boolean {
    this.#nodes += nodes;
    return this.#nodes <= this.#most;
  }

  /** As `add`, for values that an alias stands for, or a merge repeats. */
  addAliased(nodes: number): boolean {
    this.#aliased += nodes;
    if (!this.add(nodes)) return false;
    return (
      this.#aliased <= 100 || this.#nodes <= 1000 || this.#aliased / this.#nodes <= allowedShare(this.#nodes)
    );
  }
}

function allowedShare(nodes: number): number {
  const part = Math.min(Math.max((nodes - LOW) / (HIGH - LOW), 0), 1);
  return LOW_SHARE - part * (LOW_SHARE - HIGH_SHARE);
}
