import type { ActionScope, CounterUnit, MatchKind, MeterType, MeterUnit } from '../descriptor.js';
import { P4InfoError, type P4InfoWarning } from '../errors.js';
import {
  type Action_Param,
  ActionRef_Scope,
  type ControllerPacketMetadata_Metadata,
  CounterSpec_Unit,
  type MatchField,
  MatchField_MatchType,
  MeterSpec_Type,
  MeterSpec_Unit,
  type Preamble,
} from '../proto.js';
import type { TypeResolver } from './data-type.js';
import type { Named } from './name-index.js';
import type { P4Field, P4MatchField, P4Object } from './objects.js';

export type Warn = (warning: P4InfoWarning) => void;

/** @param path Where the object stands in P4Info, for one that has no name. */
export function objectOf(preamble: Preamble | undefined, kind: string, path: string): P4Object {
  if (preamble === undefined || preamble.name === '') {
    throw new P4InfoError('INVALID', `${path}: a ${kind} without a name in its preamble`, { path });
  }
  const { id, name, alias, annotations } = preamble;
  if (id === 0)
    throw new P4InfoError('INVALID', `${path}: ${kind} '${name}' has no id (0 is none)`, { path });
  return { id, name, alias: alias === '' ? name : alias, annotations };
}

/** @param owner What the field belongs to, for messages: ` of action 'x'`. */
export function fieldOf(
  field: Action_Param | ControllerPacketMetadata_Metadata | MatchField,
  types: TypeResolver,
  kind: string,
  owner: string,
): P4Field {
  const { id, name, bitwidth } = field;
  const fault = id === 0 ? 'has no id (0 is none)' : bitwidth < 0 ? `has ${bitwidth} bits` : undefined;
  if (fault !== undefined) throw new P4InfoError('INVALID', `${kind} '${name}'${owner} ${fault}`);
  const typeName = field.typeName?.name;
  const isString = types.isString(typeName);
  return { id, name, bitwidth: isString ? 0 : bitwidth, ...(typeName ? { typeName } : {}), isString };
}

export function matchFieldOf(
  field: MatchField,
  types: TypeResolver,
  owner: string,
  warn: Warn,
): P4MatchField {
  const base = fieldOf(field, types, 'match field', owner);
  if (field.match?.$case === 'otherMatchType')
    return { ...base, kind: 'other', otherKind: field.match.value };
  const kind = matchKind(field.match?.value ?? MatchField_MatchType.UNSPECIFIED);
  if (kind === undefined)
    warn({ message: `match field '${base.name}'${owner} has no match kind that is known here` });
  return { ...base, kind: kind ?? 'other' };
}

function matchKind(type: MatchField_MatchType): MatchKind | undefined {
  switch (type) {
    case MatchField_MatchType.EXACT:
      return 'exact';
    case MatchField_MatchType.LPM:
      return 'lpm';
    case MatchField_MatchType.TERNARY:
      return 'ternary';
    case MatchField_MatchType.RANGE:
      return 'range';
    case MatchField_MatchType.OPTIONAL:
      return 'optional';
    default:
      return undefined;
  }
}

export function actionScope(scope: ActionRef_Scope): ActionScope {
  if (scope === ActionRef_Scope.TABLE_ONLY) return 'table';
  return scope === ActionRef_Scope.DEFAULT_ONLY ? 'default' : 'both';
}

export function counterUnit(unit: CounterSpec_Unit | undefined): CounterUnit {
  if (unit === CounterSpec_Unit.BYTES) return 'bytes';
  if (unit === CounterSpec_Unit.PACKETS) return 'packets';
  return unit === CounterSpec_Unit.BOTH ? 'both' : 'unspecified';
}

export function meterUnit(unit: MeterSpec_Unit | undefined): MeterUnit {
  if (unit === MeterSpec_Unit.BYTES) return 'bytes';
  return unit === MeterSpec_Unit.PACKETS ? 'packets' : 'unspecified';
}

export function meterType(type: MeterSpec_Type | undefined): MeterType {
  if (type === MeterSpec_Type.SINGLE_RATE_THREE_COLOR) return 'single-rate-three-color';
  return type === MeterSpec_Type.SINGLE_RATE_TWO_COLOR ? 'single-rate-two-color' : 'two-rate-three-color';
}

/** Refuses an id that two objects of one kind share; a name that they share is only odd. */
export function checkUnique(items: readonly Named[], kind: string, owner: string, warn: Warn): void {
  const byId = new Map<number, Named>();
  const names = new Set<string>();
  for (const item of items) {
    const other = byId.get(item.id);
    if (other !== undefined) {
      throw new P4InfoError(
        'INVALID',
        `${kind}s '${other.name}' and '${item.name}'${owner} have the same id ${item.id}`,
      );
    }
    byId.set(item.id, item);
    if (names.has(item.name)) warn({ message: `there are two ${kind}s '${item.name}'${owner}` });
    names.add(item.name);
  }
}
