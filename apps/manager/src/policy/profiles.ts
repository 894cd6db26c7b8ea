import { createHash } from 'node:crypto';
import { Listeners } from '@infra-offload/base';
import { IdPool } from '@infra-offload/lb-model';
import type { Direction } from '@infra-offload/policy-compiler';
import type { Owner, RowKey } from '@infra-offload/reconciler';
import type { CompiledProfile, PolicyDriver } from '../drivers/driver.js';
import type { Reconciler } from '../reconciler/reconciler.js';
import type { StateStore } from '../state/store.js';
import { Profile, type Variant } from './stack.js';

/** How long the id of a profile rests after the last row that named it has left the device. */
const ID_REST_MS = 60_000;
const DIRECTIONS = ['ingress', 'egress'] as const;

export type ProfileStore = Pick<StateStore, 'useProfileId' | 'restProfileId'>;

/** Ids of profiles as a store holds them. */
export interface StoredProfiles {
  /** What each id in use stands for. */
  readonly inUse: readonly (readonly [id: number, digest: string])[];
  /** Released ids and when (epoch milliseconds), in that order. */
  readonly resting: readonly (readonly [id: number, releasedAt: number])[];
}

/** A user and what it wants from now on. */
export interface Wish<Row> {
  readonly user: Variant<Row>;
  readonly compiled: CompiledProfile<Row>;
  readonly direction: Direction;
}

export interface ProfilesOptions<Row> {
  readonly driver: PolicyDriver<Row>;
  readonly reconciler: Reconciler<Row>;
  readonly store: ProfileStore;
  readonly now: () => number;
}

/**
 * Gives contents ids, and has their rows in the device for as long as somebody wants them. A content becomes another
 * one in place if the driver calls that safe, everybody who has it goes along, and no other pod is under it in the
 * device. Otherwise the new one gets an id of its own, and the old one leaves after the last pod.
 */
export class Profiles<Row> {
  readonly #options: ProfilesOptions<Row>;
  readonly #byDigest = new Map<string, Profile<Row>>();
  readonly #byOwner = new Map<Owner<Row>, Profile<Row>>();
  /** Without users, not yet out of the device. */
  readonly #retiring = new Set<Profile<Row>>();
  /** Never seen in the device, so that their ids may stand for something else there. */
  readonly #unconfirmed = new Set<Profile<Row>>();
  readonly #closed: Record<Direction, Profile<Row> | undefined> = { ingress: undefined, egress: undefined };
  /** Told ids that stand for something new from now on. */
  readonly taken = new Listeners<[id: number]>();
  /** Ids of the last run, by what they stood for; those that nobody claims are released. */
  #remembered = new Map<string, number>();
  #ids: IdPool;

  constructor(options: ProfilesOptions<Row>) {
    this.#options = options;
    this.#ids = new IdPool(this.#idOptions());
  }

  /** Takes up the ids of the last run: the same content gets the same id until {@link restored}. */
  restore({ inUse, resting }: StoredProfiles): void {
    const inRange = ([id]: readonly [number, unknown]) => id <= this.#options.driver.limits.ids;
    this.#remembered = new Map(inUse.filter(inRange).map(([id, digest]) => [digest, id]));
    const used = [...this.#remembered.values()];
    this.#ids = IdPool.restore(
      this.#idOptions(),
      { inUse: used.map((id) => [id, id]), resting: resting.filter(inRange) },
      this.#options.now(),
    );
  }

  /** Everything that was wanted in the last run is wanted again: what is left over of its ids rests. */
  restored(): void {
    for (const id of this.#remembered.values()) this.#rest(id);
    this.#remembered.clear();
  }

  /** The profile that denies everything; undefined only when all ids are in use. */
  closed(direction: Direction): Profile<Row> | undefined {
    let profile = this.#closed[direction];
    if (profile !== undefined) return profile;
    profile = this.#take(this.#options.driver.compile({ direction, tiers: [], alwaysAllowed: [] }));
    this.#closed[direction] = profile;
    if (profile !== undefined) profile.isPinned = true;
    return profile;
  }

  /**
   * Gives users what they want; what they had before changes in place where that is possible.
   *
   * @returns users that had something else before.
   */
  assign(wishes: readonly Wish<Row>[]): void {
    const digests = new Map(wishes.map((wish) => [wish, digestOf(wish.compiled)]));
    const going = new Map<Profile<Row>, Wish<Row>[]>();
    for (const wish of wishes) {
      const { profile } = wish.user;
      if (profile === undefined || profile.digest === digests.get(wish)) continue;
      const others = going.get(profile);
      if (others === undefined) going.set(profile, [wish]);
      else others.push(wish);
    }
    for (const [profile, leaving] of going) this.#changeInPlace(profile, leaving, digests);
    const left = new Set<Profile<Row>>();
    for (const wish of wishes) {
      const { user, compiled } = wish;
      user.classes = compiled.classes;
      const before = user.profile;
      if (before !== undefined && before.digest === digests.get(wish)) {
        before.conditions = compiled.conditions;
        continue;
      }
      const profile = this.#take(compiled, digests.get(wish)) ?? this.closed(wish.direction);
      user.profile = profile;
      profile?.users.add(user);
      if (before?.users.delete(user) === true) left.add(before);
    }
    for (const profile of left) this.#retireIfUnused(profile);
  }

  /** A user wants nothing any more. */
  release(user: Variant<Row>): void {
    const { profile } = user;
    user.profile = undefined;
    if (profile?.users.delete(user) === true) this.#retireIfUnused(profile);
  }

  /** The profile that wants the rows of an owner. */
  of(owner: Owner<Row>): Profile<Row> | undefined {
    return this.#byOwner.get(owner);
  }

  /** To be called when the device has made progress: lets go of what has left it. */
  sweep(): void {
    for (const profile of this.#retiring) {
      if (this.#options.reconciler.bundle(profile.bundle) !== undefined) continue;
      this.#retiring.delete(profile);
      this.#unconfirmed.delete(profile);
      if (this.#byDigest.get(profile.digest) === profile) this.#byDigest.delete(profile.digest);
      this.#byOwner.delete(profile.owner);
      this.#rest(profile.id);
    }
  }

  /**
   * To be called with the bundles that a device holds or names, before anything is written: profiles that got their ids
   * without knowing of these are given up, since in the device those stand for something else.
   *
   * @returns whether there were any; then everything has to be assigned anew.
   */
  confirm(inDevice: ReadonlySet<RowKey>): boolean {
    let collided = false;
    for (const profile of this.#unconfirmed) {
      if (!inDevice.has(profile.bundle)) continue;
      collided = true;
      this.#byDigest.delete(profile.digest);
      profile.digest = '';
      for (const direction of DIRECTIONS) {
        if (this.#closed[direction] === profile) this.#closed[direction] = undefined;
      }
      profile.isPinned = false;
      this.#retireIfUnused(profile);
    }
    this.#unconfirmed.clear();
    return collided;
  }

  #changeInPlace(
    profile: Profile<Row>,
    leaving: readonly Wish<Row>[],
    digests: ReadonlyMap<Wish<Row>, string>,
  ): void {
    const [first] = leaving;
    if (first === undefined || leaving.length !== profile.users.size || profile.isPinned) return;
    const digest = digests.get(first);
    if (digest === undefined || this.#byDigest.has(digest)) return;
    if (leaving.some((wish) => digests.get(wish) !== digest)) return;
    const { compiled } = first;
    if (compiled.frame !== profile.frame || !this.#options.reconciler.mayChangeInPlace(profile.bundle))
      return;
    const rows = compiled.rows(profile.id);
    // Nothing left is a bundle given up, whose rows stay for as long as a pod is under it.
    if (rows.length === 0) return;
    this.#byDigest.delete(profile.digest);
    profile.digest = digest;
    this.#enter(profile, compiled, rows);
  }

  /** The profile of a content, made if need be. */
  #take(compiled: CompiledProfile<Row>, digest = digestOf(compiled)): Profile<Row> | undefined {
    const known = this.#byDigest.get(digest);
    if (known !== undefined) {
      if (this.#retiring.delete(known)) this.#enter(known, compiled, compiled.rows(known.id));
      return known;
    }
    const remembered = this.#remembered.get(digest);
    const id = remembered ?? this.#allocate();
    if (id === undefined) return undefined;
    this.#remembered.delete(digest);
    const profile = new Profile<Row>(id, digest, this.#options.driver.bundle(id));
    if (remembered === undefined) this.taken.emit(id);
    if (remembered === undefined && !this.#options.reconciler.attached) this.#unconfirmed.add(profile);
    this.#byOwner.set(profile.owner, profile);
    this.#enter(profile, compiled, compiled.rows(id));
    return profile;
  }

  #enter(profile: Profile<Row>, compiled: CompiledProfile<Row>, rows: readonly Row[]): void {
    profile.frame = compiled.frame;
    profile.conditions = compiled.conditions;
    this.#byDigest.set(profile.digest, profile);
    this.#options.store.useProfileId(profile.id, profile.digest);
    this.#options.reconciler.setWanted(profile.owner, rows);
  }

  #retireIfUnused(profile: Profile<Row>): void {
    if (profile.users.size > 0 || profile.isPinned) return;
    this.#retiring.add(profile);
    this.#options.reconciler.setWanted(profile.owner, []);
  }

  #allocate(): number | undefined {
    const { now, reconciler, driver } = this.#options;
    for (let tries = 0; tries <= driver.limits.ids; tries++) {
      const found = this.#ids.allocate({ now: now(), allowUnrested: true });
      if (!found.ok) return undefined;
      if (reconciler.bundle(driver.bundle(found.id)) === undefined) return found.id;
      // Something in the device still has it, or names it.
      this.#rest(found.id);
    }
    return undefined;
  }

  #rest(id: number): void {
    const now = this.#options.now();
    this.#ids.release(id, now);
    this.#options.store.restProfileId(id, now);
  }

  #idOptions() {
    return { min: 1, max: this.#options.driver.limits.ids, restMs: ID_REST_MS };
  }
}

function digestOf({ content }: CompiledProfile<unknown>): string {
  return createHash('sha256').update(content).digest('base64url');
}
