import type { IPv4 } from '@infra-offload/net';
import type { AddressPort, Direction, PolicyPacket } from '@infra-offload/policy-compiler';
import type { Owner, RowKey, RowModel } from '@infra-offload/reconciler';
import type { PolicyDriver, RuleClass } from '../drivers/driver.js';
import type { Judgement } from '../drivers/tracing.js';
import { isolationKey, type ObjectKey, type PodObject } from '../model/objects.js';
import type { AddressSetObject, IsolationObject, PolicyObject } from '../model/policy-objects.js';
import type { Reconciler } from '../reconciler/reconciler.js';
import { PolicyBook } from './book.js';
import { judge } from './judge.js';
import { type ProfileStore, Profiles, type StoredProfiles, type Wish } from './profiles.js';
import { portsOf, resolveTiers } from './resolve.js';
import { type ProfileIds, type Stack, type Subject, Variant } from './stack.js';
import { conditionsOfIsolation, conditionsOfStacks, isSameStanding, standingOf } from './standing.js';

const DIRECTIONS = ['ingress', 'egress'] as const;

export interface KeeperOptions<Row> {
  readonly driver: PolicyDriver<Row>;
  readonly model: RowModel<Row>;
  readonly reconciler: Reconciler<Row>;
  readonly store: ProfileStore;
  readonly now: () => number;
  /** Who wants the rows of a pod. */
  readonly ownerOf: (pod: ObjectKey) => Owner<Row> | undefined;
}

/** What a change came to. */
export interface Consequences {
  /** Pods whose rows are to be made anew. */
  readonly pods: ReadonlySet<ObjectKey>;
  /** Objects whose status may be another one. */
  readonly objects: ReadonlySet<ObjectKey>;
}

/** What holds for a pod. */
export interface PodPolicy {
  readonly ids: ProfileIds;
  /** Nothing may let packets of the pod through. */
  readonly isCutOff: boolean;
}

/** A profile that pods are under. */
export interface ProfileInForce {
  readonly id: number;
  readonly direction: Direction;
  /** Names of all policies that have a part in it. */
  readonly policies: Set<string>;
  readonly pods: PodObject[];
  /** Those of one of the stacks that come to it: the ports are the same for all. */
  readonly classes: readonly RuleClass[];
}

const OPEN: PodPolicy = { ids: { ingress: undefined, egress: undefined }, isCutOff: false };

/**
 * Keeps the profiles of pods as sets, policies and isolations say. Changes are noted at once and worked out together by
 * {@link flush}; what is said of pods is true after that.
 */
export class PolicyKeeper<Row> {
  readonly #options: KeeperOptions<Row>;
  readonly #book = new PolicyBook<Row>();
  readonly #profiles: Profiles<Row>;
  /** Objects that changed themselves since the last flush. */
  #touched = new Set<ObjectKey>();

  constructor(options: KeeperOptions<Row>) {
    this.#options = options;
    this.#profiles = new Profiles(options);
  }

  /** Whether there is something for {@link flush} to do. */
  get isDirty(): boolean {
    return this.#book.isDirty || this.#touched.size > 0;
  }

  /** Takes up the ids of the last run; objects are put after it, and then {@link restored} is called. */
  restore(stored: StoredProfiles): void {
    this.#profiles.restore(stored);
  }

  restored(): void {
    for (const direction of DIRECTIONS) this.#profiles.closed(direction);
    this.flush();
    this.#profiles.restored();
  }

  /** `isBroken`: there is a newer version of it, and that makes no sense. */
  putSet(key: ObjectKey, set: AddressSetObject | undefined, isBroken = false): void {
    this.#touched.add(key);
    this.#book.putSet(nameOf(key), set, isBroken);
  }

  putPolicy(key: ObjectKey, policy: PolicyObject | undefined): void {
    this.#touched.add(key);
    this.#book.putPolicy(nameOf(key), policy);
  }

  /** `isBroken` as for {@link putSet}. */
  putIsolation(key: ObjectKey, isolation: IsolationObject | undefined, isBroken = false): void {
    this.#touched.add(key);
    this.#book.putIsolation(key, isolation, isBroken);
  }

  putPod(key: ObjectKey, pod: PodObject | undefined): void {
    this.#book.putPod(key, pod);
  }

  /** Addresses of the node itself, which may always reach its pods. */
  putNodeAddresses(addresses: readonly IPv4[]): void {
    this.#book.putNodeAddresses([...new Set(addresses)].sort((a, b) => a - b));
  }

  /** Works out what the changes since the last call come to. */
  flush(): Consequences {
    const stacks = this.#book.takeDirty();
    const wishes: Wish<Row>[] = [];
    const released: Variant<Row>[] = [];
    for (const stack of stacks) this.#arrange(stack, wishes, released);
    this.#profiles.assign(wishes);
    for (const variant of released) this.#profiles.release(variant);
    const objects = new Set([...this.#touched, ...this.#book.takeLeft()]);
    this.#touched = new Set();
    const pods = new Set<ObjectKey>();
    for (const subject of this.#book.takeMoved()) this.#tell(subject, pods);
    for (const stack of stacks) {
      for (const subject of stack.subjects) this.#tell(subject, pods);
      this.#refresh(stack, objects);
    }
    return { pods, objects };
  }

  /** What holds for a pod, after {@link flush}. */
  policyOf(pod: ObjectKey): PodPolicy {
    return this.#book.subject(pod) ?? OPEN;
  }

  /** What the policies of a pod say of a packet, after {@link flush}; undefined: none isolates it in that direction. */
  judge(pod: ObjectKey, direction: Direction, packet: PolicyPacket): Judgement | undefined {
    const subject = this.#book.subject(pod);
    const stack = subject?.[direction]?.stack;
    if (subject === undefined || stack === undefined) return undefined;
    const judgement = judge(direction, stack.tiers, this.#ownPorts(stack, subject), this.#book, packet);
    if (direction === 'egress' || !this.#book.nodeAddresses.includes(packet.peer)) return judgement;
    return {
      ...judgement,
      isAllowed: true,
      rule: { policy: undefined, text: 'the node itself is always let in' },
    };
  }

  /** To be called when the rows of these owners have come on. */
  progressed(owners: readonly Owner<Row>[]): Consequences {
    const pods = new Set<ObjectKey>();
    const objects = new Set<ObjectKey>();
    const stacks = new Set<Stack<Row>>();
    for (const owner of owners) {
      const profile = this.#profiles.of(owner);
      if (profile !== undefined) {
        const isStale = this.#options.reconciler.bundle(profile.bundle)?.state === 'stale';
        const changed = isStale !== profile.isStale;
        profile.isStale = isStale;
        for (const { stack } of profile.users) {
          stacks.add(stack);
          if (changed) for (const subject of stack.subjects) this.#tell(subject, pods);
        }
        continue;
      }
      const subject = this.#book.subject(owner.key as ObjectKey);
      if (subject === undefined) continue;
      if (owner.failed > 0 || subject.isCutOff) this.#tell(subject, pods);
      objects.add(isolationKey(subject.pod));
      for (const direction of DIRECTIONS) {
        const placement = subject[direction];
        if (placement !== undefined) stacks.add(placement.stack);
      }
    }
    this.#profiles.sweep();
    for (const stack of stacks) this.#refresh(stack, objects);
    return { pods, objects };
  }

  /**
   * To be called with what a device holds, before anything is written to it.
   *
   * @returns whether {@link flush} has to be called.
   */
  found(rows: readonly Row[]): boolean {
    const { model } = this.#options;
    const bundles = new Set<RowKey>();
    for (const row of rows) {
      const key = model.bundle?.(row) ?? model.names?.(row);
      if (key !== undefined) bundles.add(key);
    }
    if (!this.#profiles.confirm(bundles)) return false;
    this.#book.touchAll();
    return true;
  }

  /** What is to be said of a set, a policy or an isolation. */
  conditions(key: ObjectKey) {
    const { ownerOf } = this.#options;
    if (key.startsWith('isolation/')) return conditionsOfIsolation(this.#book.subjectsOf(key), ownerOf);
    if (key.startsWith('policy/'))
      return conditionsOfStacks(this.#book.stacksOfPolicy(nameOf(key)), nameOf(key));
    return conditionsOfStacks(this.#book.stacksOfSet(nameOf(key)), undefined);
  }

  /** Who wants the rows of the profiles that a set, a policy or an isolation has a part in. */
  owners(key: ObjectKey): readonly Owner<Row>[] {
    const owners = new Set<Owner<Row>>();
    const add = (variant: Variant<Row> | undefined) => {
      if (variant?.profile !== undefined) owners.add(variant.profile.owner);
    };
    if (key.startsWith('isolation/')) {
      for (const subject of this.#book.subjectsOf(key))
        for (const direction of DIRECTIONS) add(subject[direction]?.variant);
    } else {
      const name = nameOf(key);
      const isPolicy = key.startsWith('policy/');
      for (const { variants } of isPolicy ? this.#book.stacksOfPolicy(name) : this.#book.stacksOfSet(name))
        for (const variant of variants.values()) add(variant);
    }
    return [...owners];
  }

  /** The policies that rows of an owner come from, if it is a profile. */
  policiesOf(owner: Owner<Row>): readonly ObjectKey[] {
    const policies = new Set<ObjectKey>();
    for (const { stack } of this.#profiles.of(owner)?.users ?? [])
      for (const name of stack.dependencies.policies) policies.add(`policy/${name}`);
    return [...policies];
  }

  /** Tells ids that stand for a new profile from now on, before any pod is under it. */
  onProfileId(listener: (id: number) => void): () => void {
    return this.#profiles.taken.add(listener);
  }

  /** The profiles that pods are under in the device, or are about to be. */
  profilesInForce(): readonly ProfileInForce[] {
    const found = new Map<number, ProfileInForce>();
    for (const { pod, ids, ...placements } of this.#book.subjects()) {
      for (const direction of DIRECTIONS) {
        const id = ids[direction];
        const placement = placements[direction];
        if (id === undefined || placement === undefined) continue;
        const { stack, variant } = placement;
        let profile = found.get(id);
        if (profile === undefined) {
          // Under what is closed in its place, a pod has none of its own rules.
          const classes = variant?.profile?.id === id ? variant.classes : [];
          profile = { id, direction, policies: new Set(), pods: [], classes };
          found.set(id, profile);
        }
        profile.pods.push(pod);
        for (const name of stack.dependencies.policies) profile.policies.add(name);
      }
    }
    return [...found.values()];
  }

  /** Sorts the pods of a stack into variants, and notes what each of those wants. */
  #arrange(stack: Stack<Row>, wishes: Wish<Row>[], released: Variant<Row>[]): void {
    const variants = new Map<string, Variant<Row>>();
    for (const subject of stack.subjects) {
      const placement = subject[stack.direction];
      if (placement === undefined) continue;
      const key = this.#book.variantKey(stack, subject);
      let variant = variants.get(key);
      if (variant === undefined) {
        variant = stack.variants.get(key) ?? new Variant(stack);
        variants.set(key, variant);
        if (stack.isStale || variant.profile === undefined) wishes.push(this.#wish(stack, subject, variant));
      }
      placement.variant = variant;
    }
    for (const [key, variant] of stack.variants) if (!variants.has(key)) released.push(variant);
    stack.variants = variants;
    stack.isStale = false;
  }

  #ownPorts(
    { dependencies }: Stack<Row>,
    { pod }: Subject<Row>,
  ): ReadonlyMap<string, readonly AddressPort[]> {
    return new Map(dependencies.ownPortSets.map((name) => [name, portsOf(this.#book.set(name), pod.ip)]));
  }

  #wish(stack: Stack<Row>, subject: Subject<Row>, user: Variant<Row>): Wish<Row> {
    const { direction, tiers } = stack;
    const ownPorts = this.#ownPorts(stack, subject);
    const compiled = this.#options.driver.compile({
      direction,
      tiers: resolveTiers(direction, tiers, ownPorts, this.#book),
      alwaysAllowed: direction === 'ingress' ? this.#book.nodeAddresses : [],
    });
    return { user, compiled, direction };
  }

  /** Notes a pod whose rows are not what they should be. */
  #tell(subject: Subject<Row>, pods: Set<ObjectKey>): void {
    let hasNoId = false;
    const idOf = (direction: Direction) => {
      const placement = subject[direction];
      if (placement === undefined) return undefined;
      const { variant } = placement;
      const profile =
        variant?.profile?.isStale === false ? variant.profile : this.#profiles.closed(direction);
      hasNoId ||= profile === undefined;
      return profile?.id;
    };
    const ids: ProfileIds = { ingress: idOf('ingress'), egress: idOf('egress') };
    const isCutOff = hasNoId || this.#isRefused(subject, ids);
    const { ids: before } = subject;
    if (ids.ingress === before.ingress && ids.egress === before.egress && isCutOff === subject.isCutOff)
      return;
    subject.ids = ids;
    subject.isCutOff = isCutOff;
    pods.add(subject.key);
  }

  /** Whether the device has refused the rows that put a pod under these profiles. */
  #isRefused({ pod }: Subject<Row>, ids: ProfileIds): boolean {
    const { driver, model, reconciler } = this.#options;
    return driver.isolation(pod, ids).some((row) => reconciler.cell(model.key(row))?.failure !== undefined);
  }

  #refresh(stack: Stack<Row>, objects: Set<ObjectKey>): void {
    const standing = standingOf(stack, this.#options, (name) => this.#book.policy(name) === undefined);
    if (isSameStanding(standing, stack.standing)) return;
    stack.standing = standing;
    for (const name of stack.dependencies.policies) objects.add(`policy/${name}`);
    for (const name of stack.dependencies.sets) objects.add(`set/${name}`);
    for (const { pod } of stack.subjects) objects.add(isolationKey(pod));
  }
}

/** What comes after the kind in a key. */
function nameOf(key: ObjectKey): string {
  return key.slice(key.indexOf('/') + 1);
}
