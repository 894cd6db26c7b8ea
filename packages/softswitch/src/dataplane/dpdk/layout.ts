import type { SwxSpec } from '@infra-offload/swx';
import { fail } from '../../errors.js';
import type { DataplaneEntry, KeyField, Value } from '../dataplane.js';
import { Change, type Description } from './protocol.js';
import type { ByteWriter } from './wire.js';

/** A table or a learner as the protocol knows it. */
export interface TableLayout {
  readonly id: number;
  readonly isLearner: boolean;
  /** No key field has a mask. */
  readonly exact: boolean;
  /** Bytes of each key field. */
  readonly fields: readonly number[];
}

interface ActionLayout {
  readonly id: number;
  readonly params: readonly number[];
}

/** Where the objects of a program are in the protocol, and how entries are written there. */
export class Layout {
  readonly #tables = new Map<string, TableLayout>();
  readonly #actions = new Map<string, ActionLayout>();
  readonly #selectors = new Map<string, number>();
  readonly #registers = new Map<string, number>();

  constructor(spec: SwxSpec) {
    const add = (isLearner: boolean, tables: SwxSpec['tables'] | SwxSpec['learners']): void => {
      for (const [id, { name, key }] of [...tables.values()].entries()) {
        this.#tables.set(name, {
          id,
          isLearner,
          exact: key.every((field) => field.match === 'exact'),
          fields: key.map((field) => field.operand.field.bits / 8),
        });
      }
    };
    add(false, spec.tables);
    add(true, spec.learners);
    let id = 0;
    for (const { name, args } of spec.actions.values()) {
      this.#actions.set(name, { id: id++, params: args?.fields.map((field) => field.bits / 8) ?? [] });
    }
    for (const name of spec.selectors.keys()) this.#selectors.set(name, this.#selectors.size);
    for (const name of spec.registers.keys()) this.#registers.set(name, this.#registers.size);
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

  writeSet(writer: ByteWriter, table: TableLayout, entry: DataplaneEntry): void {
    writer.u8(Change.SET).u16(table.id);
    this.writeKey(writer, table, entry.key, entry.priority);
    this.#writeCall(writer, entry.action, entry.args);
  }

  writeDelete(writer: ByteWriter, table: TableLayout, key: readonly KeyField[], priority?: number): void {
    writer.u8(Change.DELETE).u16(table.id);
    this.writeKey(writer, table, key, priority);
  }

  writeDefault(writer: ByteWriter, table: TableLayout, action: string, args: readonly Value[]): void {
    writer.u8(table.isLearner ? Change.LEARNER_DEFAULT : Change.DEFAULT).u16(table.id);
    this.#writeCall(writer, action, args);
  }

  writeKey(writer: ByteWriter, table: TableLayout, key: readonly KeyField[], priority = 0): void {
    const { fields } = table;
    for (let i = 0; i < fields.length; i++) writer.integer(key[i]?.value ?? 0, fields[i] ?? 0);
    if (table.exact) return;
    for (let i = 0; i < fields.length; i++) {
      const width = fields[i] ?? 0;
      const mask = key[i]?.mask;
      if (mask !== undefined) writer.integer(mask, width);
      else for (let byte = 0; byte < width; byte++) writer.u8(0xff);
    }
    writer.u32(priority);
  }

  /** INTERNAL, and where, if DPDK has understood the program in another way. */
  check(description: Description): void {
    const differ = (what: string): never =>
      fail('INTERNAL', `swx-host has another ${what} than the specification`);
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
        if (!same || table.fields.join() !== fields.join()) differ(`table ${name}`);
      }
    }
    for (const [i, { name }] of description.selectors.entries())
      if (this.#selectors.get(name) !== i) differ(`selector ${name}`);
    for (const [i, { name }] of description.registers.entries())
      if (this.#registers.get(name) !== i) differ(`register array ${name}`);
  }

  #writeCall(writer: ByteWriter, name: string, args: readonly Value[]): void {
    const action = this.#actions.get(name) ?? fail('INTERNAL', `no action ${name}`);
    writer.u16(action.id);
    for (let i = 0; i < action.params.length; i++) writer.integer(args[i] ?? 0, action.params[i] ?? 0);
  }
}
