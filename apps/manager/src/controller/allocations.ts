import type { Guard } from '@infra-offload/guard';
import {
  bucketSlots,
  emptyGroupPlan,
  endDrain,
  type GroupPlan,
  IdPool,
  LbModelError,
  planGroup,
  restoreGroupPlan,
} from '@infra-offload/lb-model';
import type { Driver, FoundService, ServiceAllocation } from '../drivers/driver.js';
import {
  type Endpoint,
  type ObjectKey,
  type PodObject,
  protocolOf,
  type ServiceObject,
} from '../model/objects.js';
import type { StateStore, StoreContents } from '../state/store.js';
import { DepartedAddresses } from './departed.js';
import { Drains } from './drains.js';
import type { Entry } from './entry.js';
import { FoundServices } from './found.js';

export interface AllocationOptions<Row> {
  readonly driver: Pick<Driver<Row>, 'limits' | 'memorySeconds' | 'remembersClients'>;
  readonly store: Pick<StateStore, 'wakeId' | 'restId' | 'departAddress' | 'returnAddress'>;
  readonly drainSeconds: number;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Called for a service whose allocation may be another by now. */
  readonly changed: (service: ObjectKey) => void;
  readonly guard: Guard;
}

/** How long a service id rests: as long as the longest affinity entry or flow that may name it. */
const ID_REST_MS = 43_200_000;

/** Ids of services, slots of their endpoints, and hash buckets; all stable for as long as anything may name them. */
export class Allocations<Row> {
  readonly #options: AllocationOptions<Row>;
  readonly #drains: Drains;
  readonly #departed: DepartedAddresses;
  readonly #found = new FoundServices();
  #ids: IdPool;
  /** Services that found no id. */
  readonly #withoutId = new Set<ObjectKey>();

  constructor(options: AllocationOptions<Row>) {
    this.#options = options;
    const { driver, store, drainSeconds, now, changed, guard } = options;
    this.#ids = new IdPool({ min: 1, max: driver.limits.serviceIds, restMs: ID_REST_MS });
    const onDue = (services: readonly ObjectKey[]) => {
      for (const key of services) changed(key);
    };
    this.#drains = new Drains(now, onDue, guard);
    this.#departed = new DepartedAddresses(store, drainSeconds * 1000, now);
  }

  /** Takes up what was stored; what another kind of target was given is given up. */
  restore(
    entries: Iterable<Entry<Row>>,
    { restingIds, departedAddresses }: Pick<StoreContents, 'restingIds' | 'departedAddresses'>,
  ): void {
    const { limits } = this.#options.driver;
    this.#departed.restore(departedAddresses);
    const inUse: [number, number][] = [];
    const used = new Set<number>();
    for (const entry of entries) {
      if (entry.object?.kind === 'pod') this.#departed.arrive(entry.object.ip);
      if (entry.id === undefined) continue;
      if (entry.plan?.size !== limits.slots || entry.id > limits.serviceIds) {
        entry.id = undefined;
        entry.plan = undefined;
        entry.buckets = [];
        continue;
      }
      inUse.push([entry.id, entry.id]);
      used.add(entry.id);
    }
    this.#ids = IdPool.restore(
      { min: 1, max: limits.serviceIds, restMs: ID_REST_MS },
      { inUse, resting: restingIds.filter(([id]) => id <= limits.serviceIds && !used.has(id)) },
      this.#options.now(),
    );
  }

  /**
   * Takes up what a device holds of services, before anything is written to it: an id that nobody here has is for the
   * service with the same frontend, with its slots, as soon as that is wanted.
   */
  adopt(services: readonly FoundService[]): void {
    for (const service of services) {
      if (service.id > this.#options.driver.limits.serviceIds || service.id < 1) continue;
      if (this.#ids.reserve(service.id)) this.#found.add(service);
    }
  }

  /** Forgets the allocation of a service that was made without knowing what the device holds. */
  giveUp(entry: Entry<Row>): void {
    if (entry.id === undefined) return;
    this.#ids.release(entry.id, this.#options.now());
    entry.id = undefined;
    entry.plan = undefined;
    entry.buckets = [];
  }

  /** All that is wanted is known: ids of other services rest. */
  forgetFound(): void {
    const at = this.#options.now();
    for (const id of this.#found.takeRest()) {
      this.#ids.release(id, at);
      this.#options.store.restId(id, at);
    }
  }

  /**
   * Brings the allocation of a service up to date, and keeps it in `entry`.
   *
   * @param endpoints those that take new flows.
   * @returns undefined for a deleted service of which nothing drains any more, `no-id` if all are in use.
   */
  plan(
    entry: Entry<Row>,
    service: ServiceObject | undefined,
    endpoints: readonly Endpoint[],
  ): ServiceAllocation | 'no-id' | undefined {
    if (entry.id === undefined && service !== undefined && !this.#allocate(entry, service)) {
      this.#withoutId.add(entry.key);
      return 'no-id';
    }
    const { key, id, plan: before } = entry;
    if (id === undefined || before === undefined) return undefined;
    const options = this.#planOptions(key, service);
    let plan = planGroup(before, { key, endpoints }, options);
    for (const { state, address } of plan.slots) {
      if (state === 'draining' && this.#departed.has(address)) plan = endDrain(plan, address, options);
    }
    entry.buckets = this.#buckets(entry, plan);
    entry.plan = plan;
    this.#drains.note(key, plan);
    if (service === undefined && !plan.slots.some((slot) => slot.state === 'draining')) {
      this.#release(entry, id);
      return undefined;
    }
    if (service !== undefined) entry.frontend = service.frontends[0];
    return { id, plan, buckets: entry.buckets, protocol: protocolOf(key), frontend: entry.frontend };
  }

  /** A pod has an address from now on. */
  arrive(pod: PodObject): void {
    this.#departed.arrive(pod.ip);
  }

  /**
   * A pod is deleted, or has another address: nothing answers there any more, so what drains there need not go on.
   *
   * @param planOf the plan of a service.
   */
  leave(pod: PodObject, planOf: (service: ObjectKey) => GroupPlan | undefined): void {
    if (!this.#departed.depart(pod.ip)) return;
    for (const key of this.#drains.keys()) {
      const { slots = [] } = planOf(key) ?? {};
      if (slots.some((slot) => slot.state === 'draining' && slot.address === pod.ip))
        this.#options.changed(key);
    }
  }

  /** Forgets a service that is gone. */
  forget(service: ObjectKey): void {
    this.#withoutId.delete(service);
  }

  stop(): void {
    this.#drains.stop();
  }

  #allocate(entry: Entry<Row>, service: ServiceObject): boolean {
    const { driver, store, now } = this.#options;
    const known = this.#found.take(service);
    if (known !== undefined) this.#remember(entry, service, known);
    else {
      const found = this.#ids.allocate({ now: now(), allowUnrested: true });
      if (!found.ok) return false;
      entry.id = found.id;
      entry.plan = emptyGroupPlan(entry.key, driver.limits.slots);
      entry.buckets = [];
    }
    if (entry.id !== undefined) store.wakeId(entry.id);
    this.#withoutId.delete(entry.key);
    return true;
  }

  /** Gives a service what it has in the device. */
  #remember(entry: Entry<Row>, service: ServiceObject, { id, view, buckets }: FoundService): void {
    const { slots } = this.#options.driver.limits;
    entry.id = id;
    entry.buckets = buckets;
    try {
      entry.plan = restoreGroupPlan(entry.key, slots, view, this.#planOptions(entry.key, service));
    } catch (error) {
      // Whoever wrote that was no manager.
      if (!(error instanceof LbModelError)) throw error;
      entry.plan = emptyGroupPlan(entry.key, slots);
    }
  }

  #release(entry: Entry<Row>, id: number): void {
    const { store, now, changed } = this.#options;
    const at = now();
    this.#ids.release(id, at);
    store.restId(id, at);
    entry.id = undefined;
    entry.plan = undefined;
    entry.buckets = [];
    const [next] = this.#withoutId;
    if (next === undefined) return;
    this.#withoutId.delete(next);
    queueMicrotask(this.#options.guard.handler(() => changed(next)));
  }

  #buckets({ buckets, plan: before }: Entry<Row>, plan: GroupPlan): readonly number[] {
    const size = this.#options.driver.limits.buckets;
    if (size === buckets.length && plan === before) return buckets;
    return size === 0 ? [] : bucketSlots(plan, size, buckets);
  }

  #planOptions(key: ObjectKey, service: ServiceObject | undefined) {
    const { driver, drainSeconds, now } = this.#options;
    const drains = protocolOf(key) === 'TCP' && (service === undefined || !driver.remembersClients(service));
    return {
      now: now(),
      drainMs: drains ? drainSeconds * 1000 : 0,
      restMs: service === undefined ? ID_REST_MS : driver.memorySeconds(service) * 1000,
      maxActive: driver.limits.endpointsPerService,
    };
  }
}
