/** How to take back what was changed since a transaction began; changes note nothing outside of one. */
export class UndoLog {
  #steps: (() => void)[] | undefined;

  get open(): boolean {
    return this.#steps !== undefined;
  }

  push(step: () => void): void {
    this.#steps?.push(step);
  }

  /** Runs `changes`; if they throw, all of them are taken back, the last one first. They cannot be nested. */
  atomically(changes: () => void): void {
    this.#steps = [];
    try {
      changes();
    } catch (error) {
      const steps = this.#steps;
      this.#steps = undefined;
      for (let i = steps.length - 1; i >= 0; i--) steps[i]?.();
      throw error;
    } finally {
      this.#steps = undefined;
    }
  }
}
