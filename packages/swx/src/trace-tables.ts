import type { ActionCall, TableControl } from './control.js';
import { decodeKey, type LearnerControl } from './learner-control.js';
import type { LearnerTable } from './runtime/learner.js';
import type { Machine } from './runtime/machine.js';
import type { SpecKeyField, SwxSpec } from './spec.js';
import type { TraceStep, TraceTables, TraceValue } from './trace.js';
import { fromWords } from './values.js';

/** Puts names to the numbers that traced code reports about tables. */
export class TableReader implements TraceTables {
  readonly #spec: SwxSpec;
  readonly #machine: Machine;
  readonly #tables: ReadonlyMap<string, TableControl>;
  readonly #learners: ReadonlyMap<string, LearnerControl>;
  readonly #names: readonly string[];

  constructor(
    spec: SwxSpec,
    machine: Machine,
    tables: ReadonlyMap<string, TableControl>,
    learners: ReadonlyMap<string, LearnerControl>,
  ) {
    this.#spec = spec;
    this.#machine = machine;
    this.#tables = tables;
    this.#learners = learners;
    this.#names = [...spec.tables.keys(), ...spec.learners.keys(), ...spec.selectors.keys()];
  }

  entry(table: number, packedKey: readonly number[], entry: number): Extract<TraceStep, { kind: 'table' }> {
    const name = this.#names[table] ?? '';
    const fields = (this.#spec.tables.get(name) ?? this.#spec.learners.get(name))?.key ?? [];
    const call = this.#call(name, entry);
    const type = this.#learners.has(name) ? 'learner' : 'table';
    const key = keyValues(fields, Int32Array.from(packedKey));
    return {
      kind: 'table',
      table: name,
      type,
      key,
      hit: entry !== 0,
      entry,
      action: call.action,
      args: this.#args(call),
    };
  }

  selectorName(table: number): string {
    return this.#names[table] ?? '';
  }

  learned(learner: LearnerTable, row: number): Extract<TraceStep, { kind: 'learn' }> {
    const name = this.#names[this.#machine.tables.indexOf(learner)] ?? '';
    const key = keyValues(
      this.#spec.learners.get(name)?.key ?? [],
      row === 0 ? learner.key : learner.store.key(row),
    );
    const call = row === 0 ? { action: '', args: [] } : this.#call(name, row);
    const timeoutIndex = row === 0 ? 0 : learner.store.word(row, learner.store.timeoutAt);
    return {
      kind: 'learn',
      learner: name,
      learned: row !== 0,
      key,
      action: call.action,
      args: this.#args(call),
      timeoutIndex,
    };
  }

  #call(name: string, entry: number): ActionCall {
    const learner = this.#learners.get(name);
    if (learner !== undefined) return learner.callOf(entry);
    const table = this.#tables.get(name);
    if (table === undefined) return { action: '', args: [] };
    return entry === 0 ? table.default() : table.entry(entry);
  }

  #args({ action, args }: ActionCall): TraceValue[] {
    const fields = this.#spec.actions.get(action)?.args?.fields ?? [];
    return fields.map(({ name, bits }, i) => ({ name, bits, value: args[i] ?? fromWords([], bits) }));
  }
}

function keyValues(fields: readonly SpecKeyField[], packed: Int32Array): TraceValue[] {
  const values = decodeKey(fields, packed);
  return fields.map(({ text, operand }, i) => ({
    name: text,
    bits: operand.field.bits,
    value: values[i] ?? 0,
  }));
}
