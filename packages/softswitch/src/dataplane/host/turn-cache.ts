import { Guard } from '@infra-offload/guard';
import { inner } from './mirror.js';

/**
 * Values of cells that were read in this turn of the event loop. They stay no longer, so that no read sees what was before
 * it, but one that goes through an array need not ask for each cell alone.
 */
export class TurnCache<T> {
  readonly #arrays = new Map<string, Map<number, T>>();
  #expires = false;

  get(array: string, index: number): T | undefined {
    return this.#arrays.get(array)?.get(index);
  }

  /** How many cells to read from `index` on, of which `rest` are left: one, until somebody goes through them. */
  stretch(array: string, index: number, most: number, rest: number): number {
    return Math.min(this.#arrays.get(array)?.has(index - 1) ? most : 1, rest);
  }

  keep(array: string, index: number, value: T): void {
    inner(this.#arrays, array).set(index, value);
    if (this.#expires) return;
    this.#expires = true;
    setImmediate(
      new Guard().handler(() => {
        this.#expires = false;
        this.clear();
      }),
    );
  }

  /** Of all arrays. */
  forget(index: number): void {
    for (const cells of this.#arrays.values()) cells.delete(index);
  }

  clear(): void {
    this.#arrays.clear();
  }
}
