import type { ObjectKind, ObjectKinds, WatchedObject } from './objects/types.js';
import { ObjectStore } from './store.js';

/** A store for each kind, as sources fill them. */
export class StoreSet {
  readonly #stores: { readonly [Kind in ObjectKind]: ObjectStore<ObjectKinds[Kind]> } = {
    Service: new ObjectStore(),
    EndpointSlice: new ObjectStore(),
    NetworkPolicy: new ObjectStore(),
    Pod: new ObjectStore(),
    Namespace: new ObjectStore(),
    Node: new ObjectStore(),
    ServiceCIDR: new ObjectStore(),
  };

  of<Kind extends ObjectKind>(kind: Kind): ObjectStore<ObjectKinds[Kind]> {
    return this.#stores[kind];
  }

  set(object: WatchedObject): void {
    switch (object.kind) {
      case 'Service':
        this.#stores.Service.set(object);
        break;
      case 'EndpointSlice':
        this.#stores.EndpointSlice.set(object);
        break;
      case 'NetworkPolicy':
        this.#stores.NetworkPolicy.set(object);
        break;
      case 'Pod':
        this.#stores.Pod.set(object);
        break;
      case 'Namespace':
        this.#stores.Namespace.set(object);
        break;
      case 'Node':
        this.#stores.Node.set(object);
        break;
      case 'ServiceCIDR':
        this.#stores.ServiceCIDR.set(object);
        break;
      default:
        object satisfies never;
    }
  }

  delete({ kind, namespace, name }: WatchedObject): void {
    this.#stores[kind].delete(namespace, name);
  }
}
