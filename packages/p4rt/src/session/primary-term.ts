import type { P4rtError } from '../errors.js';

interface Waiter {
  readonly resolve: (term: AbortSignal) => void;
  readonly reject: (error: P4rtError) => void;
}

/** Tells those who wait for it that this controller is the primary, and later that it no longer is. */
export class PrimaryTerm {
  #term: AbortController | undefined;
  #waiters: Waiter[] = [];

  /** Resolves, with a signal that is aborted at the end of the term, as soon as there is one. */
  wait(): Promise<AbortSignal> {
    if (this.#term !== undefined) return Promise.resolve(this.#term.signal);
    return new Promise((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  begin(): void {
    this.#term = new AbortController();
    for (const { resolve } of this.#waiters.splice(0)) resolve(this.#term.signal);
  }

  end(reason: P4rtError): void {
    const term = this.#term;
    this.#term = undefined;
    term?.abort(reason);
  }

  /** There will be no term any more. */
  close(reason: P4rtError): void {
    this.end(reason);
    for (const { reject } of this.#waiters.splice(0)) reject(reason);
  }
}
