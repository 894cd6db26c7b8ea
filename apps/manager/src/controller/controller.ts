import { emptyGroupPlan, endDrain, IdPool, planGroup } from '@infra-offload/lb-model';
import type { Claim, CompileContext, Compiled, Condition, Driver, PortLookup } from '../drivers/driver.js';
import { unreachable } from '../errors.js';
import type { Logger } from '../log.js';
import { Owner, type RowFailure, type RowKey } from '../reconciler/model.js';
import type { Reconciler } from '../reconciler/reconciler.js';
import { Claims } from '../state/claims.js';
import {
  belongsToSync,
  describeKey,
  kindOf,
  type ObjectKey,
  objectKey,
  type RowObject,
  type ServiceObject,
  type WantedState,
} from '../state/objects.js';
import type { StateStore, StoreContents } from '../state/store.js';
import { DepartedAddresses } from './departed.js';
import { Drains } from './drains.js';
import { Entry, type Status, sameStatus, statusOf } from './entry.js';
import { PortDirectory } from './ports.js';

export interface ControllerOptions<Row> {
  readonly driver: Driver<Row>;
  readonly reconciler: Reconciler<Row>;
  readonly store: Omit<StateStore, 'committed' | 'close'>;
  /** Seconds for which the old connections of an endpoint that left go on. */
  readonly drainSeconds: number;
  readonly logger: Logger;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
  /** Asks for the port of an interface; the answer comes through {@link Controller.setPort}. */
  readonly requestPort: (interfaceName: string) => void;
}

/** Called when the status of an object has changed, or the object has gone. */
export type StatusListener = (key: ObjectKey) => void;

/** How long a service id rests: as long as the longest affinity entry or flow that may name it. */
const ID_REST_MS = 43_200_000;

/**
 * From wanted objects to wanted rows: keeps the objects, what they claim and the ids they have, compiles them through
 * the driver, and says of each how far it has come. Changing one object costs as much as that object is large.
 */
export class Controller<Row> {
  readonly #driver: Driver<Row>;
  readonly #reconciler: Reconciler<Row>;
  readonly #options: ControllerOptions<Row>;
  readonly #now: () => number;
  readonly #entries = new Map<ObjectKey, Entry<Row>>();
  readonly #claims = new Claims();
  readonly #ports = new PortDirectory();
  readonly #drains: Drains;
  readonly #departed: DepartedAddresses;
  readonly #listeners = new Set<StatusListener>();
  #ids: IdPool;
  /** Services that found no id. */
  readonly #withoutId = new Set<ObjectKey>();
  #generation = 0;

  constructor(options: ControllerOptions<Row>) {
    this.#options = options;
    this.#driver = options.driver;
    this.#reconciler = options.reconciler;
    this.#now = options.now ?? Date.now;
    this.#ids = new IdPool({ min: 1, max: options.driver.limits.serviceIds, restMs: ID_REST_MS });
    this.#drains = new Drains(this.#now, (services) => {
      for (const key of services) this.#recompile(key);
    });
    this.#departed = new DepartedAddresses(options.store, options.drainSeconds * 1000, this.#now);
    this.#reconciler.setWanted(new Owner('base'), this.#driver.base());
  }

  /** Takes up what was stored, as it was: the same ids, and whoever held a claim holds it again. */
  restore({ records, restingIds, departedAddresses }: StoreContents): void {
    const now = this.#now();
    const inUse: [number, number][] = [];
    this.#departed.restore(departedAddresses);
    for (const [key, record] of records) {
      const entry = new Entry<Row>(key);
      entry.object = record.object;
      entry.id = record.id;
      entry.plan = record.plan;
      entry.lost = record.lost ?? [];
      this.#entries.set(key, entry);
      if (record.object?.kind === 'pod') this.#departed.arrive(record.object.ip);
      if (record.id !== undefined) inUse.push([record.id, record.id]);
      for (const [name, port] of Object.entries(record.ports ?? {}))
        this.#ports.set(name, { kind: 'known', port });
    }
    const used = new Set(inUse.map(([id]) => id));
    const resting = restingIds.filter(([id]) => !used.has(id));
    this.#ids = IdPool.restore(
      { min: 1, max: this.#driver.limits.serviceIds, restMs: ID_REST_MS },
      { inUse, resting },
      now,
    );
    for (const { key, object, lost } of this.#entries.values()) {
      if (object === undefined) continue;
      const claims = this.#claimsOf(key, object);
      this.#claims.set(key, lost.length === 0 ? claims : claims.filter((claim) => !lost.includes(claim.key)));
    }
    for (const entry of this.#entries.values()) this.#compile(entry, false);
  }

  /** Begins a snapshot; what {@link sweep} is to keep must be upserted or touched from now on. */
  beginSnapshot(): number {
    return ++this.#generation;
  }

  /** Removes what the snapshot should have named if it were still wanted. Returns it. */
  sweep(generation: number): readonly ObjectKey[] {
    const gone: ObjectKey[] = [];
    for (const entry of this.#entries.values()) {
      if (entry.generation >= generation || !belongsToSync(entry.key) || !this.#isPresent(entry)) continue;
      gone.push(entry.key);
    }
    for (const key of gone) this.remove(key);
    return gone;
  }

  /** Wants an object, instead of an earlier version if there is one. */
  upsert(object: WantedState): void {
    const entry = this.#entryFor(objectKey(object));
    const before = entry.object;
    entry.object = object;
    entry.invalid = undefined;
    entry.generation = this.#generation;
    if (object.kind === 'pod') this.#departed.arrive(object.ip);
    this.#compile(entry, true);
    this.#leaveAddress(before);
  }

  /** Notes that the agent wants a version of an object that makes no sense. */
  refuse(key: ObjectKey, message: string): void {
    const entry = this.#entryFor(key);
    entry.invalid = message;
    entry.generation = this.#generation;
    this.#updateStatus(entry);
  }

  /** Wants an object no more. */
  remove(key: ObjectKey): void {
    const entry = this.#entries.get(key);
    if (entry === undefined) return;
    const { object } = entry;
    entry.object = undefined;
    entry.invalid = undefined;
    this.#compile(entry, true);
    this.#leaveAddress(object);
  }

  /** The object as it is wanted. */
  object(key: ObjectKey): WantedState | undefined {
    return this.#entries.get(key)?.object;
  }

  /** What another object has that this one would need. */
  conflict(object: WantedState): Condition | undefined {
    const key = objectKey(object);
    for (const { key: claim, what, reason } of this.#claimsOf(key, object)) {
      const holder = this.#claims.holder(claim, key);
      if (holder !== undefined)
        return { severity: 'degraded', reason, message: `${what} is held by ${describeKey(holder)}` };
    }
    return undefined;
  }

  /** Notes the port of an interface, and compiles anew what names it. */
  setPort(name: string, found: PortLookup): void {
    if (!this.#ports.set(name, found)) return;
    for (const key of this.#ports.users(name)) this.#recompile(key);
  }

  /** Interfaces that objects name. */
  interfaces(): readonly string[] {
    return this.#ports.interfaces();
  }

  /** MAC of the pod that names an interface. */
  podMac(interfaceName: string): number | undefined {
    for (const key of this.#ports.users(interfaceName)) {
      const object = this.object(key);
      if (object?.kind === 'pod') return object.mac;
    }
    return undefined;
  }

  /** The object's status; undefined when nothing of it is left. */
  status(key: ObjectKey): Status | undefined {
    const entry = this.#entries.get(key);
    return entry && statusOf(entry, this.#reconciler.attached, this.#failureOf);
  }

  /** Whether the last change of an object is on the device, or reported as impossible. */
  isSettled(key: ObjectKey): boolean {
    return this.status(key)?.state !== 'pending';
  }

  /** All objects that are wanted, or whose removal failed. */
  *statuses(): Generator<readonly [ObjectKey, Status]> {
    for (const entry of this.#entries.values()) {
      if (this.#isPresent(entry) || entry.status.state === 'degraded') yield [entry.key, entry.status];
    }
  }

  /** Who wants the rows of an object. */
  owner(key: ObjectKey): Owner<Row> | undefined {
    return this.#entries.get(key)?.owner;
  }

  /** Services by id. */
  *serviceIds(): Generator<readonly [number, ObjectKey]> {
    for (const { id, key } of this.#entries.values()) if (id !== undefined) yield [id, key];
  }

  onStatus(listener: StatusListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** To be called when the reconciler reports progress. */
  progressed(owners: readonly Owner<Row>[]): void {
    for (const owner of owners) {
      const entry = this.#entries.get(owner.key as ObjectKey);
      if (entry?.owner === owner) this.#updateStatus(entry);
    }
  }

  /** To be called when the target has come or gone. */
  targetChanged(): void {
    for (const entry of [...this.#entries.values()]) this.#updateStatus(entry);
  }

  stop(): void {
    this.#drains.stop();
  }

  #recompile(key: ObjectKey): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#compile(entry, true);
  }

  #compile(entry: Entry<Row>, changed: boolean): void {
    const { key, object, id, plan } = entry;
    const context = this.#context(key);
    const claims = this.#claimsOf(key, object);
    const promoted = this.#claims.set(key, claims);
    const lost = claims
      .filter((claim) => this.#claims.holder(claim.key, key) !== undefined)
      .map((claim) => claim.key);
    const lostChanged = lost.length !== entry.lost.length || lost.some((claim, i) => claim !== entry.lost[i]);
    entry.lost = lost;
    const names = hasRows(object) ? this.#driver.interfaces(object) : [];
    for (const name of this.#ports.use(key, names)) this.#options.requestPort(name);
    const { rows, conditions } = this.#rowsOf(entry, context);
    entry.conditions = [...conditions, ...carriedBy(object)];
    this.#reconciler.setWanted(entry.owner, rows);
    if (changed || lostChanged || entry.id !== id || entry.plan !== plan) this.#store(entry, names);
    this.#updateStatus(entry);
    for (const heir of promoted) this.#recompile(heir);
  }

  #rowsOf(entry: Entry<Row>, context: CompileContext): Compiled<Row> {
    const { object } = entry;
    switch (object?.kind) {
      case 'node':
        return this.#driver.node(object, context);
      case 'pod':
        return this.#driver.pod(object, context);
      case 'set':
      case 'policy':
      case 'isolation':
        return NOTHING;
      case 'service':
      case undefined:
        return kindOf(entry.key) === 'service' ? this.#serviceRows(entry, object, context) : NOTHING;
      default:
        return unreachable(object);
    }
  }

  #serviceRows(
    entry: Entry<Row>,
    service: ServiceObject | undefined,
    context: CompileContext,
  ): Compiled<Row> {
    const refusal = service && this.#driver.refusal(service);
    if (refusal !== undefined) return { rows: [], conditions: [refusal] };
    if (entry.id === undefined && service !== undefined && !this.#allocate(entry))
      return this.#noId(entry.key);
    const { id, plan: before } = entry;
    if (id === undefined || before === undefined) return NOTHING;
    const options = this.#planOptions(entry.key, service);
    let plan = planGroup(before, { key: entry.key, endpoints: service?.endpoints ?? [] }, options);
    for (const { state, address } of plan.slots) {
      if (state === 'draining' && this.#departed.has(address)) plan = endDrain(plan, address, options);
    }
    entry.plan = plan;
    this.#drains.note(entry.key, plan);
    if (service === undefined && !plan.slots.some((slot) => slot.state === 'draining')) {
      this.#release(entry, id);
      return NOTHING;
    }
    return this.#driver.service(service, { id, plan }, context);
  }

  #planOptions(key: ObjectKey, service: ServiceObject | undefined) {
    const drains = key.endsWith('/TCP') && (service === undefined || !this.#driver.remembersClients(service));
    return {
      now: this.#now(),
      drainMs: drains ? this.#options.drainSeconds * 1000 : 0,
      restMs: service === undefined ? ID_REST_MS : this.#driver.memorySeconds(service) * 1000,
    };
  }

  #allocate(entry: Entry<Row>): boolean {
    const found = this.#ids.allocate({ now: this.#now(), allowUnrested: true });
    if (!found.ok) return false;
    this.#options.store.wakeId(found.id);
    this.#withoutId.delete(entry.key);
    entry.id = found.id;
    entry.plan = emptyGroupPlan(entry.key, this.#driver.limits.endpointsPerService);
    return true;
  }

  #noId(key: ObjectKey): Compiled<Row> {
    this.#withoutId.add(key);
    const message = `all ${this.#driver.limits.serviceIds} service ids are in use: remove services, or split the node's load`;
    return { rows: [], conditions: [{ severity: 'degraded', reason: 'IdsExhausted', message }] };
  }

  #release(entry: Entry<Row>, id: number): void {
    const now = this.#now();
    this.#ids.release(id, now);
    this.#options.store.restId(id, now);
    entry.id = undefined;
    entry.plan = undefined;
    const [next] = this.#withoutId;
    if (next === undefined) return;
    this.#withoutId.delete(next);
    queueMicrotask(() => this.#recompile(next));
  }

  /** Ends the drains of the address that a pod had, since nothing answers there any more. */
  #leaveAddress(before: WantedState | undefined): void {
    if (before?.kind !== 'pod' || !this.#departed.depart(before.ip)) return;
    for (const key of this.#drains.keys()) {
      const { slots = [] } = this.#entries.get(key)?.plan ?? {};
      if (slots.some((slot) => slot.state === 'draining' && slot.address === before.ip)) this.#recompile(key);
    }
  }

  #store(entry: Entry<Row>, names: readonly string[]): void {
    const { key, object, id, plan, lost } = entry;
    if (object === undefined && id === undefined) {
      this.#options.store.remove(key);
      return;
    }
    this.#options.store.put(key, {
      object,
      id,
      plan,
      ...(lost.length === 0 ? {} : { lost }),
      ports: this.#ports.portsOf(names),
    });
  }

  #entryFor(key: ObjectKey): Entry<Row> {
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = new Entry<Row>(key);
      this.#entries.set(key, entry);
    }
    return entry;
  }

  #isPresent(entry: Entry<Row>): boolean {
    return entry.object !== undefined || entry.invalid !== undefined;
  }

  #updateStatus(entry: Entry<Row>): void {
    const status = statusOf(entry, this.#reconciler.attached, this.#failureOf);
    const gone = !this.#isPresent(entry) && entry.id === undefined && status.state === 'programmed';
    if (gone) {
      this.#entries.delete(entry.key);
      this.#withoutId.delete(entry.key);
    } else if (sameStatus(status, entry.status)) return;
    entry.status = status;
    for (const listener of this.#listeners) listener(entry.key);
  }

  #claimsOf(key: ObjectKey, object: WantedState | undefined): readonly Claim[] {
    return hasRows(object) ? this.#driver.claims(object, this.#context(key)) : [];
  }

  #context(key: ObjectKey): CompileContext {
    return {
      port: (name) => this.#ports.lookup(name),
      holder: (claim) => this.#claims.holder(claim, key),
    };
  }

  readonly #failureOf = (key: RowKey): RowFailure | undefined => this.#reconciler.cell(key)?.failure;
}

function hasRows(object: WantedState | undefined): object is RowObject {
  return object?.kind === 'node' || object?.kind === 'pod' || object?.kind === 'service';
}

/** What the agent said of an object, as one condition. */
function carriedBy(object: WantedState | undefined): readonly Condition[] {
  if (object === undefined || !('agentConditions' in object)) return [];
  const [first] = object.agentConditions;
  if (first === undefined) return [];
  const message = object.agentConditions.map((condition) => condition.message).join('; ');
  return [{ severity: 'degraded', reason: first.reason, message }];
}

const NOTHING: Compiled<never> = { rows: [], conditions: [] };
