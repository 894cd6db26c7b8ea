import { MultiMap, type Unsubscribe } from '@infra-offload/base';
import type { NamespacedObject } from './objects/types.js';
import type { ReadableStore } from './store.js';

/**
 * The objects of a store by something else than their name, kept up to date: pods by node, policies by namespace.
 * Create it before whatever asks it in its own subscription to the same store, so that it is told first.
 *
 * @example const podsByNode = new StoreIndex(source.pods, (pod) => pod.nodeName ?? []);
 */
export class StoreIndex<Item extends NamespacedObject> {
  readonly #keysOf: (object: Item) => string | readonly string[];
  readonly #objects = new MultiMap<string, Item>();
  readonly #unsubscribe: Unsubscribe;

  constructor(store: ReadableStore<Item>, keysOf: (object: Item) => string | readonly string[]) {
    this.#keysOf = keysOf;
    this.#unsubscribe = store.subscribe((event) => {
      if (event.type === 'updated') this.#remove(event.previous);
      if (event.type === 'removed') this.#remove(event.object);
      else this.#add(event.object);
    });
    for (const object of store.values()) this.#add(object);
  }

  /** The objects with this key, none if there are none. */
  get(key: string): Iterable<Item> {
    return this.#objects.get(key);
  }

  keys(): Iterable<string> {
    return this.#objects.keys();
  }

  /** Stops following the store. */
  close(): void {
    this.#unsubscribe();
    this.#objects.clear();
  }

  #add(object: Item): void {
    for (const key of [this.#keysOf(object)].flat()) this.#objects.add(key, object);
  }

  #remove(object: Item): void {
    for (const key of [this.#keysOf(object)].flat()) this.#objects.delete(key, object);
  }
}
