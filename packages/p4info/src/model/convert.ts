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
import { annotationsOf, referencesOf } from './annotations.js';
import type { TypeResolver } from './data-type.js';
import type { Named } from './name-index.js';
import type { P4Field, P4MatchField, P4Object } from './objects.js';

export type Warn = (warning: P4InfoWarning) => void;

/** What an object is, where it stands in P4Info, and what to call it in messages. */
export interface Owner {
  readonly kind: string;
  /** Such as `tables[3]`. */
  readonly path: string;
  /** ` of table 'x'` */
  readonly text: string;
}

export function objectOf(preamble: Preamble | undefined, kind: string, path: string): P4Object {
  if (preamble === undefined || preamble.name === '')
    throw invalid(`a ${kind} has no name in its preamble`, path);
  const { id, name, alias } = preamble;
  if (id === 0) throw invalid(`${kind} '${name}' has no id (0 is none)`, path);
  return { id, name, alias: alias === '' ? name : alias, ...annotationsOf(preamble) };
}

export function ownerOf({ name }: P4Object, kind: string, path: string): Owner {
  return { kind, path, text: ` of ${kind} '${name}'` };
}

/** Wider than any compiler makes (p4c: 2048); readers take memory for a value of each field. */
const MAX_BITWIDTH = 65_536;

export function fieldOf(
  field: Action_Param | ControllerPacketMetadata_Metadata | MatchField,
  types: TypeResolver,
  kind: string,
  owner: Owner,
): P4Field {
  const { id, name, bitwidth } = field;
  if (id === 0) throw invalid(`${kind} '${name}'${owner.text} has no id (0 is none)`, owner.path);
  if (bitwidth < 0 || bitwidth > MAX_BITWIDTH) {
    const message = `${kind} '${name}'${owner.text} is ${bitwidth} bits wide, not 0 to ${MAX_BITWIDTH}`;
    throw invalid(message, owner.path);
  }
  const typeName = field.typeName?.name;
  const isString = types.isString(typeName);
  return {
    id,
    name,
    bitwidth: isString ? 0 : bitwidth,
    ...(typeName ? { typeName } : {}),
    isString,
    refersTo: referencesOf(field.annotations),
    ...annotationsOf(field),
  };
}

/** A size as a number; one that is none is told, and 0: not known. */
export function sizeOf(size: bigint | number, { name }: P4Object, kind: string, warn: Warn): number {
  if (size >= 0) return Number(size);
  warn({ message: `${kind} '${name}' has size ${size}; taken as 0, not known` });
  return 0;
}

export function invalid(message: string, path: string): P4InfoError {
  return new P4InfoError('INVALID', `${path}: ${message}`, { details: { path } });
}

export function matchFieldOf(field: MatchField, types: TypeResolver, owner: Owner, warn: Warn): P4MatchField {
  const base = fieldOf(field, types, 'match field', owner);
  if (field.match?.$case === 'otherMatchType')
    return { ...base, kind: 'other', otherKind: field.match.value };
  const kind = matchKind(field.match?.value ?? MatchField_MatchType.UNSPECIFIED);
  if (kind === undefined)
    warn({ message: `match field '${base.name}'${owner.text} has no match kind that is known here` });
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
  if (scope === ActionRef_Scope.DEFAULT_ONLY) return 'default';
  return scope === ActionRef_Scope.GROUP_ACTION ? 'group' : 'both';
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

/** Refuses an id that two fields of one owner share; a name that they share is only odd. */
export function checkUniqueFields(fields: readonly Named[], kind: string, owner: Owner, warn: Warn): void {
  checkUnique(fields, kind, owner.text, () => owner.path, warn);
}

/** Refuses an id that two objects of one kind share; a name that they share is only odd. */
export function checkUniqueObjects(objects: readonly Named[], kind: string, field: string, warn: Warn): void {
  checkUnique(objects, kind, '', (index) => `${field}[${index}]`, warn);
}

function checkUnique(
  items: readonly Named[],
  kind: string,
  ofOwner: string,
  pathOf: (index: number) => string,
  warn: Warn,
): void {
  const byId = new Map<number, Named>();
  const names = new Set<string>();
  for (const [index, item] of items.entries()) {
    const { id, name } = item;
    const other = byId.get(id);
    if (other !== undefined) {
      throw invalid(`${kind}s '${other.name}' and '${name}'${ofOwner} have the same id ${id}`, pathOf(index));
    }
    byId.set(id, item);
    if (names.has(name)) warn({ message: `there are two ${kind}s '${name}'${ofOwner}` });
    names.add(name);
  }
}
