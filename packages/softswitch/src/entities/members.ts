import type { ActionProfileMember, Entity } from '@infra-offload/p4rt/proto';
import type { Pipeline } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import type { BoundProfile } from '../pipeline/bound.js';
import { type ActionCall, actionText, formatAction, parseAction } from './actions.js';
import type { Journal } from './journal.js';
import { decodeMember, encodeMember, memberNotes, NO_NOTE } from './notes.js';
import { NumberPool } from './number-pool.js';

export interface Member {
  readonly id: number;
  /** Its key in the member table of the program. */
  readonly number: number;
  readonly call: ActionCall;
  /** Table entries and groups that refer to it; shared by all versions of the member. */
  readonly uses: { count: number };
}

interface SharedMember {
  readonly number: number;
  uses: number;
}

/**
 * The members of one action profile. The program numbers them itself: groups of SWX take member numbers below the
 * slots of a group alone, and 0 is what an empty group answers, so P4Runtime ids are mapped to 1..slots-1 first (the
 * same number where possible), and to numbers beyond, which no group can use, when those are taken.
 */
export class MemberStore {
  readonly #pipeline: Pipeline;
  readonly #profile: BoundProfile;
  readonly #members = new Map<number, Member>();
  readonly #shared = new Map<string, SharedMember>();
  readonly #groupable: NumberPool;
  readonly #others: NumberPool;

  constructor(pipeline: Pipeline, profile: BoundProfile) {
    this.#pipeline = pipeline;
    this.#profile = profile;
    const slots = profile.selector?.slots ?? 1;
    this.#groupable = new NumberPool(1, slots);
    this.#others = new NumberPool(slots, slots + profile.size);
  }

  /**
   * Takes the members that the data plane has as its own, and gives them by their numbers. Those without a note are of
   * action sets.
   */
  restore(): ReadonlyMap<number, Member> {
    const byNumber = new Map<number, Member>();
    const { p4, target, actions } = this.#profile;
    const { written } = this.#pipeline;
    for (const { key, action: name, args } of written.entries(target)) {
      const number = Number(key[0]?.value);
      const action =
        [...actions.values()].find((each) => each.target === name) ??
        fail('INTERNAL', `action profile ${p4.alias}: member ${number} has the action ${name}`);
      this.#groupable.claim(number);
      this.#others.claim(number);
      const call = { action, args };
      const note = written.noteOf(`${memberNotes(p4.id)}${number}`);
      if (note === undefined) this.#shared.set(actionText(call), { number, uses: 0 });
      else {
        const member = { id: decodeMember(note), number, call, uses: { count: 0 } };
        this.#members.set(member.id, member);
        byNumber.set(number, member);
      }
    }
    return byNumber;
  }

  get count(): number {
    return this.#members.size;
  }

  /** NOT_FOUND if there is none. */
  get(id: number): Member {
    return (
      this.#members.get(id) ?? fail('NOT_FOUND', `action profile ${this.#profile.p4.alias}: no member ${id}`)
    );
  }

  find(id: number): Member | undefined {
    return this.#members.get(id);
  }

  insert(entity: ActionProfileMember, journal: Journal | undefined): void {
    const name = this.#profile.p4.alias;
    const id = entity.memberId;
    if (id === 0) fail('INVALID_ARGUMENT', `action profile ${name}: member id 0 is reserved`);
    if (this.#members.has(id)) fail('ALREADY_EXISTS', `action profile ${name}: member ${id} exists already`);
    const call = this.#parse(entity);
    const number = this.#take(id);
    this.#put({ id, number, call, uses: { count: 0 } });
    journal?.push(() => this.#drop(id));
  }

  modify(entity: ActionProfileMember, journal: Journal | undefined): void {
    const before = this.get(entity.memberId);
    this.#put({ ...before, call: this.#parse(entity) });
    journal?.push(() => this.#put(before));
  }

  delete(id: number, journal: Journal | undefined): void {
    const member = this.get(id);
    if (member.uses.count > 0) {
      fail(
        'FAILED_PRECONDITION',
        `action profile ${this.#profile.p4.alias}: member ${id} is used by ${member.uses.count} groups or entries`,
      );
    }
    this.#drop(id);
    journal?.push(() => {
      this.#groupable.claim(member.number);
      this.#others.claim(member.number);
      this.#put(member);
    });
  }

  /** Members as they are now: all, or the one that is named. */
  snapshot(id: number): Entity[] {
    const one = this.#members.get(id);
    const members = id === 0 ? [...this.#members.values()] : one === undefined ? [] : [one];
    return members.map(({ id: memberId, call }) => ({
      entity: {
        $case: 'actionProfileMember',
        value: { actionProfileId: this.#profile.p4.id, memberId, action: formatAction(call) },
      },
    }));
  }

  /** A member without an id for a one-shot action set. The same action with the same arguments is one member. */
  acquireShared(call: ActionCall): number {
    const text = actionText(call);
    const known = this.#shared.get(text);
    if (known !== undefined) {
      known.uses++;
      return known.number;
    }
    const number = this.#groupable.take();
    if (number === undefined) {
      const slots = this.#profile.selector?.slots ?? 1;
      fail(
        'RESOURCE_EXHAUSTED',
        `action profile ${this.#profile.p4.alias}: all ${slots - 1} members that groups can have are in use`,
      );
    }
    this.#set(number, call);
    this.#shared.set(text, { number, uses: 1 });
    return number;
  }

  releaseShared(call: ActionCall): void {
    const text = actionText(call);
    const known = this.#shared.get(text);
    if (known === undefined || --known.uses > 0) return;
    this.#shared.delete(text);
    this.#clear(known.number);
  }

  #parse(entity: ActionProfileMember): ActionCall {
    const owner = `action profile ${this.#profile.p4.alias}, member ${entity.memberId}`;
    if (entity.action === undefined) fail('INVALID_ARGUMENT', `${owner}: the action is missing`);
    return parseAction(owner, this.#profile.actions, entity.action, 'entry');
  }

  #take(id: number): number {
    const number =
      this.#members.size < this.#profile.size
        ? (this.#groupable.take(id) ?? this.#others.take(id))
        : undefined;
    return (
      number ??
      fail(
        'RESOURCE_EXHAUSTED',
        `action profile ${this.#profile.p4.alias}: it holds ${this.#profile.size} members, all in use`,
      )
    );
  }

  #put(member: Member): void {
    this.#set(member.number, member.call);
    if (!this.#members.has(member.id)) this.#note(member.number, encodeMember(member.id));
    this.#members.set(member.id, member);
  }

  #drop(id: number): void {
    const member = this.#members.get(id);
    if (member === undefined) return;
    this.#members.delete(id);
    this.#note(member.number, NO_NOTE);
    this.#clear(member.number);
  }

  #note(number: number, note: Uint8Array): void {
    this.#pipeline.note(`${memberNotes(this.#profile.p4.id)}${number}`, note);
  }

  #set(number: number, call: ActionCall): void {
    const entry = { key: [{ value: number }], action: call.action.target, args: call.args };
    this.#pipeline.tableSet(this.#profile.target, entry);
  }

  #clear(number: number): void {
    this.#pipeline.tableDelete(this.#profile.target, [{ value: number }]);
    this.#groupable.release(number);
    this.#others.release(number);
  }
}
