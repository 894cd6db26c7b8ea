import type { SelectorSize } from '@infra-offload/p4info';
import {
  type ActionProfileAction,
  type ActionProfileActionSet,
  type ActionProfileGroup,
  type ActionProfileGroup_Member,
  type ActionProfileMember,
  type Entity,
  Update_Type,
} from '@infra-offload/p4rt/proto';
import type { Pipeline } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import type { BoundProfile } from '../pipeline/bound.js';
import { checkSelectionMode, setCounts } from './action-sets.js';
import { type ActionCall, formatAction, parseAction } from './actions.js';
import type { Journal } from './journal.js';
import { type Member, MemberStore } from './members.js';
import { decodeGroup, decodeSet, encodeGroup, encodeSet, groupNotes, NO_NOTE, setNotes } from './notes.js';
import { NumberPool } from './number-pool.js';

export interface Group {
  readonly id: number;
  /** Its number in the selector of the program. */
  readonly number: number;
  readonly members: readonly { readonly member: Member; readonly weight: number }[];
  readonly maxSize: number;
  /** Table entries that refer to it; shared by all versions of the group. */
  readonly uses: { count: number };
}

/** A one-shot action set: a group and members that have no ids. */
export interface OneShot {
  readonly number: number;
  readonly actions: readonly { readonly call: ActionCall; readonly weight: number }[];
  readonly selectionMode: number;
  readonly sizeSemantics: number;
}

/** What a profile has in the data plane, by the numbers of the program. */
export interface RestoredProfile {
  readonly members: ReadonlyMap<number, Member>;
  readonly groups: ReadonlyMap<number, Group>;
  readonly sets: ReadonlyMap<number, OneShot>;
}

/** Members and groups of one action profile. */
export class ProfileStore {
  readonly #pipeline: Pipeline;
  readonly members: MemberStore;
  readonly #groups = new Map<number, Group>();
  readonly #numbers: NumberPool;
  /** Group 0, taken last: a program may select from it when the table was missed. */
  readonly #lastNumber: NumberPool;
  #oneShots = 0;

  constructor(
    pipeline: Pipeline,
    readonly profile: BoundProfile,
  ) {
    this.#pipeline = pipeline;
    this.members = new MemberStore(pipeline, profile);
    const groups = profile.selector?.groups ?? 0;
    this.#numbers = new NumberPool(1, groups);
    this.#lastNumber = new NumberPool(0, Math.min(1, groups));
  }

  /** Takes the members and groups that the data plane has as its own, and gives them by their numbers. */
  restore(): RestoredProfile {
    const { p4, selector, actions } = this.profile;
    const { id: profileId, alias: name } = p4;
    const { written } = this.#pipeline;
    const members = this.members.restore();
    const groups = new Map<number, Group>();
    const sets = new Map<number, OneShot>();
    const memberOf = (number: number): Member =>
      members.get(number) ?? fail('INTERNAL', `action profile ${name}: no member has the number ${number}`);
    for (const [text, note] of written.notes(groupNotes(profileId))) {
      const number = this.#claimNumber(Number(text));
      const { groupId: id, maxSize } = decodeGroup(note);
      const group: Group = {
        id,
        number,
        members: written
          .members(selector?.target ?? '', number)
          .map(({ member, weight }) => ({ member: memberOf(member), weight })),
        maxSize,
        uses: { count: 0 },
      };
      for (const { member } of group.members) member.uses.count++;
      this.#groups.set(id, group);
      groups.set(number, group);
    }
    for (const [text, note] of written.notes(setNotes(profileId))) {
      const number = this.#claimNumber(Number(text));
      const { actionProfileActions, actionSelectionMode: selectionMode, sizeSemantics } = decodeSet(note);
      const set: OneShot = {
        number,
        actions: actionProfileActions.map(({ action, weight }) => ({
          call: parseAction(
            `action profile ${name}`,
            actions,
            action ?? { actionId: 0, params: [] },
            'entry',
          ),
          weight,
        })),
        selectionMode,
        sizeSemantics,
      };
      for (const { call } of set.actions) this.members.acquireShared(call);
      this.#oneShots++;
      sets.set(number, set);
    }
    return { members, groups, sets };
  }

  /** NOT_FOUND if there is none. */
  group(id: number): Group {
    return (
      this.#groups.get(id) ?? fail('NOT_FOUND', `action profile ${this.profile.p4.alias}: no group ${id}`)
    );
  }

  updateMember(type: Update_Type, member: ActionProfileMember, journal: Journal | undefined): void {
    switch (type) {
      case Update_Type.INSERT:
        this.#refuseMixing(this.#oneShots > 0, 'its tables are programmed with one-shot action sets');
        this.members.insert(member, journal);
        return;
      case Update_Type.MODIFY:
        this.members.modify(member, journal);
        return;
      default:
        this.members.delete(member.memberId, journal);
    }
  }

  updateGroup(type: Update_Type, entity: ActionProfileGroup, journal: Journal | undefined): void {
    const { p4, selector } = this.profile;
    const name = p4.alias;
    const id = entity.groupId;
    if (selector === undefined)
      fail('INVALID_ARGUMENT', `action profile ${name} has no selector, so no groups`);
    switch (type) {
      case Update_Type.INSERT: {
        if (id === 0) fail('INVALID_ARGUMENT', `action profile ${name}: group id 0 is reserved`);
        this.#refuseMixing(this.#oneShots > 0, 'its tables are programmed with one-shot action sets');
        if (this.#groups.has(id))
          fail('ALREADY_EXISTS', `action profile ${name}: group ${id} exists already`);
        const members = this.#parseGroup(entity);
        const number = this.#takeNumber();
        try {
          this.#put({ id, number, members, maxSize: entity.maxSize, uses: { count: 0 } });
        } catch (error) {
          this.#releaseNumber(number);
          throw error;
        }
        journal?.push(() => this.#drop(id));
        return;
      }
      case Update_Type.MODIFY: {
        const before = this.group(id);
        if (entity.maxSize !== before.maxSize) {
          fail(
            'INVALID_ARGUMENT',
            `action profile ${name}, group ${id}: max_size is ${before.maxSize} and cannot be changed`,
          );
        }
        this.#put({ ...before, members: this.#parseGroup(entity) });
        journal?.push(() => this.#put(before));
        return;
      }
      default: {
        const group = this.group(id);
        if (group.uses.count > 0) {
          fail(
            'FAILED_PRECONDITION',
            `action profile ${name}: group ${id} is used by ${group.uses.count} table entries`,
          );
        }
        this.#drop(id);
        journal?.push(() => {
          this.#claimNumber(group.number);
          this.#put(group);
        });
      }
    }
  }

  /** Groups as they are now: all, or the one that is named. */
  snapshotGroups(id: number): Entity[] {
    const one = this.#groups.get(id);
    const groups = id === 0 ? [...this.#groups.values()] : one === undefined ? [] : [one];
    return groups.map(({ id: groupId, members, maxSize }) => ({
      entity: {
        $case: 'actionProfileGroup',
        value: {
          actionProfileId: this.profile.p4.id,
          groupId,
          maxSize,
          members: members.map(({ member, weight }) => ({
            memberId: member.id,
            weight,
            watchKind: undefined,
          })),
        },
      },
    }));
  }

  /** Checks a one-shot action set and makes its group; {@link releaseSet} takes it away again. */
  acquireSet(set: ActionProfileActionSet): OneShot {
    const { p4, selector, actions } = this.profile;
    const name = p4.alias;
    if (selector === undefined)
      fail('INVALID_ARGUMENT', `action profile ${name} has no selector, so no action sets`);
    this.#refuseMixing(
      this.members.count > 0 || this.#groups.size > 0,
      'it is programmed with members and groups',
    );
    const what = `action profile ${name}, action set`;
    checkSelectionMode(what, set);
    this.#checkSize(what, set.actionProfileActions, p4.maxGroupSize, setCounts(what, set, p4));
    const parsed = set.actionProfileActions.map((one, i) => {
      if (one.action === undefined) fail('INVALID_ARGUMENT', `${what}, #${i}: the action is missing`);
      return {
        call: parseAction(`action profile ${name}`, actions, one.action, 'entry'),
        weight: one.weight,
      };
    });
    return this.#makeSet({
      actions: parsed,
      selectionMode: set.actionSelectionMode,
      sizeSemantics: set.sizeSemantics,
    });
  }

  /** Makes the group of a released set anew. */
  restoreSet(set: OneShot): OneShot {
    return this.#makeSet(set);
  }

  releaseSet(set: OneShot): void {
    this.#pipeline.selectorDelete(this.profile.selector?.target ?? '', set.number);
    this.#pipeline.note(`${setNotes(this.profile.p4.id)}${set.number}`, NO_NOTE);
    this.#releaseNumber(set.number);
    for (const { call } of set.actions) this.members.releaseShared(call);
    this.#oneShots--;
  }

  #makeSet(set: Omit<OneShot, 'number'>): OneShot {
    const number = this.#takeNumber();
    const weights = new Map<number, number>();
    const acquired: ActionCall[] = [];
    try {
      for (const { call, weight } of set.actions) {
        const member = this.members.acquireShared(call);
        acquired.push(call);
        weights.set(member, (weights.get(member) ?? 0) + weight);
      }
      const members = [...weights].map(([member, weight]) => ({ member, weight }));
      this.#pipeline.selectorSet(this.profile.selector?.target ?? '', number, members);
    } catch (error) {
      for (const call of acquired) this.members.releaseShared(call);
      this.#releaseNumber(number);
      throw error;
    }
    this.#oneShots++;
    const made = { ...set, number };
    this.#pipeline.note(`${setNotes(this.profile.p4.id)}${number}`, encodeSet(formatSet(made)));
    return made;
  }

  #parseGroup(entity: ActionProfileGroup): Group['members'] {
    const { p4, selector } = this.profile;
    const { alias, maxGroupSize, selectorSize } = p4;
    const what = `action profile ${alias}, group ${entity.groupId}`;
    const { maxSize } = entity;
    const slots = selector?.slots ?? 0;
    if (maxGroupSize > 0 ? maxSize < 1 || maxSize > maxGroupSize : maxSize < 0) {
      fail(
        'INVALID_ARGUMENT',
        `${what}: max_size ${maxSize} is not in ${maxGroupSize > 0 ? `1..${maxGroupSize}` : '0..'}`,
      );
    }
    if (selectorSize.counts === 'members' && maxSize > slots) {
      fail('RESOURCE_EXHAUSTED', `${what}: max_size ${maxSize} is more than the ${slots} slots of a group`);
    }
    this.#checkSize(what, entity.members, maxSize, selectorSize.counts);
    const seen = new Set<number>();
    return entity.members.map(({ memberId, weight }) => {
      if (seen.has(memberId))
        fail('INVALID_ARGUMENT', `${what}: member ${memberId} is given twice; use its weight`);
      seen.add(memberId);
      const member = this.members.get(memberId);
      if (member.number >= slots) {
        fail(
          'RESOURCE_EXHAUSTED',
          `${what}: member ${memberId} is beyond the ${slots - 1} members that groups can have`,
        );
      }
      return { member, weight };
    });
  }

  #checkSize(
    what: string,
    members: readonly (ActionProfileGroup_Member | ActionProfileAction)[],
    maxSize: number,
    counts: SelectorSize['counts'],
  ): void {
    const { p4, selector } = this.profile;
    const { selectorSize, weightsDisallowed } = p4;
    const maxWeight =
      counts === 'members' && selectorSize.counts === 'members' ? selectorSize.maxMemberWeight : 0;
    let weights = 0;
    for (const { weight, watchKind } of members) {
      if (weight < 1) fail('INVALID_ARGUMENT', `${what}: weight ${weight}; it must be at least 1`);
      if (weightsDisallowed && weight !== 1)
        fail('INVALID_ARGUMENT', `${what}: weight ${weight}; the selector has no weights`);
      if (maxWeight > 0 && weight > maxWeight) {
        fail('INVALID_ARGUMENT', `${what}: weight ${weight} is above the largest, ${maxWeight}`);
      }
      if (watchKind?.$case === 'watch' ? watchKind.value !== 0 : (watchKind?.value.length ?? 0) > 0) {
        fail('UNIMPLEMENTED', `${what}: watch ports are not supported`);
      }
      weights += weight;
    }
    const size = counts === 'members' ? members.length : weights;
    if (maxSize > 0 && size > maxSize) {
      const unit = counts === 'members' ? 'members' : 'the sum of weights';
      fail('INVALID_ARGUMENT', `${what}: ${unit} ${size} is more than ${maxSize}`);
    }
    const slots = selector?.slots ?? 0;
    if (members.length > slots)
      fail('RESOURCE_EXHAUSTED', `${what}: ${members.length} members, a group has ${slots} slots`);
  }

  #takeNumber(): number {
    return (
      this.#numbers.take() ??
      this.#lastNumber.take() ??
      fail(
        'RESOURCE_EXHAUSTED',
        `action profile ${this.profile.p4.alias}: all ${this.profile.selector?.groups} groups are in use`,
      )
    );
  }

  #claimNumber(number: number): number {
    this.#numbers.claim(number);
    this.#lastNumber.claim(number);
    return number;
  }

  #releaseNumber(number: number): void {
    this.#numbers.release(number);
    this.#lastNumber.release(number);
  }

  /** Makes the group this, in the program too, and counts the uses of members. */
  #put(group: Group): void {
    const before = this.#groups.get(group.id);
    const members = group.members.map(({ member, weight }) => ({ member: member.number, weight }));
    this.#pipeline.selectorSet(this.profile.selector?.target ?? '', group.number, members);
    if (before === undefined) this.#noteGroup(group.number, encodeGroup(group.id, group.maxSize));
    for (const { member } of before?.members ?? []) member.uses.count--;
    for (const { member } of group.members) member.uses.count++;
    this.#groups.set(group.id, group);
  }

  #drop(id: number): void {
    const group = this.#groups.get(id);
    if (group === undefined) return;
    this.#groups.delete(id);
    for (const { member } of group.members) member.uses.count--;
    this.#pipeline.selectorDelete(this.profile.selector?.target ?? '', group.number);
    this.#noteGroup(group.number, NO_NOTE);
    this.#releaseNumber(group.number);
  }

  #noteGroup(number: number, note: Uint8Array): void {
    this.#pipeline.note(`${groupNotes(this.profile.p4.id)}${number}`, note);
  }

  #refuseMixing(mixed: boolean, reason: string): void {
    if (mixed)
      fail('INVALID_ARGUMENT', `action profile ${this.profile.p4.alias}: ${reason}; the two cannot be mixed`);
  }
}

/** The action set as the client sent it, in canonical form. */
export function formatSet(set: OneShot): ActionProfileActionSet {
  return {
    actionProfileActions: set.actions.map(({ call, weight }) => ({
      action: formatAction(call),
      weight,
      watchKind: undefined,
    })),
    actionSelectionMode: set.selectionMode,
    sizeSemantics: set.sizeSemantics,
  };
}
