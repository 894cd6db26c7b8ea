import { MultiMap } from '@infra-offload/base';

/**
 * Things of peers, by address, of which there may only be so many. When there are too many, one goes: of the address that
 * has most, the first that may.
 */
export class Pool<T> {
  readonly #limit: number;
  readonly #perAddress: number;
  readonly #mayGo: (item: T) => boolean;
  readonly #byAddress = new MultiMap<string, T>();
  readonly #addresses = new Map<T, string>();

  /**
   * @param limit how many there may be
   * @param mayGo whether one may go for another. Default: all may
   * @param perAddress how many of one address. Default: as many as in all
   */
  constructor(limit: number, mayGo: (item: T) => boolean = () => true, perAddress = limit) {
    this.#limit = limit;
    this.#perAddress = perAddress;
    this.#mayGo = mayGo;
  }

  get size(): number {
    return this.#addresses.size;
  }

  /**
   * Adds one, and gives what has to go for it, which is not in the pool any more; undefined if there is room. It is the
   * new one itself if no other may go.
   */
  add(address: string, item: T): T | undefined {
    const same = this.of(address);
    let goes: T | undefined;
    if (same.size >= this.#perAddress) goes = this.#first(same);
    else if (this.size >= this.#limit) goes = this.#first(this.#largest());
    else return this.#put(address, item);
    if (goes === undefined) return item;
    this.delete(goes);
    this.#put(address, item);
    return goes;
  }

  delete(item: T): boolean {
    const address = this.#addresses.get(item);
    if (address === undefined) return false;
    this.#addresses.delete(item);
    this.#byAddress.delete(address, item);
    return true;
  }

  /** Those of an address, the oldest first. */
  of(address: string): ReadonlySet<T> {
    return this.#byAddress.get(address);
  }

  /** Addresses, and what is there of each. */
  [Symbol.iterator](): Iterator<[string, ReadonlySet<T>]> {
    return this.#byAddress.entries();
  }

  items(): T[] {
    return [...this.#addresses.keys()];
  }

  #put(address: string, item: T): undefined {
    this.#byAddress.add(address, item);
    this.#addresses.set(item, address);
  }

  #first(items: Iterable<T>): T | undefined {
    for (const item of items) if (this.#mayGo(item)) return item;
    return undefined;
  }

  #largest(): ReadonlySet<T> {
    let largest: ReadonlySet<T> = new Set();
    for (const [, items] of this.#byAddress.entries()) if (items.size > largest.size) largest = items;
    return largest;
  }
}
