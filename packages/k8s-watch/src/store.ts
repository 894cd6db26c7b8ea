import { Listeners, type Unsubscribe } from '@infra-offload/base';
import { type NamespacedObject, objectName } from './objects/types.js';
import { plainEquals } from './plain-values.js';

export type StoreEvent<Item> =
  | { readonly type: 'added'; readonly object: Item }
  | { readonly type: 'updated'; readonly object: Item; readonly previous: Item }
  | { readonly type: 'removed'; readonly object: Item };

/** The objects of one kind as they are now, and events when they change. Objects are immutable. */
export interface ReadableStore<Item extends NamespacedObject> {
  readonly size: number;
  get(namespace: string, name: string): Item | undefined;
  values(): Iterable<Item>;
  /** Calls the listener for every later change; what is there already is in `values()`. */
  subscribe(listener: (event: StoreEvent<Item>) => void): Unsubscribe;
}

/** A store that a source fills. Writing what is there already is no change. */
export class ObjectStore<Item extends NamespacedObject> implements ReadableStore<Item> {
  readonly #objects = new Map<string, Item>();
  readonly #listeners = new Listeners<[event: StoreEvent<Item>]>();

  get size(): number {
    return this.#objects.size;
  }

  get(namespace: string, name: string): Item | undefined {
    return this.#objects.get(objectName({ namespace, name }));
  }

  values(): Iterable<Item> {
    return this.#objects.values();
  }

  subscribe(listener: (event: StoreEvent<Item>) => void): Unsubscribe {
    return this.#listeners.add(listener);
  }

  /** Returns whether this was a change. */
  set(object: Item): boolean {
    const key = objectName(object);
    const previous = this.#objects.get(key);
    if (previous !== undefined && plainEquals(previous, object)) return false;
    this.#objects.set(key, object);
    this.#emit(previous === undefined ? { type: 'added', object } : { type: 'updated', object, previous });
    return true;
  }

  /** Returns whether the object was there. */
  delete(namespace: string, name: string): boolean {
    const key = objectName({ namespace, name });
    const object = this.#objects.get(key);
    if (object === undefined) return false;
    this.#objects.delete(key);
    this.#emit({ type: 'removed', object });
    return true;
  }

  #emit(event: StoreEvent<Item>): void {
    this.#listeners.emit(event);
  }
}
