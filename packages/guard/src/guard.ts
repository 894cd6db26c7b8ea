/** Told what a guarded handler threw, or was rejected with: logs it, and ends what the handler belongs to. */
export type OnFault = (error: unknown) => void;

/**
 * Keeps what goes wrong in handlers of events, in timers and in work that nobody waits for with what these belong to.
 * Without it an exception there, or a rejection, ends the process.
 *
 * Everything that the system, a peer or a timer calls is called through one; `scripts/guarded-handlers.test.ts` sees
 * to that.
 */
export class Guard {
  readonly #onFault: OnFault;

  /**
   * @param onFault default: a warning of the process (`process.emitWarning`), which is also what it becomes if this throws
   */
  constructor(onFault: OnFault = warn) {
    this.#onFault = onFault;
  }

  /** A handler that does not throw, made of one that may, or whose promise may be rejected. */
  handler<A extends readonly unknown[]>(handle: (...args: A) => unknown): (...args: A) => void {
    return (...args) => this.run(() => handle(...args));
  }

  /** What has `work` done right after the code that runs now: once, however often it is called until then. */
  soon(work: () => unknown): () => void {
    let isDue = false;
    const run = this.handler(() => {
      isDue = false;
      return work();
    });
    return () => {
      if (isDue) return;
      isDue = true;
      queueMicrotask(run);
    };
  }

  /** Begins work that nobody waits for. */
  run(work: () => unknown): void {
    try {
      const result = work();
      if (isThenable(result)) result.then(undefined, (error: unknown) => this.#fault(error));
    } catch (error) {
      this.#fault(error);
    }
  }

  #fault(error: unknown): void {
    try {
      this.#onFault(error);
    } catch (second) {
      warn(second);
    }
  }
}

function warn(error: unknown): void {
  process.emitWarning(error instanceof Error ? error : new Error(String(error)));
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
