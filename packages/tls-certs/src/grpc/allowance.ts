/** So many at once, and more as time goes by. Times are milliseconds of the monotonic clock. */
export class Allowance {
  readonly #most: number;
  readonly #perSecond: number;
  #left: number;
  #at: number;

  constructor(most: number, perSecond: number, now: number) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#left = most;
    this.#at = now;
  }

  /** What is left; below 0 if more was spent. */
  left(now: number): number {
    this.#left = Math.min(this.#most, this.#left + ((now - this.#at) / 1000) * this.#perSecond);
    this.#at = now;
    return this.#left;
  }

  spend(cost: number, now: number): void {
    this.#left = this.left(now) - cost;
  }

  /** Gives some back. */
  earn(amount: number): void {
    this.#left = Math.min(this.#most, this.#left + amount);
  }

  /** Spends one if there is one. */
  take(now: number): boolean {
    if (this.left(now) < 1) return false;
    this.#left--;
    return true;
  }
}
