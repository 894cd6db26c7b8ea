import { invalid } from '../errors.js';
import type { Action, Entity } from '../gen/p4/v1/p4runtime.js';
import { ActionSet, type DecodedAction } from './action.js';
import { groupMembers, int32, uint32, watchedPort } from './indirect.js';
import type {
  ActionBuilder,
  ActionDescriptor,
  ActionProfileDescriptor,
  BuiltAction,
  DecodedActionOf,
  GroupMember,
  Value,
} from './types.js';

/** A member of an action profile read back. */
export interface DecodedMember<A> {
  readonly member: number;
  /** Absent in an entity that is only a key. */
  readonly action?: A;
}

/** A group of an action profile read back. */
export interface DecodedGroup {
  readonly group: number;
  readonly members: readonly {
    readonly member: number;
    readonly weight: number;
    readonly watchPort?: Uint8Array;
  }[];
  /** 0: the profile's own limit. */
  readonly maxSize: number;
}

/** An action profile of a typed program. */
export interface TypedActionProfile<P extends ActionProfileDescriptor> {
  readonly id: number;
  readonly name: string;
  /** What members may do. */
  readonly actions: {
    readonly [N in keyof P['actions'] as N & string]: ActionBuilder<N & string, P['actions'][N]>;
  };
  /** A member; without an action its key, to read or remove it. @throws P4rtError INVALID */
  member(id: number, action?: BuiltAction<keyof P['actions'] & string>): Entity;
  /**
   * A group; without members its key. `maxSize` bounds its weights or members (as the profile counts) and is fixed once
   * inserted; 0, the default, is the profile's own limit.
   * @throws P4rtError INVALID for weights below 1, a member named twice, a `maxSize` above the profile's, or a profile
   *   without selector, which has no groups
   */
  group(id: number, members?: readonly GroupMember[], maxSize?: number): Entity;
  /** Wildcard: all members, to read. */
  members(): Entity;
  /** Wildcard: all groups, to read. */
  groups(): Entity;
  /** @throws P4rtError INVALID, MALFORMED */
  decodeMember(entity: Entity): DecodedMember<DecodedActionOf<P['actions']>>;
  /** @throws P4rtError INVALID */
  decodeGroup(entity: Entity): DecodedGroup;
}

/** An action profile at run time. Its typed face is {@link TypedActionProfile}. */
export class RuntimeActionProfile {
  readonly id: number;
  readonly name: string;
  readonly actions: ReturnType<ActionSet['builders']>;
  readonly #actionSet: ActionSet;
  readonly #where: string;
  readonly #descriptor: ActionProfileDescriptor;

  constructor(name: string, descriptor: ActionProfileDescriptor) {
    this.name = name;
    this.id = descriptor.id;
    this.#where = `action profile '${name}'`;
    this.#descriptor = descriptor;
    const actions: Readonly<Record<string, ActionDescriptor>> = descriptor.actions;
    this.#actionSet = new ActionSet(this.#where, actions);
    this.actions = this.#actionSet.builders('entry');
  }

  /** An action by a name from elsewhere. @throws P4rtError UNKNOWN_NAME, INVALID */
  action(name: string, params?: Readonly<Record<string, Value>>): Action {
    return this.#actionSet.build(name, params);
  }

  member(id: number, action?: Action): Entity {
    if (action !== undefined) this.#actionSet.check(action, 'entry');
    return this.#member(uint32(id, `${this.#where}: member id`), action);
  }

  group(id: number, members: readonly GroupMember[] = [], maxSize = 0): Entity {
    this.#requireSelector();
    const where = `${this.#where} group ${id}`;
    const entries = groupMembers(where, members);
    const size = int32(maxSize, 0, `${where}: maximum size`);
    const { maxGroupSize } = this.#descriptor;
    if (maxGroupSize > 0 && size > maxGroupSize) {
      throw invalid(`${where}: maximum size ${size} is above the profile's ${maxGroupSize}`, {
        maxSize: size,
      });
    }
    return {
      entity: {
        $case: 'actionProfileGroup',
        value: {
          actionProfileId: this.id,
          groupId: uint32(id, `${this.#where}: group id`),
          members: entries,
          maxSize: size,
        },
      },
    };
  }

  members(): Entity {
    return this.#member(0, undefined);
  }

  groups(): Entity {
    this.#requireSelector();
    return {
      entity: {
        $case: 'actionProfileGroup',
        value: { actionProfileId: this.id, groupId: 0, members: [], maxSize: 0 },
      },
    };
  }

  decodeMember(entity: Entity): DecodedMember<DecodedAction> {
    const member = entity.entity?.$case === 'actionProfileMember' ? entity.entity.value : undefined;
    if (member?.actionProfileId !== this.id) throw this.#foreign('member', entity);
    return {
      member: member.memberId,
      ...(member.action === undefined ? {} : { action: this.#actionSet.decode(member.action) }),
    };
  }

  decodeGroup(entity: Entity): DecodedGroup {
    const group = entity.entity?.$case === 'actionProfileGroup' ? entity.entity.value : undefined;
    if (group?.actionProfileId !== this.id) throw this.#foreign('group', entity);
    return {
      group: group.groupId,
      members: group.members.map(({ memberId, weight, watchKind }) => ({
        member: memberId,
        weight,
        ...watchedPort(watchKind),
      })),
      maxSize: group.maxSize,
    };
  }

  #member(memberId: number, action: Action | undefined): Entity {
    return {
      entity: { $case: 'actionProfileMember', value: { actionProfileId: this.id, memberId, action } },
    };
  }

  #requireSelector(): void {
    if (!this.#descriptor.withSelector) throw invalid(`${this.#where} has no selector, so it has no groups`);
  }

  #foreign(what: string, entity: Entity): Error {
    return invalid(
      `expected a ${what} of ${this.#where} (id ${this.id}), got ${entity.entity?.$case ?? 'an empty entity'}`,
      {
        entity,
      },
    );
  }
}
