import type { ObjectKey } from '../state/objects.js';

const NOBODY: ReadonlySet<ObjectKey> = new Set();

/** Which objects asked who has an address, so that they are told when that changes. */
export class AddressUsers {
  readonly #users = new Map<number, Set<ObjectKey>>();
  readonly #asked = new Map<ObjectKey, ReadonlySet<number>>();

  /** Replaces the addresses that an object asked for. */
  use(object: ObjectKey, addresses: ReadonlySet<number>): void {
    for (const address of this.#asked.get(object) ?? []) {
      if (addresses.has(address)) continue;
      const users = this.#users.get(address);
      users?.delete(object);
      if (users?.size === 0) this.#users.delete(address);
    }
    if (addresses.size === 0) this.#asked.delete(object);
    else this.#asked.set(object, addresses);
    for (const address of addresses) {
      const users = this.#users.get(address);
      if (users === undefined) this.#users.set(address, new Set([object]));
      else users.add(object);
    }
  }

  users(address: number): ReadonlySet<ObjectKey> {
    return this.#users.get(address) ?? NOBODY;
  }
}
