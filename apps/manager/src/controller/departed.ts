import type { IPv4 } from '@infra-offload/net';
import type { StateStore } from '../state/store.js';

/**
 * Addresses of deleted pods: nothing answers there, so what they served need not drain. Each is remembered for as long
 * as drains last, or until a pod has it again.
 */
export class DepartedAddresses {
  readonly #store: Pick<StateStore, 'departAddress' | 'returnAddress'>;
  readonly #keepMs: number;
  readonly #now: () => number;
  /** Pods that have an address. More than one is a conflict, but they may overlap while one replaces another. */
  readonly #pods = new Map<IPv4, number>();
  /** When addresses departed (epoch milliseconds), the earliest first. */
  readonly #departed = new Map<IPv4, number>();

  constructor(store: Pick<StateStore, 'departAddress' | 'returnAddress'>, keepMs: number, now: () => number) {
    this.#store = store;
    this.#keepMs = keepMs;
    this.#now = now;
  }

  restore(departed: readonly (readonly [address: IPv4, at: number])[]): void {
    for (const [address, at] of departed) this.#departed.set(address, at);
    this.#forget();
  }

  /** A pod has the address from now on. */
  arrive(address: IPv4): void {
    this.#pods.set(address, (this.#pods.get(address) ?? 0) + 1);
    if (this.#departed.delete(address)) this.#store.returnAddress(address);
  }

  /** A pod that had the address is deleted. Returns whether it was the last one. */
  depart(address: IPv4): boolean {
    const left = (this.#pods.get(address) ?? 1) - 1;
    if (left > 0) {
      this.#pods.set(address, left);
      return false;
    }
    this.#pods.delete(address);
    this.#forget();
    const at = this.#now();
    this.#departed.delete(address);
    this.#departed.set(address, at);
    this.#store.departAddress(address, at);
    return true;
  }

  has(address: IPv4): boolean {
    const at = this.#departed.get(address);
    return at !== undefined && this.#now() - at < this.#keepMs;
  }

  #forget(): void {
    for (const [address, at] of this.#departed) {
      if (this.#now() - at < this.#keepMs) return;
      this.#departed.delete(address);
      this.#store.returnAddress(address);
    }
  }
}
