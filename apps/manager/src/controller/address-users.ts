import { MultiMap } from '@infra-offload/base';
import type { ObjectKey } from '../state/objects.js';

/** Which objects asked who has an address, so that they are told when that changes. */
export class AddressUsers {
  readonly #users = new MultiMap<number, ObjectKey>();
  readonly #asked = new Map<ObjectKey, ReadonlySet<number>>();

  /** Replaces the addresses that an object asked for. */
  use(object: ObjectKey, addresses: ReadonlySet<number>): void {
    this.#users.move(object, this.#asked.get(object) ?? [], addresses);
    if (addresses.size === 0) this.#asked.delete(object);
    else this.#asked.set(object, addresses);
  }

  users(address: number): ReadonlySet<ObjectKey> {
    return this.#users.get(address);
  }
}
