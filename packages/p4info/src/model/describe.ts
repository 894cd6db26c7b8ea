import type {
  ActionDescriptor,
  MatchDescriptor,
  ParamDescriptor,
  ProgramDescriptor,
  TableDescriptor,
} from '../descriptor.js';
import type { ProgramParts } from './build.js';
import type { P4DataType } from './data-type.js';
import type { P4ActionRef, P4Documented, P4Field, P4MatchField, P4Table } from './objects.js';

interface Keyed extends P4Documented {
  readonly id: number;
  readonly name: string;
  readonly alias?: string;
}

/** The descriptor of a program, in P4Info's order. */
export function describeProgram(name: string, parts: ProgramParts): ProgramDescriptor {
  const tableKeys = keysOf(parts.tables);
  const profileKeys = keysOf(parts.actionProfiles);
  const counterKeys = keysOf(parts.directCounters);
  const meterKeys = keysOf(parts.directMeters);
  const tableKey = (table: P4Table | undefined) => (table && tableKeys.get(table)) ?? '';

  const describeTable = (table: P4Table): TableDescriptor => ({
    id: table.id,
    size: table.size,
    needsPriority: table.needsPriority,
    isConst: table.isConst,
    supportsIdleTimeout: table.supportsIdleTimeout,
    match: describeMatch(table.matchFields),
    actions: describeActions(table.actions),
    ...optional('constDefaultAction', constDefaultKey(table)),
    ...optional('actionProfile', table.actionProfile && profileKeys.get(table.actionProfile)),
    ...optional('directCounter', table.directCounter && counterKeys.get(table.directCounter)),
    ...optional('directMeter', table.directMeter && meterKeys.get(table.directMeter)),
  });

  return {
    name,
    tables: record(parts.tables, describeTable),
    actionProfiles: record(parts.actionProfiles, (profile) => ({
      id: profile.id,
      size: profile.size,
      withSelector: profile.withSelector,
      maxGroupSize: profile.maxGroupSize,
      tables: profile.tables.map(tableKey),
      actions: describeActions(profile.actions),
    })),
    counters: record(parts.counters, ({ id, size, unit }) => ({ id, size, unit })),
    directCounters: record(parts.directCounters, ({ id, unit, table }) => ({
      id,
      table: tableKey(table),
      unit,
    })),
    meters: record(parts.meters, ({ id, size, unit, type }) => ({ id, size, unit, type })),
    directMeters: record(parts.directMeters, ({ id, unit, type, table }) => ({
      id,
      table: tableKey(table),
      unit,
      type,
    })),
    registers: record(parts.registers, ({ id, size, dataType }) => ({ id, size, ...typeOf(dataType) })),
    digests: record(parts.digests, ({ id, dataType }) => ({
      id,
      type: dataType.type,
      ...optional(
        'fields',
        dataType.fields?.map((field) => ({ name: field.name, ...typeOf(field) })),
      ),
    })),
    valueSets: record(parts.valueSets, ({ id, size, matchFields }) => ({
      id,
      size,
      match: describeMatch(matchFields),
    })),
    packetMetadata: record(parts.packetMetadata, ({ id, fields }) => ({
      id,
      fields: record(fields, describeField),
    })),
  };
}

/** The key of the action in the table's own record. */
function constDefaultKey({ actions, constDefaultAction }: P4Table): string | undefined {
  if (constDefaultAction === undefined) return undefined;
  return keysOf(actions.map(({ action }) => action)).get(constDefaultAction) ?? constDefaultAction.name;
}

function describeMatch(fields: readonly P4MatchField[]): Record<string, MatchDescriptor> {
  return record(fields, (field) => ({ ...describeField(field), kind: field.kind }));
}

function describeActions(refs: readonly P4ActionRef[]): Record<string, ActionDescriptor> {
  const scopes = new Map(refs.map(({ action, scope }) => [action, scope]));
  return record([...scopes.keys()], (action) => ({
    id: action.id,
    scope: scopes.get(action) ?? 'both',
    params: record(action.params, describeField),
  }));
}

function describeField({ id, bitwidth }: P4Field): ParamDescriptor {
  return { id, bitwidth };
}

function typeOf({ type, bitwidth }: P4DataType): { readonly type: string; readonly bitwidth?: number } {
  return { type, ...optional('bitwidth', bitwidth) };
}

const documentation = new WeakMap<object, P4Documented>();

/** What the program says, for people, of what a descriptor made here, or a part of it, describes. */
export function documentationOf(descriptor: object): P4Documented | undefined {
  return documentation.get(descriptor);
}

/** Object.fromEntries makes own properties also of a name like `__proto__`. */
function record<T extends Keyed, D extends object>(
  items: readonly T[],
  describe: (item: T) => D,
): Record<string, D> {
  const keys = keysOf(items);
  return Object.fromEntries(
    items.map((item) => {
      const descriptor = describe(item);
      if (item.brief !== '' || item.description !== '') documentation.set(descriptor, item);
      return [keys.get(item) ?? item.name, descriptor];
    }),
  );
}

/** The shortest of alias, full name, full name with id that no other item has, too. */
function keysOf<T extends Keyed>(items: readonly T[]): Map<T, string> {
  const count = (keys: readonly string[]) => {
    const counts = new Map<string, number>();
    for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
    return counts;
  };
  const aliases = count(items.map(({ alias, name }) => alias ?? name));
  const names = count(items.map(({ name }) => name));
  const keys = new Map<T, string>();
  for (const item of items) {
    const alias = item.alias ?? item.name;
    // A full name that is another item's alias is not free either.
    const nameIsFree =
      names.get(item.name) === 1 && (aliases.get(item.name) ?? 0) <= (alias === item.name ? 1 : 0);
    keys.set(item, aliases.get(alias) === 1 ? alias : nameIsFree ? item.name : `${item.name}#${item.id}`);
  }
  return keys;
}

function optional<K extends string, T>(key: K, value: T | undefined): { readonly [P in K]?: T } {
  const property: { [P in K]?: T } = {};
  if (value !== undefined) property[key] = value;
  return property;
}
