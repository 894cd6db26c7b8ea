/** Delays between attempts, in milliseconds. */
export interface BackoffOptions {
  readonly initialMs: number;
  readonly maxMs: number;
  /** Each delay is this many times the one before. */
  readonly factor: number;
  /** A number in [0, 1); for tests. */
  readonly random?: () => number;
}

/** Growing delays with jitter: each is between half and all of its step, so that many agents do not return at once. */
export class Backoff {
  readonly #options: BackoffOptions;
  #step: number;

  constructor(options: BackoffOptions) {
    this.#options = options;
    this.#step = options.initialMs;
  }

  /** The delay before the next attempt, in milliseconds. */
  next(): number {
    const step = this.#step;
    this.#step = Math.min(step * this.#options.factor, this.#options.maxMs);
    return step * (0.5 + (this.#options.random ?? Math.random)() / 2);
  }

  /** To be called after a success. */
  reset(): void {
    this.#step = this.#options.initialMs;
  }
}
