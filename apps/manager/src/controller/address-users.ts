import { MultiMap } from '@infra-offload/base';
import type { IPv4 } from '@infra-offload/net';
import type { ObjectKey } from '../model/objects.js';

/** Which objects asked who has an address, so that they are told when that changes. */
export class AddressUsers {
  readonly #users = new MultiMap<IPv4, ObjectKey>();
  readonly #asked = new Map<ObjectKey, ReadonlySet<IPv4>>();

  /** Replaces the addresses that an object asked for. */
  use(object: ObjectKey, addresses: ReadonlySet<IPv4>): void {
    this.#users.move(object, this.#asked.get(object) ?? [], addresses);
    if (addresses.size === 0) this.#asked.delete(object);
    else this.#asked.set(object, addresses);
  }

  users(address: IPv4): ReadonlySet<ObjectKey> {
    return this.#users.get(address);
  }
}
