import { MultiMap } from './multi-map.js';

type Listener<A extends readonly unknown[]> = (...args: A) => unknown;

/** Makes what a listener threw a warning of the process. @param owner whose listener it was, such as a class */
export function warnOfListener(error: unknown, event: string, owner: string): void {
  const warning = error instanceof Error ? error : new Error(String(error));
  process.emitWarning(`a listener of '${event}' failed: ${warning.stack ?? warning.message}`, owner);
}

/**
 * Typed events whose listeners cannot break the emitter: what a listener throws, or rejects with, goes to
 * `onListenerError`, and the other listeners are still called.
 */
export class Events<M extends { [event: string]: readonly unknown[] }> {
  readonly #listeners = new MultiMap<keyof M, Listener<never>>();
  readonly #onListenerError: (error: unknown, event: keyof M) => void;

  constructor(onListenerError: (error: unknown, event: keyof M) => void) {
    this.#onListenerError = onListenerError;
  }

  on<E extends keyof M>(event: E, listener: Listener<M[E]>): () => void {
    this.#listeners.add(event, listener);
    return () => {
      this.#listeners.delete(event, listener);
    };
  }

  emit<E extends keyof M>(event: E, ...args: M[E]): void {
    for (const listener of [...this.#listeners.get(event)] as Listener<M[E]>[]) {
      try {
        const result = listener(...args);
        if (result instanceof Promise) result.catch((error: unknown) => this.#onListenerError(error, event));
      } catch (error) {
        this.#onListenerError(error, event);
      }
    }
  }

  has(event: keyof M): boolean {
    return this.#listeners.has(event);
  }

  clear(): void {
    this.#listeners.clear();
  }
}
