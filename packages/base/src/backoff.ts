import { setTimeout as sleep } from 'node:timers/promises';

/** How long to wait between attempts. */
export interface BackoffOptions {
  /** The first delay, in milliseconds; each further one is twice as long … */
  readonly initialMs: number;
  /** … up to this. */
  readonly maxMs: number;
  /**
   * Which part of each delay is left to chance, 0 to 1, so that many clients that lost the same server do not return together.
   * Default 0.5: each is between half and all of its length.
   */
  readonly jitter?: number;
  /** The first attempt comes at once: most often only a connection was lost. Default false. */
  readonly firstAtOnce?: boolean;
  /** A number in [0, 1); for tests. */
  readonly random?: () => number;
}

/** How {@link Backoff.wait} waits. */
export interface WaitOptions {
  /** In addition to the delay, because the server asks for it; milliseconds. */
  readonly addMs?: number;
  /** False: the process may end meanwhile. */
  readonly ref?: boolean;
}

/** The longest delay before retry `retry` (from 1), in milliseconds. */
export function longestDelayMs({ initialMs, maxMs }: BackoffOptions, retry: number): number {
  return Math.min(maxMs, initialMs * 2 ** Math.min(retry - 1, 30));
}

/** Delays that double from attempt to attempt, with jitter. */
export class Backoff {
  readonly #options: BackoffOptions;
  #retries = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** The delay before the next attempt, in milliseconds. */
  next(): number {
    const { jitter = 0.5, firstAtOnce = false, random = Math.random } = this.#options;
    this.#retries++;
    const retry = firstAtOnce ? this.#retries - 1 : this.#retries;
    return retry === 0 ? 0 : longestDelayMs(this.#options, retry) * (1 - jitter * random());
  }

  /** Waits for the next delay. Returns early, without an error, when aborted. */
  async wait(signal: AbortSignal, { addMs = 0, ref = true }: WaitOptions = {}): Promise<void> {
    await sleep(this.next() + addMs, undefined, { signal, ref }).catch(() => undefined);
  }

  /** To be called after a success: the next delay is a first one again. */
  reset(): void {
    this.#retries = 0;
  }
}
