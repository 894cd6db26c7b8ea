import type { P4Object, P4Program } from '@infra-offload/p4info';
import type {
  CounterEntry,
  DirectCounterEntry,
  Entity,
  MeterEntry,
  RegisterEntry,
  TableEntry,
} from '@infra-offload/p4rt/proto';
import { fail } from '../errors.js';
import type { BoundCounter, BoundMeter, BoundRegister } from '../pipeline/bound.js';
import { formatAction } from './actions.js';
import { writeValue } from './bytes.js';
import { cellRange, readCounter } from './counters.js';
import { type Forwarding, refuseEntity, type UnsupportedEntity } from './forwarding.js';
import { formatKey, parseKey, sameFields } from './keys.js';
import { bareEntry } from './messages.js';
import { readMeter, targetOf } from './meters.js';
import { formatTableAction } from './table-actions.js';
import type { StoredEntry, TableStore } from './tables.js';

/**
 * What one entity of a ReadRequest asks for ("Wildcard Reads"). Entries, members and groups are those of this moment,
 * made into messages as they are taken out; counters, registers and meters are read then. Throws if the request is wrong.
 */
export function readEntity(forwarding: Forwarding, { entity }: Entity): Iterable<Entity> {
  if (entity === undefined) fail('INVALID_ARGUMENT', 'the request has no entity');
  switch (entity.$case) {
    case 'tableEntry':
      return readTables(forwarding, entity.value);
    case 'actionProfileMember': {
      const { actionProfileId, memberId } = entity.value;
      if (actionProfileId === 0) refuseFilter(memberId !== 0, 'a member id');
      return selected(forwarding, actionProfileId).flatMap((store) => store.members.snapshot(memberId));
    }
    case 'actionProfileGroup': {
      const { actionProfileId, groupId } = entity.value;
      if (actionProfileId === 0) refuseFilter(groupId !== 0, 'a group id');
      return selected(forwarding, actionProfileId).flatMap((store) => store.snapshotGroups(groupId));
    }
    case 'counterEntry':
      return readCounters(forwarding, entity.value);
    case 'directCounterEntry':
      return readDirectCounters(forwarding, entity.value);
    case 'registerEntry':
      return readRegisters(forwarding, entity.value);
    case 'meterEntry':
      return readMeters(forwarding, entity.value);
    default:
      return readAbsent(forwarding.program.p4, entity);
  }
}

/** What this target does not have: wildcards find nothing, an object of the program is UNIMPLEMENTED. */
function readAbsent(p4: P4Program, entity: UnsupportedEntity): Iterable<Entity> {
  switch (entity.$case) {
    case 'directMeterEntry': {
      const id = entity.value.tableEntry?.tableId ?? 0;
      if (id === 0) return [];
      const table = p4.tables.find((table) => table.id === id);
      if (table === undefined) fail('NOT_FOUND', `the program has no table ${id}`);
      if (table.directMeter === undefined)
        fail('INVALID_ARGUMENT', `table ${table.alias} has no direct meter`);
      return refuseEntity(entity);
    }
    case 'packetReplicationEngineEntry':
      return [];
    case 'valueSetEntry':
      return absent('value set', entity.value.valueSetId, p4.valueSets);
    case 'digestEntry':
      return absent('digest', entity.value.digestId, p4.digests);
    case 'externEntry': {
      const { externTypeId, externId } = entity.value;
      if (externTypeId === 0) return [];
      const ofType = p4.externs.filter(({ typeId }) => typeId === externTypeId);
      if (ofType.length === 0) fail('NOT_FOUND', `the program has no extern type ${externTypeId}`);
      return absent('extern', externId, ofType);
    }
    default: {
      const never: never = entity;
      return never;
    }
  }

  function absent(what: string, id: number, all: readonly P4Object[]): Iterable<Entity> {
    if (id === 0) return [];
    if (!all.some((one) => one.id === id)) fail('NOT_FOUND', `the program has no ${what} ${id}`);
    return refuseEntity(entity);
  }
}

function selected(forwarding: Forwarding, profileId: number) {
  return profileId === 0 ? [...forwarding.profiles.values()] : [forwarding.profile(profileId)];
}

function refuseFilter(given: boolean, what: string): void {
  if (given) fail('INVALID_ARGUMENT', `a read of all tables or profiles cannot be narrowed by ${what}`);
}

function readTables(forwarding: Forwarding, filter: TableEntry): Iterable<Entity> {
  if (filter.tableId === 0) {
    refuseFilter(filter.match.length > 0, 'a match');
    refuseFilter(filter.priority !== 0, 'a priority');
    refuseFilter(filter.action !== undefined, 'an action');
    // What the data plane has learned may be millions of entries: it is only read by the table's own id (learned.ts).
    const stores = [...forwarding.tables.values()].filter((store) => store.table.kind === 'table');
    return chain(stores.map((store) => readTable(store, filter)));
  }
  const store = forwarding.table(filter.tableId);
  if (filter.timeSinceLastHit !== undefined && !store.table.p4.supportsIdleTimeout) {
    fail('INVALID_ARGUMENT', `table ${store.table.p4.alias} has no idle timeouts`);
  }
  return readTable(store, filter);
}

function readTable(store: TableStore, filter: TableEntry): Iterable<Entity> {
  const { table } = store;
  if (filter.isDefaultAction) {
    if (filter.match.length > 0)
      fail('INVALID_ARGUMENT', `table ${table.p4.alias}: the default entry has no match`);
    return [toEntity(defaultEntry(store, filter))];
  }
  let entries = entriesOf(store, filter);
  const action = filter.action?.type;
  if (action !== undefined) {
    if (action.$case !== 'action' || table.indirect !== undefined) {
      fail(
        'INVALID_ARGUMENT',
        `table ${table.p4.alias}: entries can only be filtered by the action of a direct table`,
      );
    }
    const id = action.value.actionId;
    if (!table.actions.has(id)) fail('INVALID_ARGUMENT', `table ${table.p4.alias}: no action ${id}`);
    entries = entries.filter(
      (entry) => entry.action.kind === 'action' && entry.action.call.action.p4.id === id,
    );
  }
  if (filter.controllerMetadata !== 0n) {
    entries = entries.filter((entry) => entry.controllerMetadata === filter.controllerMetadata);
  }
  if (filter.metadata.length > 0) {
    entries = entries.filter((entry) => Buffer.compare(entry.metadata, filter.metadata) === 0);
  }
  return map(entries, (entry) => toEntity(tableEntry(store, entry, filter.counterData !== undefined)));
}

/** The entries of a match and a priority, each of which may be left out. */
function entriesOf(store: TableStore, { match, priority }: TableEntry): StoredEntry[] {
  const { table } = store;
  if (match.length === 0) {
    const all = store.snapshot();
    return priority === 0 ? all : all.filter(({ key }) => key.priority === priority);
  }
  if (table.p4.needsPriority && priority === 0) {
    const { fields } = parseKey(table, match, 1);
    return store.snapshot().filter(({ key }) => sameFields(key.fields, fields));
  }
  const entry = store.find(parseKey(table, match, priority));
  return entry === undefined ? [] : [entry];
}

function tableEntry(store: TableStore, entry: StoredEntry, withCounter: boolean): TableEntry {
  const { table } = store;
  const message = bareEntry(table.p4.id);
  message.match = formatKey(table, entry.key.fields);
  message.priority = entry.key.priority;
  message.isConst = entry.isConst;
  message.action = formatTableAction(entry.action);
  message.metadata = entry.metadata;
  message.controllerMetadata = entry.controllerMetadata;
  // An entry that was deleted since the read began has no counter any more.
  if (withCounter && table.directCounter !== undefined && store.find(entry.key) !== undefined) {
    message.counterData = readCounter(store.pipeline, table.directCounter, store.counterIndex(entry.key));
  }
  return message;
}

function defaultEntry(store: TableStore, filter: TableEntry): TableEntry {
  const { table, defaultEntry: entry } = store;
  const message = bareEntry(table.p4.id);
  message.isDefaultAction = true;
  message.isConst = table.constDefault;
  message.metadata = entry.metadata;
  message.controllerMetadata = entry.controllerMetadata;
  if (entry.call !== undefined)
    message.action = { type: { $case: 'action', value: formatAction(entry.call) } };
  if (filter.counterData !== undefined && table.directCounter !== undefined) {
    message.counterData = readCounter(store.pipeline, table.directCounter, 0);
  }
  return message;
}

function toEntity(value: TableEntry): Entity {
  return { entity: { $case: 'tableEntry', value } };
}

function readCounters(forwarding: Forwarding, filter: CounterEntry): Iterable<Entity> {
  const { program, pipeline } = forwarding;
  if (filter.counterId === 0) {
    refuseFilter(filter.index !== undefined, 'an index');
    return chain([...program.counters.values()].map((counter) => cells(counter, 0, counter.size)));
  }
  const counter =
    program.counters.get(filter.counterId) ??
    fail('NOT_FOUND', `the program has no counter ${filter.counterId}`);
  const { first, end } = cellRange(`counter ${counter.p4.alias}`, filter.index, counter.size);
  return cells(counter, first, end);

  function cells(counter: BoundCounter, first: number, end: number): Iterable<Entity> {
    return map(range(first, end), (index) => ({
      entity: {
        $case: 'counterEntry',
        value: {
          counterId: counter.p4.id,
          index: { index: BigInt(index) },
          data: readCounter(pipeline, counter, index),
        },
      },
    }));
  }
}

function readDirectCounters(
  forwarding: Forwarding,
  { tableEntry: filter }: DirectCounterEntry,
): Iterable<Entity> {
  if (filter === undefined || filter.tableId === 0) {
    refuseFilter((filter?.match.length ?? 0) > 0, 'a match');
    return chain([...forwarding.tables.values()].map((store) => read(store, undefined)));
  }
  const store = forwarding.table(filter.tableId);
  if (store.table.directCounter === undefined) {
    fail('INVALID_ARGUMENT', `table ${store.table.p4.alias} has no direct counter`);
  }
  return read(store, filter);

  function read(store: TableStore, filter: TableEntry | undefined): Iterable<Entity> {
    const { table } = store;
    const counter = table.directCounter;
    if (counter === undefined) return [];
    if (filter?.isDefaultAction === true) {
      const message = { ...bareEntry(table.p4.id), isDefaultAction: true };
      return [directCounter(message, readCounter(store.pipeline, counter, 0))];
    }
    const entries = filter === undefined ? store.snapshot() : entriesOf(store, filter);
    if (entries.length === 0 && (filter?.match.length ?? 0) > 0)
      fail('NOT_FOUND', `table ${table.p4.alias}: no such entry`);
    return flatMap(entries, (entry) => {
      if (store.find(entry.key) === undefined) return [];
      const message = bareEntry(table.p4.id);
      message.match = formatKey(table, entry.key.fields);
      message.priority = entry.key.priority;
      return [directCounter(message, readCounter(store.pipeline, counter, store.counterIndex(entry.key)))];
    });
  }
}

function directCounter(tableEntry: TableEntry, data: DirectCounterEntry['data']): Entity {
  return { entity: { $case: 'directCounterEntry', value: { tableEntry, data } } };
}

function readRegisters(forwarding: Forwarding, filter: RegisterEntry): Iterable<Entity> {
  if (filter.registerId === 0) {
    refuseFilter(filter.index !== undefined, 'an index');
    const registers = [...forwarding.program.registers.values()].filter((register) => register.width > 0);
    return chain(registers.map((register) => cells(register, 0, register.size)));
  }
  const register = forwarding.register(filter.registerId);
  const { first, end } = cellRange(`register ${register.p4.alias}`, filter.index, register.size);
  return cells(register, first, end);

  function cells(register: BoundRegister, first: number, end: number): Iterable<Entity> {
    const { target, width, p4 } = register;
    if (target === undefined) return [];
    return map(range(first, end), (index) => {
      const value = writeValue(BigInt.asUintN(width, forwarding.pipeline.registerRead(target, index)));
      const data = { data: { $case: 'bitstring' as const, value } };
      return {
        entity: {
          $case: 'registerEntry',
          value: { registerId: p4.id, index: { index: BigInt(index) }, data },
        },
      };
    });
  }
}

function readMeters(forwarding: Forwarding, filter: MeterEntry): Iterable<Entity> {
  const { program, pipeline } = forwarding;
  if (filter.meterId === 0) {
    refuseFilter(filter.index !== undefined, 'an index');
    const meters = [...program.meters.values()].filter(({ target }) => target !== undefined);
    return chain(meters.map((meter) => cells(meter, 0, meter.size)));
  }
  const meter = forwarding.meter(filter.meterId);
  targetOf(meter);
  const { first, end } = cellRange(`meter ${meter.p4.alias}`, filter.index, meter.size);
  return cells(meter, first, end);

  function cells(meter: BoundMeter, first: number, end: number): Iterable<Entity> {
    const withCounts = filter.counterData !== undefined;
    return map(range(first, end), (index) => ({
      entity: { $case: 'meterEntry', value: readMeter(pipeline, meter, index, withCounts) },
    }));
  }
}

export function* map<T, U>(items: Iterable<T>, convert: (item: T) => U): Generator<U> {
  for (const item of items) yield convert(item);
}

function* flatMap<T, U>(items: Iterable<T>, convert: (item: T) => readonly U[]): Generator<U> {
  for (const item of items) yield* convert(item);
}

function* chain<T>(parts: readonly Iterable<T>[]): Generator<T> {
  for (const part of parts) yield* part;
}

function* range(first: number, end: number): Generator<number> {
  for (let i = first; i < end; i++) yield i;
}
