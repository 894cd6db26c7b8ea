import { setTimeout as sleep } from 'node:timers/promises';

/** A server may ask for a pause; longer ones than this look like a mistake. */
const MAX_RETRY_AFTER_MS = 5 * 60_000;

export interface BackoffOptions {
  /** The second wait is at most so long; each further one twice as long … */
  readonly baseMs: number;
  /** … up to this. */
  readonly maxMs: number;
}

/**
 * Exponential backoff with full jitter: the first attempt comes at once, since most often only a connection was lost; from
 * then on each wait is random between nothing and its limit, so that nodes that lost the API server at the same time do not
 * come back at the same time.
 */
export class Backoff {
  readonly #options: BackoffOptions;
  #failures = 0;

  constructor(options: BackoffOptions) {
    this.#options = options;
  }

  /** After a success. */
  reset(): void {
    this.#failures = 0;
  }

  /** Waits after a failure, not less than the server asked for. Returns early when aborted. */
  async wait(signal: AbortSignal, retryAfterMs = 0): Promise<void> {
    const { baseMs, maxMs } = this.#options;
    const limit = this.#failures === 0 ? 0 : Math.min(maxMs, baseMs * 2 ** Math.min(this.#failures - 1, 30));
    this.#failures++;
    const delay = Math.min(retryAfterMs, MAX_RETRY_AFTER_MS) + Math.random() * limit;
    await sleep(delay, undefined, { signal }).catch(() => undefined);
  }
}
