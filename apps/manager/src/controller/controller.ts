import { Listeners } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import type { IPv4, Mac } from '@infra-offload/net';
import type { Direction, PolicyPacket } from '@infra-offload/policy-compiler';
import { Owner, type RowFailure, type RowKey } from '@infra-offload/reconciler';
import type { Driver, PortLookup } from '../drivers/driver.js';
import type { Judgement } from '../drivers/tracing.js';
import { type Condition, condition } from '../model/condition.js';
import {
  belongsToSync,
  describeKey,
  isObjectKey,
  kindOf,
  type ObjectKey,
  objectKey,
  type PodObject,
  type WantedState,
} from '../model/objects.js';
import type { Consequences, ProfileInForce } from '../policy/keeper.js';
import type { Reconciler } from '../reconciler/reconciler.js';
import { Claims } from '../state/claims.js';
import { isUnchanged } from '../state/same.js';
import type { StoreContents } from '../state/store.js';
import { AddressUsers } from './address-users.js';
import { Allocations } from './allocations.js';
import { Entry, type Status, sameStatus, statusOf } from './entry.js';
import { addressesOf, carriedBy, hasRows, interfaceOf, ownsRows } from './facts.js';
import { ObjectCompiler } from './object-compiler.js';
import type { ControllerOptions, StatusListener } from './options.js';
import { Policies } from './policies.js';
import { PortDirectory } from './ports.js';
import { Recovery } from './recovery.js';

/**
 * From wanted objects to wanted rows: keeps the objects, what they claim and the ids they have, compiles them through
 * the driver, and says of each how far it has come. Changing one object costs as much as that object is large.
 */
export class Controller<Row> {
  readonly #driver: Driver<Row>;
  readonly #reconciler: Reconciler<Row>;
  readonly #options: ControllerOptions<Row>;
  readonly #entries = new Map<ObjectKey, Entry<Row>>();
  readonly #claims = new Claims();
  readonly #ports = new PortDirectory();
  readonly #addressUsers = new AddressUsers();
  readonly #allocations: Allocations<Row>;
  readonly #policies: Policies<Row>;
  readonly #compiler: ObjectCompiler<Row>;
  /** How far what the device holds is known. */
  readonly recovery: Recovery<Row>;
  readonly #listeners = new Listeners<[key: ObjectKey]>();
  /** Pods that came while there was no device. */
  readonly #stampedAway = new Map<Entry<Row>, Arrival>();
  #generation = 0;

  constructor(options: ControllerOptions<Row>) {
    this.#options = options;
    this.#driver = options.driver;
    this.#reconciler = options.reconciler;
    const { driver, store, drainSeconds, now = Date.now } = options;
    const guard = new Guard((error) => options.logger.error({ err: error }, 'internal error'));
    const changed = (service: ObjectKey) => this.#recompile(service);
    this.#allocations = new Allocations({ driver, store, drainSeconds, now, changed, guard });
    this.recovery = new Recovery(driver, this.#reconciler, this.#allocations);
    const ownerOf = (pod: ObjectKey) => this.#entries.get(pod)?.owner;
    this.#policies = new Policies(
      { driver: driver.policy, model: driver, reconciler: this.#reconciler, store, now, ownerOf },
      (consequences) => this.#carryOut(consequences),
      guard,
    );
    this.#compiler = new ObjectCompiler({
      driver,
      entries: this.#entries,
      claims: this.#claims,
      ports: this.#ports,
      allocations: this.#allocations,
      policies: this.#policies,
    });
    this.#reconciler.setWanted(new Owner('base'), this.#driver.base());
  }

  /** Takes up what was stored, as it was: the same ids, and whoever held a claim holds it again. */
  restore({ isWhole, records, profileIds, restingProfileIds, ...resting }: StoreContents): void {
    this.recovery.begin(isWhole);
    for (const [key, record] of records) {
      const entry = new Entry<Row>(key);
      entry.object = record.object;
      entry.id = record.id;
      entry.plan = record.plan;
      entry.buckets = record.buckets ?? [];
      entry.frontend = record.frontend;
      entry.since = record.since;
      if (record.since !== undefined) this.#options.epochs.seen(record.since);
      entry.lost = record.lost ?? [];
      this.#entries.set(key, entry);
      for (const [name, port] of Object.entries(record.ports ?? {}))
        this.#ports.set(name, { kind: 'known', port });
    }
    this.#allocations.restore(this.#entries.values(), resting);
    // What services claim may depend on who has an address.
    const entries = [...this.#entries.values()];
    for (const entry of entries) if (kindOf(entry.key) !== 'service') this.#restoreClaims(entry);
    for (const entry of entries) if (kindOf(entry.key) === 'service') this.#restoreClaims(entry);
    this.#policies.restore({ inUse: profileIds, resting: restingProfileIds }, entries);
    for (const entry of entries) this.#compile(entry, false);
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
    this.recovery.snapshotTaken(this.#entries.values());
    return gone;
  }

  /** Wants an object, instead of an earlier version if there is one. A pod that comes `now` has no flows from before. */
  upsert(object: WantedState, arrival: Arrival = 'earlier'): void {
    const entry = this.#entryFor(objectKey(object));
    const before = entry.object;
    entry.generation = this.#generation;
    if (entry.invalid === undefined && isUnchanged(before, object)) return;
    entry.object = object;
    entry.invalid = undefined;
    if (object.kind === 'pod') {
      if (!isSamePlace(before, object)) this.#stamp(entry, before === undefined ? arrival : 'now');
      this.#allocations.arrive(object);
    }
    this.#compile(entry, true);
    this.#leaveAddress(before);
    // The number of its port may be in its MAC address.
    const own = interfaceOf(object);
    if (own !== undefined && own.mac !== interfaceOf(before)?.mac)
      this.#options.requestPort(own.interfaceName);
  }

  /** Notes that the agent wants a version of an object that makes no sense. */
  refuse(key: ObjectKey, message: string): void {
    const entry = this.#entryFor(key);
    entry.invalid = message;
    entry.generation = this.#generation;
    this.#policies.note(entry);
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
    for (const { key: claim, what, reason } of this.#compiler.claimsOf(object, this.#compiler.context(key))) {
      const holder = this.#claims.holder(claim, key);
      if (holder !== undefined) return condition(reason, `${what} is held by ${describeKey(holder)}`);
    }
    return undefined;
  }

  /** Notes the port of an interface, and compiles anew what names it. */
  setPort(name: string, found: PortLookup): void {
    if (!this.#ports.set(name, found)) return;
    for (const key of this.#ports.users(name)) this.#recompile(key);
    this.recovery.settle(this.#entries.values());
  }

  /** Interfaces that objects name. */
  interfaces(): readonly string[] {
    return this.#ports.interfaces();
  }

  /** MAC address of an interface, if the pod or node that has it told. */
  macOf(interfaceName: string): Mac | undefined {
    for (const key of this.#ports.users(interfaceName)) {
      const own = interfaceOf(this.object(key));
      if (own?.interfaceName === interfaceName) return own.mac;
    }
    return undefined;
  }

  /** The object's status; undefined when nothing of it is left. */
  status(key: ObjectKey): Status | undefined {
    this.#policies.flush();
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

  /** Who wants the rows of an object, or those that it has a part in. */
  owners(key: ObjectKey): readonly Owner<Row>[] {
    const entry = this.#entries.get(key);
    return ownsRows(key) ? (entry === undefined ? [] : [entry.owner]) : this.#policies.owners(key);
  }

  /** The objects that the rows of an owner come from. */
  objectsOf(owner: Owner<Row>): readonly ObjectKey[] {
    return isObjectKey(owner.key) ? [owner.key] : this.#policies.policiesOf(owner);
  }

  /** Services by id. */
  *serviceIds(): Generator<readonly [number, ObjectKey]> {
    for (const { id, key } of this.#entries.values()) if (id !== undefined) yield [id, key];
  }

  /** Pods whose ports are known. */
  *pods(): Generator<{ readonly pod: PodObject; readonly port: number }> {
    for (const { object } of this.#entries.values()) {
      if (object?.kind !== 'pod') continue;
      const found = this.#ports.lookup(object.interfaceName);
      if (found.kind === 'known') yield { pod: object, port: found.port };
    }
  }

  /** See {@link Policies.onProfileId}. */
  onProfileId(listener: (id: number) => void): () => void {
    return this.#policies.onProfileId(listener);
  }

  /** See {@link Policies.inForce}. */
  profilesInForce(): readonly ProfileInForce[] {
    return this.#policies.inForce();
  }

  /** What the policies of a pod say of a packet; undefined: none isolates it in that direction. */
  judge(pod: ObjectKey, direction: Direction, packet: PolicyPacket): Judgement | undefined {
    return this.#policies.judge(pod, direction, packet);
  }

  onStatus(listener: StatusListener): () => void {
    return this.#listeners.add(listener);
  }

  /** To be called with what a device holds, before anything is written to it; its epoch is {@link Epochs.seen} by then. */
  found(rows: readonly Row[]): void {
    for (const { key } of this.recovery.found(rows, this.#entries.values())) this.#recompile(key);
    // Epochs that were given without a device may be older than its flows.
    for (const [entry, arrival] of this.#stampedAway) {
      this.#stamp(entry, arrival);
      this.#compile(entry, true);
    }
    this.#stampedAway.clear();
    if (this.recovery.hasSnapshot) this.recovery.forgetPods();
    this.#policies.found(rows);
  }

  /** To be called when the reconciler reports progress. */
  progressed(owners: readonly Owner<Row>[]): void {
    this.#policies.progressed(owners);
    for (const owner of owners) {
      const entry = this.#entries.get(owner.key as ObjectKey);
      if (entry?.owner === owner) this.#updateStatus(entry);
    }
  }

  /** To be called when the target has come or gone. */
  targetChanged(): void {
    for (const entry of [...this.#entries.values()]) this.#updateStatus(entry);
    this.recovery.settle(this.#entries.values());
  }

  stop(): void {
    this.#allocations.stop();
  }

  /** Notes since when a pod is there: flows from before are not its own. */
  #stamp(entry: Entry<Row>, arrival: Arrival): void {
    const { object } = entry;
    const found = arrival === 'earlier' && object?.kind === 'pod' ? this.recovery.sinceOf(object) : undefined;
    entry.since = found ?? this.#options.epochs.next();
    if (!this.#reconciler.attached) this.#stampedAway.set(entry, arrival);
  }

  #recompile(key: ObjectKey): void {
    const entry = this.#entries.get(key);
    if (entry !== undefined) this.#compile(entry, true);
  }

  #carryOut({ pods, objects }: Consequences): void {
    for (const key of pods) {
      const entry = this.#entries.get(key);
      if (entry !== undefined) this.#compile(entry, false);
    }
    for (const key of objects) {
      const entry = this.#entries.get(key);
      if (entry !== undefined) this.#updateStatus(entry);
    }
  }

  #compile(entry: Entry<Row>, changed: boolean): void {
    const { key, object, id, plan } = entry;
    const asked = new Set<IPv4>();
    const context = this.#compiler.context(key, asked);
    const claims = this.#compiler.claimsOf(object, context);
    const promoted = this.#claims.set(key, claims);
    const lost = claims
      .filter((claim) => this.#claims.holder(claim.key, key) !== undefined)
      .map((claim) => claim.key);
    const lostChanged = lost.length !== entry.lost.length || lost.some((claim, i) => claim !== entry.lost[i]);
    entry.lost = lost;
    const names = hasRows(object) ? this.#driver.interfaces(object) : [];
    for (const name of this.#ports.use(key, names)) this.#options.requestPort(name);
    this.#policies.note(entry);
    if (object?.kind === 'pod') this.#policies.flush();
    const { rows, conditions } = this.#compiler.rowsOf(entry, context);
    this.#addressUsers.use(key, asked);
    entry.conditions = [...conditions, ...carriedBy(object)];
    this.#reconciler.setWanted(entry.owner, rows);
    if (changed || lostChanged || entry.id !== id || entry.plan !== plan) this.#store(entry, names);
    // The others' is worked out with what they come to.
    if (ownsRows(key)) this.#updateStatus(entry);
    for (const heir of promoted) this.#recompile(heir);
    this.#tellAddressUsers(entry);
  }

  /** Compiles anew what asked for the addresses that a pod or node has, or had. */
  #tellAddressUsers(entry: Entry<Row>): void {
    const before = entry.addresses;
    entry.addresses = addressesOf(entry.object);
    for (const address of new Set([...before, ...entry.addresses])) {
      for (const user of [...this.#addressUsers.users(address)]) {
        const other = this.#entries.get(user);
        if (other !== undefined && other !== entry) this.#compile(other, false);
      }
    }
  }

  /** Ends the drains of the address that a pod had. */
  #leaveAddress(before: WantedState | undefined): void {
    if (before?.kind === 'pod') this.#allocations.leave(before, (key) => this.#entries.get(key)?.plan);
  }

  #store(entry: Entry<Row>, names: readonly string[]): void {
    const { key, object, id, plan, buckets, since, frontend, lost } = entry;
    if (object === undefined && id === undefined) {
      this.#options.store.remove(key);
      return;
    }
    this.#options.store.put(key, {
      object,
      id,
      plan,
      ...(buckets.length === 0 ? {} : { buckets }),
      ...(object?.kind === 'pod' ? { since } : {}),
      ...(object === undefined && frontend !== undefined ? { frontend } : {}),
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
    const { key, object } = entry;
    if (!ownsRows(key)) {
      const said = this.#policies.conditions(key);
      // Of what is removed only that counts which is on its way.
      entry.conditions =
        object === undefined
          ? said.filter(({ severity }) => severity === 'pending')
          : [...said, ...carriedBy(object)];
    }
    const status = statusOf(entry, this.#reconciler.attached, this.#failureOf);
    const gone = !this.#isPresent(entry) && entry.id === undefined && status.state === 'programmed';
    if (gone) {
      this.#entries.delete(entry.key);
      this.#allocations.forget(entry.key);
    } else if (sameStatus(status, entry.status)) return;
    entry.status = status;
    this.#listeners.emit(entry.key);
  }

  /** Lets an object hold what it held before. */
  #restoreClaims({ key, object, lost }: Entry<Row>): void {
    const claims = this.#compiler.claimsOf(object, this.#compiler.context(key));
    this.#claims.set(key, lost.length === 0 ? claims : claims.filter((claim) => !lost.includes(claim.key)));
  }

  readonly #failureOf = (key: RowKey): RowFailure | undefined => this.#reconciler.cell(key)?.failure;
}

/** When a pod came: with this very call, or at a time that the device may know. */
type Arrival = 'now' | 'earlier';

/** Whether a pod has the address and the interface that it had. */
function isSamePlace(before: WantedState | undefined, { ip, interfaceName, mac }: PodObject): boolean {
  return (
    before?.kind === 'pod' && before.ip === ip && before.interfaceName === interfaceName && before.mac === mac
  );
}
