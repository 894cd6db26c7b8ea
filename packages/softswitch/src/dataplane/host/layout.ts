import type { SwxSpec } from '@infra-offload/swx';
import { fail } from '../../errors.js';
import type { DataplaneEntry, KeyField, Value } from '../dataplane.js';
import { Change, type Description } from './protocol.js';
import type { ByteReader, ByteWriter } from './wire.js';

/** A table or a learner as the protocol knows it. */
export interface TableLayout {
  readonly id: number;
  readonly name: string;
  readonly isLearner: boolean;
  /** No key field has a mask. */
  readonly exact: boolean;
  readonly fields: readonly FieldLayout[];
}

export interface FieldLayout {
  readonly bytes: number;
  readonly match: 'exact' | 'lpm' | 'wildcard';
  /** The mask that is none. */
  readonly ones: Value;
}

export interface ActionLayout {
  readonly id: number;
  readonly name: string;
  /** Bytes of each. */
  readonly params: readonly number[];
}

export interface ActionCall {
  readonly action: string;
  readonly args: readonly Value[];
}

/** Where the objects of a program are in the protocol, and how entries are written there. */
export class Layout {
  readonly tables: readonly TableLayout[];
  readonly learners: readonly TableLayout[];
  readonly actions: readonly ActionLayout[];
  readonly selectors: readonly string[];
  readonly registers: readonly string[];
  readonly meters: readonly string[];
  readonly #tables: ReadonlyMap<string, TableLayout>;
  readonly #actions: ReadonlyMap<string, ActionLayout>;
  readonly #selectors: ReadonlyMap<string, number>;
  readonly #registers: ReadonlyMap<string, number>;
  readonly #meters: ReadonlyMap<string, number>;

  constructor(spec: SwxSpec) {
    this.tables = layOutTables(false, spec.tables);
    this.learners = layOutTables(true, spec.learners);
    this.actions = [...spec.actions.values()].map(({ name, args }, id) => ({
      id,
      name,
      params: args?.fields.map((field) => field.bits / 8) ?? [],
    }));
    this.selectors = [...spec.selectors.keys()];
    this.registers = [...spec.registers.keys()];
    this.meters = [...spec.meters.keys()];
    this.#tables = new Map([...this.tables, ...this.learners].map((table) => [table.name, table]));
    this.#actions = new Map(this.actions.map((action) => [action.name, action]));
    this.#selectors = new Map(this.selectors.map((name, id) => [name, id]));
    this.#registers = new Map(this.registers.map((name, id) => [name, id]));
    this.#meters = new Map(this.meters.map((name, id) => [name, id]));
  }

  table(name: string): TableLayout {
    return this.#tables.get(name) ?? fail('INTERNAL', `no table ${name}`);
  }

  selector(name: string): number {
    return this.#selectors.get(name) ?? fail('INTERNAL', `no selector ${name}`);
  }

  register(name: string): number {
    return this.#registers.get(name) ?? fail('INTERNAL', `no register array ${name}`);
  }

  meter(name: string): number {
    return this.#meters.get(name) ?? fail('INTERNAL', `no meter array ${name}`);
  }

  writeSet(writer: ByteWriter, table: TableLayout, entry: DataplaneEntry): void {
    writer.u8(Change.SET).u16(table.id);
    this.writeKey(writer, table, entry.key, entry.priority);
    this.writeCall(writer, entry.action, entry.args);
  }

  writeDelete(writer: ByteWriter, table: TableLayout, key: readonly KeyField[], priority?: number): void {
    writer.u8(Change.DELETE).u16(table.id);
    this.writeKey(writer, table, key, priority);
  }

  writeDefault(writer: ByteWriter, table: TableLayout, action: string, args: readonly Value[]): void {
    writer.u8(table.isLearner ? Change.LEARNER_DEFAULT : Change.DEFAULT).u16(table.id);
    this.writeCall(writer, action, args);
  }

  writeForget(writer: ByteWriter, learner: TableLayout, key: readonly Value[]): void {
    writer.u8(Change.FORGET).u16(learner.id);
    this.writeValues(writer, learner, key);
  }

  /** The fields of a key without masks. */
  writeValues(writer: ByteWriter, { fields }: TableLayout, values: readonly Value[]): void {
    for (let i = 0; i < fields.length; i++) writer.integer(values[i] ?? 0, fields[i]?.bytes ?? 0);
  }

  writeKey(writer: ByteWriter, table: TableLayout, key: readonly KeyField[], priority = 0): void {
    const { fields } = table;
    for (let i = 0; i < fields.length; i++) writer.integer(key[i]?.value ?? 0, fields[i]?.bytes ?? 0);
    if (table.exact) return;
    for (let i = 0; i < fields.length; i++) {
      const bytes = fields[i]?.bytes ?? 0;
      const mask = key[i]?.mask;
      if (mask !== undefined) writer.integer(mask, bytes);
      else for (let byte = 0; byte < bytes; byte++) writer.u8(0xff);
    }
    writer.u32(priority);
  }

  /** A key, and the priority that tables have that are not exact. */
  readKey(reader: ByteReader, table: TableLayout): { key: KeyField[]; priority: number | undefined } {
    const { fields } = table;
    const values: Value[] = new Array(fields.length);
    for (let i = 0; i < fields.length; i++) values[i] = reader.integer(fields[i]?.bytes ?? 0);
    if (table.exact) return { key: values.map((value) => ({ value })), priority: undefined };
    const key: KeyField[] = new Array(fields.length);
    for (let i = 0; i < fields.length; i++) {
      const mask = reader.integer(fields[i]?.bytes ?? 0);
      const value = values[i] ?? 0;
      key[i] = fields[i]?.match === 'exact' && mask === fields[i]?.ones ? { value } : { value, mask };
    }
    return { key, priority: reader.u32() };
  }

  writeCall(writer: ByteWriter, name: string, args: readonly Value[]): void {
    const action = this.#actions.get(name) ?? fail('INTERNAL', `no action ${name}`);
    writer.u16(action.id);
    for (let i = 0; i < action.params.length; i++) writer.integer(args[i] ?? 0, action.params[i] ?? 0);
  }

  /** INVALID_ARGUMENT for an action that there is not. */
  readCall(reader: ByteReader): ActionCall {
    const id = reader.u16();
    const action = this.actions[id] ?? fail('INVALID_ARGUMENT', `no action ${id}`);
    const { params } = action;
    const args: Value[] = new Array(params.length);
    for (let i = 0; i < params.length; i++) args[i] = reader.integer(params[i] ?? 0);
    return { action: action.name, args };
  }

  readEntry(reader: ByteReader, table: TableLayout): DataplaneEntry {
    const { key, priority } = this.readKey(reader, table);
    const { action, args } = this.readCall(reader);
    return priority === undefined ? { key, action, args } : { key, priority, action, args };
  }

  /** INTERNAL, and where, if the host has understood the program in another way. */
  check(description: Description): void {
    const differ = (what: string): never =>
      fail('INTERNAL', `the data plane has another ${what} than the specification`);
    for (const [i, { name, params }] of description.actions.entries()) {
      const action = this.#actions.get(name);
      if (action?.id !== i || action.params.join() !== params.join()) differ(`action ${name}`);
    }
    for (const [isLearner, tables] of [
      [false, description.tables],
      [true, description.learners],
    ] as const) {
      for (const [i, { name, exact, fields }] of tables.entries()) {
        const table = this.#tables.get(name);
        const same = table?.id === i && table.isLearner === isLearner && table.exact === exact;
        if (!same || table.fields.map(({ bytes }) => bytes).join() !== fields.join()) differ(`table ${name}`);
      }
    }
    for (const [i, { name }] of description.selectors.entries())
      if (this.#selectors.get(name) !== i) differ(`selector ${name}`);
    for (const [i, { name }] of description.registers.entries())
      if (this.#registers.get(name) !== i) differ(`register array ${name}`);
    for (const [i, { name }] of description.meters.entries())
      if (this.#meters.get(name) !== i) differ(`meter array ${name}`);
  }
}

function layOutTables(
  isLearner: boolean,
  tables: SwxSpec['tables'] | SwxSpec['learners'],
): readonly TableLayout[] {
  return [...tables.values()].map(({ name, key }, id) => ({
    id,
    name,
    isLearner,
    exact: key.every((field) => field.match === 'exact'),
    fields: key.map(({ match, operand }) => {
      const { bits } = operand.field;
      const ones = (1n << BigInt(bits)) - 1n;
      return { bytes: bits / 8, match, ones: bits <= 32 ? Number(ones) : ones };
    }),
  }));
}
