import { Listeners, type Unsubscribe } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import { type EndpointSlice, type Node, objectName, type Service } from '../objects/types.js';
import { plainEquals } from '../plain-values.js';
import type { ObjectSource } from '../source.js';
import type { StoreEvent } from '../store.js';
import { resolveService, serviceOfSlice } from './resolve.js';
import type { LoadBalancedService, NodeIdentity } from './types.js';

export type ServiceChange =
  | { readonly type: 'upsert'; readonly key: string; readonly service: LoadBalancedService }
  | { readonly type: 'remove'; readonly key: string };

export interface ServiceTrackerOptions {
  /** With `nodes`, the zone follows the node's object, if it has one. */
  readonly source: Pick<ObjectSource, 'services' | 'endpointSlices'> & Partial<Pick<ObjectSource, 'nodes'>>;
  /** Its zone counts as long as there is no object of that name. */
  readonly node: NodeIdentity;
}

/** What is known of one Service: its object, its slices, and the result for each port. */
interface Entry {
  service: Service | undefined;
  slices: EndpointSlice[];
  results: readonly LoadBalancedService[];
}

/**
 * Keeps the load-balanced services of a node up to date. A change of an object costs the recomputation of its service
 * alone. Changes are collected until the current run of synchronous code ends, so that a service never appears without
 * the slices that came with it, and told only if a result really is another one.
 */
export class ServiceTracker {
  readonly #entries = new Map<string, Entry>();
  readonly #dirty = new Set<string>();
  readonly #listeners = new Listeners<[changes: readonly ServiceChange[]]>();
  readonly #subscriptions: Unsubscribe[];
  #node: NodeIdentity;
  readonly #flushSoon = new Guard().soon(() => this.flush());

  constructor({ source, node }: ServiceTrackerOptions) {
    this.#node = node;
    this.#subscriptions = [
      source.services.subscribe((event) => this.#onService(event)),
      source.endpointSlices.subscribe((event) => this.#onSlice(event)),
    ];
    if (source.nodes) this.#subscriptions.push(source.nodes.subscribe((event) => this.#onNode(event)));
    for (const object of source.nodes?.values() ?? []) this.#onNode({ type: 'added', object });
    for (const object of source.services.values()) this.#onService({ type: 'added', object });
    for (const object of source.endpointSlices.values()) this.#onSlice({ type: 'added', object });
    this.flush();
  }

  /** All results as of the last flush. */
  *services(): IterableIterator<LoadBalancedService> {
    for (const { results } of this.#entries.values()) yield* results;
  }

  /** Calls the listener with later changes, removals first; what is there already is in `services()`. */
  subscribe(listener: (changes: readonly ServiceChange[]) => void): Unsubscribe {
    return this.#listeners.add(listener);
  }

  /** Selects endpoints for another node, or for this one in another zone. */
  setNode(node: NodeIdentity): void {
    if (plainEquals(node, this.#node)) return;
    this.#node = node;
    for (const key of this.#entries.keys()) this.#markDirty(key);
  }

  /** Computes and tells what is due now, rather than at the end of the current run of code. */
  flush(): void {
    const removals: ServiceChange[] = [];
    const upserts: ServiceChange[] = [];
    for (const key of this.#dirty) this.#recompute(key, removals, upserts);
    this.#dirty.clear();
    const changes = [...removals, ...upserts];
    if (changes.length === 0) return;
    this.#listeners.emit(changes);
  }

  /** Stops following the source. */
  close(): void {
    for (const unsubscribe of this.#subscriptions) unsubscribe();
    this.#listeners.clear();
  }

  #onService(event: StoreEvent<Service>): void {
    const key = objectName(event.object);
    this.#entry(key).service = event.type === 'removed' ? undefined : event.object;
    this.#markDirty(key);
  }

  #onNode({ type, object: { name, zone } }: StoreEvent<Node>): void {
    if (name !== this.#node.name || type === 'removed') return;
    this.setNode(zone === undefined ? { name } : { name, zone });
  }

  #onSlice(event: StoreEvent<EndpointSlice>): void {
    if (event.type !== 'added') this.#dropSlice(event.type === 'updated' ? event.previous : event.object);
    if (event.type === 'removed') return;
    const key = serviceOfSlice(event.object);
    if (key === undefined) return;
    this.#entry(key).slices.push(event.object);
    this.#markDirty(key);
  }

  #dropSlice(slice: EndpointSlice): void {
    const key = serviceOfSlice(slice);
    const entry = key === undefined ? undefined : this.#entries.get(key);
    if (key === undefined || entry === undefined) return;
    entry.slices = entry.slices.filter((other) => other.name !== slice.name);
    this.#markDirty(key);
  }

  #entry(key: string): Entry {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { service: undefined, slices: [], results: [] };
      this.#entries.set(key, entry);
    }
    return entry;
  }

  #markDirty(key: string): void {
    this.#dirty.add(key);
    this.#flushSoon();
  }

  #recompute(key: string, removals: ServiceChange[], upserts: ServiceChange[]): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const before = entry.results;
    const after = entry.service ? resolveService(entry.service, entry.slices, this.#node) : [];
    if (entry.service === undefined && entry.slices.length === 0) this.#entries.delete(key);
    for (const { key } of before) {
      if (!after.some((service) => service.key === key)) removals.push({ type: 'remove', key });
    }
    entry.results = after.map((service) => {
      const previous = before.find((other) => other.key === service.key);
      if (previous !== undefined && plainEquals(previous, service)) return previous;
      upserts.push({ type: 'upsert', key: service.key, service });
      return service;
    });
  }
}
