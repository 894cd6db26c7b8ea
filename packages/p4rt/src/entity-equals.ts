import { sameBytes, sameValue } from './bytes.js';
import { entityKey } from './entity-key.js';
import {
  type Action,
  type ActionProfileActionSet,
  type ActionProfileGroup_Member,
  Entity,
  type MeterConfig,
  type TableAction,
  type TableEntry,
} from './gen/p4/v1/p4runtime.js';

/**
 * Tells whether two entities are the same and say the same: equal keys, and equal contents as far as a controller
 * writes them. What only the server knows (counts, time since the last hit) does not count, nor do leading zero bytes and
 * the order of parameters and members. Made to compare wanted entities with those read back.
 */
export function entityEquals(a: Entity, b: Entity): boolean {
  if (a === b) return true;
  const left = a.entity;
  const right = b.entity;
  if (left?.$case !== right?.$case || entityKey(a) !== entityKey(b)) return false;
  if (left?.$case === 'tableEntry' && right?.$case === 'tableEntry')
    return sameEntry(left.value, right.value);
  if (left?.$case === 'actionProfileMember' && right?.$case === 'actionProfileMember') {
    return sameAction(left.value.action, right.value.action);
  }
  if (left?.$case === 'actionProfileGroup' && right?.$case === 'actionProfileGroup') {
    return left.value.maxSize === right.value.maxSize && sameMembers(left.value.members, right.value.members);
  }
  return sameBytes(Entity.encode(a).finish(), Entity.encode(b).finish());
}

function sameEntry(a: TableEntry, b: TableEntry): boolean {
  return (
    sameTableAction(a.action, b.action) &&
    a.idleTimeoutNs === b.idleTimeoutNs &&
    a.controllerMetadata === b.controllerMetadata &&
    sameBytes(a.metadata, b.metadata) &&
    sameMeter(a.meterConfig, b.meterConfig)
  );
}

function sameMeter(a: MeterConfig | undefined, b: MeterConfig | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.cir === b.cir &&
    a.cburst === b.cburst &&
    a.pir === b.pir &&
    a.pburst === b.pburst &&
    a.eburst === b.eburst
  );
}

function sameTableAction(a: TableAction | undefined, b: TableAction | undefined): boolean {
  const left = a?.type;
  const right = b?.type;
  switch (left?.$case) {
    case undefined:
      return right === undefined;
    case 'action':
      return right?.$case === 'action' && sameAction(left.value, right.value);
    case 'actionProfileMemberId':
    case 'actionProfileGroupId':
      return right?.$case === left.$case && right.value === left.value;
    case 'actionProfileActionSet':
      return right?.$case === 'actionProfileActionSet' && sameActionSet(left.value, right.value);
    default:
      return left satisfies never;
  }
}

function sameAction(a: Action | undefined, b: Action | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  if (a.actionId !== b.actionId || a.params.length !== b.params.length) return false;
  return a.params.every((param, i) => {
    const same = b.params[i];
    const other =
      same?.paramId === param.paramId ? same : b.params.find((one) => one.paramId === param.paramId);
    return other !== undefined && sameValue(param.value, other.value);
  });
}

function sameActionSet(a: ActionProfileActionSet, b: ActionProfileActionSet): boolean {
  if (a.actionSelectionMode !== b.actionSelectionMode || a.sizeSemantics !== b.sizeSemantics) return false;
  return sameInAnyOrder(
    a.actionProfileActions,
    b.actionProfileActions,
    (x, y) => x.weight === y.weight && sameWatch(x, y) && sameAction(x.action, y.action),
  );
}

function sameMembers(
  a: readonly ActionProfileGroup_Member[],
  b: readonly ActionProfileGroup_Member[],
): boolean {
  if (a.length !== b.length) return false;
  const byId = new Map(b.map((member) => [member.memberId, member]));
  return a.every((member) => {
    const other = byId.get(member.memberId);
    return other !== undefined && other.weight === member.weight && sameWatch(member, other);
  });
}

type Watching = Pick<ActionProfileGroup_Member, 'watchKind'>;

function sameWatch({ watchKind: a }: Watching, { watchKind: b }: Watching): boolean {
  if (a?.$case === 'watchPort') return b?.$case === 'watchPort' && sameValue(a.value, b.value);
  return a?.$case === b?.$case && a?.value === b?.value;
}

function sameInAnyOrder<T>(a: readonly T[], b: readonly T[], same: (x: T, y: T) => boolean): boolean {
  if (a.length !== b.length) return false;
  const rest = [...b];
  return a.every((x) => {
    const i = rest.findIndex((y) => same(x, y));
    if (i >= 0) rest.splice(i, 1);
    return i >= 0;
  });
}
