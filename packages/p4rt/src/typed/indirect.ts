import { noBytes, type PortInput, portBytes } from '../bytes.js';
import { invalid } from '../errors.js';
import {
  type Action,
  type ActionProfileAction,
  ActionProfileActionSet_ActionSelectionMode,
  ActionProfileActionSet_SizeSemantics,
  type ActionProfileGroup_Member,
  type TableAction,
} from '../gen/p4/v1/p4runtime.js';
import type { GroupMember } from './types.js';

const MAX_ID = 0xffff_ffff;
const MAX_INT32 = 0x7fff_ffff;

/** Checks a uint32 of the wire. */
export function uint32(value: number, what: string): number {
  if (Number.isInteger(value) && value >= 0 && value <= MAX_ID) return value;
  throw invalid(`${what} ${value} is not within 0..${MAX_ID}`, { value });
}

/** Checks an int32 of the wire that may not be below `min`. */
export function int32(value: number, min: number, what: string): number {
  if (Number.isInteger(value) && value >= min && value <= MAX_INT32) return value;
  throw invalid(`${what} ${value} is not within ${min}..${MAX_INT32}`, { value });
}

type Watch = ActionProfileGroup_Member['watchKind'];

function watchPort(owner: string, port: PortInput | undefined): Watch {
  return port === undefined ? undefined : { $case: 'watchPort', value: portBytes(owner, port) };
}

export function memberAction(owner: string, id: number): TableAction {
  return { type: { $case: 'actionProfileMemberId', value: uint32(id, `${owner}: member id`) } };
}

export function groupAction(owner: string, id: number): TableAction {
  return { type: { $case: 'actionProfileGroupId', value: uint32(id, `${owner}: group id`) } };
}

export interface WeightedActionInput {
  readonly action: Action;
  readonly weight?: number;
  readonly watchPort?: PortInput;
}

export function actionSetAction(owner: string, actions: readonly WeightedActionInput[]): TableAction {
  const actionProfileActions = actions.map(
    ({ action, weight = 1, watchPort: port }): ActionProfileAction => ({
      action,
      weight: int32(weight, 1, `${owner}: weight`),
      watchKind: watchPort(owner, port),
    }),
  );
  return {
    type: {
      $case: 'actionProfileActionSet',
      value: {
        actionProfileActions,
        actionSelectionMode:
          ActionProfileActionSet_ActionSelectionMode.DEFAULT_MODE_DETERMINED_BY_ACTION_SELECTOR,
        sizeSemantics: ActionProfileActionSet_SizeSemantics.DEFAULT_SIZE_DETERMINED_BY_ACTION_SELECTOR,
      },
    },
  };
}

/** Members of a group, each named once. @throws P4rtError INVALID */
export function groupMembers(owner: string, members: readonly GroupMember[]): ActionProfileGroup_Member[] {
  const seen = new Set<number>();
  return members.map(({ member, weight = 1, watchPort: port }) => {
    if (seen.has(member))
      throw invalid(`${owner}: member ${member} is named twice; give it a weight`, { member });
    seen.add(member);
    return {
      memberId: uint32(member, `${owner}: member id`),
      weight: int32(weight, 1, `${owner}: weight of member ${member}`),
      watchKind: watchPort(owner, port),
    };
  });
}

/** The port of a `watch_kind`; the deprecated numeric form gives none. */
export function watchedPort(watch: Watch): { readonly watchPort: Uint8Array } | Record<string, never> {
  return watch?.$case === 'watchPort' && watch.value !== noBytes() ? { watchPort: watch.value } : {};
}
