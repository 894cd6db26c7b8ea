import {
  KINDS,
  OBJECT_KINDS,
  type ObjectKind,
  type ObjectKinds,
  type WatchedObject,
} from './objects/kinds.js';
import type { ObjectStores } from './source.js';
import { ObjectStore } from './store.js';

/** A store for each kind, as sources fill them. */
export class StoreSet {
  readonly #stores = Object.fromEntries(OBJECT_KINDS.map((kind) => [kind, new ObjectStore()])) as {
    readonly [Kind in ObjectKind]: ObjectStore<ObjectKinds[Kind]>;
  };

  of<Kind extends ObjectKind>(kind: Kind): ObjectStore<ObjectKinds[Kind]> {
    return this.#stores[kind];
  }

  set(object: WatchedObject): void {
    this.of(object.kind).set(object);
  }

  delete({ kind, namespace, name }: WatchedObject): void {
    this.of(kind).delete(namespace, name);
  }
}

class StoresByName {
  constructor(stores: StoreSet) {
    for (const kind of OBJECT_KINDS) {
      Object.defineProperty(this, KINDS[kind].plural, { value: stores.of(kind) });
    }
  }
}

/** What every source is: the stores of a set under their names, as the constructor defines them from `KINDS`. */
export const NamedStores = StoresByName as new (stores: StoreSet) => ObjectStores;
