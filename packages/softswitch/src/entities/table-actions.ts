import type { TableAction } from '@infra-offload/p4rt/proto';
import type { Value } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import type { BoundAction, BoundTable } from '../pipeline/bound.js';
import { type ActionCall, formatAction, parseAction } from './actions.js';
import { formatSet, type OneShot, type ProfileStore, type RestoredProfile } from './profiles.js';

/** What a table entry does. */
export type EntryAction =
  | { readonly kind: 'action'; readonly call: ActionCall }
  | { readonly kind: 'member'; readonly id: number }
  | { readonly kind: 'group'; readonly id: number }
  | { readonly kind: 'oneShot'; readonly set: OneShot };

/**
 * Checks the action of a table entry and counts its use of members and groups ({@link releaseAction} takes that
 * back). INVALID_ARGUMENT if it is not of the kind that the table takes, NOT_FOUND for an unknown member or group.
 */
export function acquireAction(
  table: BoundTable,
  profile: ProfileStore | undefined,
  action: TableAction,
): EntryAction {
  const { type } = action;
  const owner = `table ${table.p4.alias}`;
  if (profile === undefined) {
    if (type?.$case !== 'action')
      fail('INVALID_ARGUMENT', `${owner}: it takes an action, not ${type?.$case ?? 'nothing'}`);
    return { kind: 'action', call: parseAction(owner, table.actions, type.value, 'entry') };
  }
  switch (type?.$case) {
    case 'actionProfileMemberId': {
      if (table.indirect?.setMember === undefined)
        fail('UNIMPLEMENTED', `${owner}: the program takes groups only`);
      profile.members.get(type.value).uses.count++;
      return { kind: 'member', id: type.value };
    }
    case 'actionProfileGroupId': {
      if (table.indirect?.setGroup === undefined) fail('INVALID_ARGUMENT', `${owner}: it has no groups`);
      profile.group(type.value).uses.count++;
      return { kind: 'group', id: type.value };
    }
    case 'actionProfileActionSet':
      return { kind: 'oneShot', set: profile.acquireSet(type.value) };
    default:
      fail(
        'INVALID_ARGUMENT',
        `${owner}: it takes a member, a group or an action set, not ${type?.$case ?? 'nothing'}`,
      );
  }
}

/** The action of the table that has this name in the program. */
export function actionOf(table: BoundTable, target: string): BoundAction | undefined {
  for (const action of table.actions.values()) if (action.target === target) return action;
  return undefined;
}

/** What an entry that the data plane has does; its use of members and groups is counted. */
export function restoreAction(
  table: BoundTable,
  profile: RestoredProfile | undefined,
  { action: target, args }: { readonly action: string; readonly args: readonly Value[] },
): EntryAction {
  const number = Number(args[0]);
  if (profile === undefined) {
    const action = actionOf(table, target);
    if (action !== undefined) return { kind: 'action', call: { action, args } };
  } else if (target === table.indirect?.setMember) {
    const member = profile.members.get(number);
    if (member !== undefined) {
      member.uses.count++;
      return { kind: 'member', id: member.id };
    }
  } else if (target === table.indirect?.setGroup) {
    const group = profile.groups.get(number);
    if (group !== undefined) {
      group.uses.count++;
      return { kind: 'group', id: group.id };
    }
    const set = profile.sets.get(number);
    if (set !== undefined) return { kind: 'oneShot', set };
  }
  return fail(
    'INTERNAL',
    `table ${table.p4.alias}: an entry has ${target}(${args.join()}), which is unknown here`,
  );
}

/** Counts the use of an action that was released again; only for what is there still or again. */
export function reacquireAction(profile: ProfileStore | undefined, action: EntryAction): EntryAction {
  if (profile === undefined || action.kind === 'action') return action;
  switch (action.kind) {
    case 'member':
      profile.members.get(action.id).uses.count++;
      return action;
    case 'group':
      profile.group(action.id).uses.count++;
      return action;
    case 'oneShot':
      return { kind: 'oneShot', set: profile.restoreSet(action.set) };
    default: {
      const never: never = action;
      return never;
    }
  }
}

export function releaseAction(profile: ProfileStore | undefined, action: EntryAction): void {
  if (profile === undefined || action.kind === 'action') return;
  switch (action.kind) {
    case 'member':
      profile.members.get(action.id).uses.count--;
      return;
    case 'group':
      profile.group(action.id).uses.count--;
      return;
    case 'oneShot':
      profile.releaseSet(action.set);
      return;
    default: {
      const never: never = action;
      fail('INTERNAL', `unhandled ${String(never)}`);
    }
  }
}

/** The action in terms of the program. */
export function targetAction(
  table: BoundTable,
  profile: ProfileStore | undefined,
  action: EntryAction,
): { action: string; args: readonly Value[] } {
  if (action.kind === 'action') return { action: action.call.action.target, args: action.call.args };
  const { indirect } = table;
  if (profile === undefined || indirect === undefined)
    fail('INTERNAL', `table ${table.p4.alias} has no action profile`);
  const { setMember = '', setGroup = '' } = indirect;
  switch (action.kind) {
    case 'member':
      return { action: setMember, args: [profile.members.get(action.id).number] };
    case 'group':
      return { action: setGroup, args: [profile.group(action.id).number] };
    case 'oneShot':
      return { action: setGroup, args: [action.set.number] };
    default: {
      const never: never = action;
      return never;
    }
  }
}

export function formatTableAction(action: EntryAction): TableAction {
  switch (action.kind) {
    case 'action':
      return { type: { $case: 'action', value: formatAction(action.call) } };
    case 'member':
      return { type: { $case: 'actionProfileMemberId', value: action.id } };
    case 'group':
      return { type: { $case: 'actionProfileGroupId', value: action.id } };
    case 'oneShot':
      return { type: { $case: 'actionProfileActionSet', value: formatSet(action.set) } };
    default: {
      const never: never = action;
      return never;
    }
  }
}
