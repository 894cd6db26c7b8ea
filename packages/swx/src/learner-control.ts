import { type KeyPlan, packKey, planKey, unpackKey } from './compiler/keys.js';
import { type ActionCall, ActionCodec } from './control.js';
import { SwxError } from './errors.js';
import type { LearnerTable } from './runtime/learner.js';
import type { SpecKeyField, SpecLearner, SwxSpec } from './spec.js';
import type { UndoLog } from './undo.js';
import { fromWords, type SwxValue, toWords } from './values.js';

/** Rows looked at in one go: some milliseconds. */
const SCAN_ROWS = 65_536;

/** An entry that the data plane has learned. */
export interface LearnedEntry extends ActionCall {
  /** In the order of the spec. */
  readonly key: readonly SwxValue[];
  readonly timeoutIndex: number;
  readonly expiresInMs: number;
}

/** Which entries of a learner are wanted; what is left out does not matter. */
export interface LearnedFilter {
  readonly action?: string;
  /** Value and mask of each key field, in the order of the spec; a mask of 0 leaves the field open. */
  readonly key?: readonly { readonly value: SwxValue; readonly mask: SwxValue }[];
}

/** A piece of what a learner has. */
export interface LearnedPiece {
  readonly entries: LearnedEntry[];
  /** The row to go on from, 0 at the end. A piece may be empty, and not the last one. */
  readonly next: number;
}

type RowTest = (row: number) => boolean;

/** The control plane's side of a learner: its entries can be read and ended, and its timeouts changed. */
export class LearnerControl {
  readonly #now: () => number;
  readonly #undo: UndoLog;
  readonly #actions: ActionCodec;
  readonly #plan: KeyPlan;
  readonly #actionIds: ReadonlyMap<string, number>;

  constructor(
    spec: SwxSpec,
    readonly learner: SpecLearner,
    readonly table: LearnerTable,
    now: () => number,
    undo: UndoLog,
  ) {
    this.#now = now;
    this.#undo = undo;
    this.#plan = planKey(learner.key);
    this.#actionIds = new Map([...spec.actions.keys()].map((name, id) => [name, id]));
    this.#actions = new ActionCodec(spec, learner.name, learner.actions);
    const { id, words } = this.#actions.encode(
      { action: learner.defaultAction.name, args: learner.defaultAction.args },
      'default',
    );
    table.store.setAction(0, id, words);
  }

  *entries(): IterableIterator<LearnedEntry> {
    for (const row of this.table.live()) yield this.entry(row);
  }

  /** Entries that have not expired, from a row on, at most `count`. */
  entriesFrom(row: number, count: number, filter: LearnedFilter = {}): LearnedPiece {
    const { table } = this;
    const wanted = this.#test(filter);
    const now = this.#now();
    const end = Math.min(table.store.highWater, Math.max(row, 1) + SCAN_ROWS);
    const entries: LearnedEntry[] = [];
    let at = Math.max(row, 1);
    for (; at < end && entries.length < count; at++)
      if (table.isLive(at, now) && wanted(at)) entries.push(this.entry(at));
    return { entries, next: at < table.store.highWater ? at : 0 };
  }

  /** Counts entries from a row on, for as many rows as take some milliseconds; and the row to go on from, 0 at the end. */
  countFrom(row: number, filter: LearnedFilter = {}): { readonly count: number; readonly next: number } {
    const { table } = this;
    const wanted = this.#test(filter);
    const now = this.#now();
    const end = Math.min(table.store.highWater, Math.max(row, 1) + SCAN_ROWS);
    let count = 0;
    let at = Math.max(row, 1);
    for (; at < end; at++) if (table.isLive(at, now) && wanted(at)) count++;
    return { count, next: at < table.store.highWater ? at : 0 };
  }

  get(key: readonly SwxValue[]): LearnedEntry | undefined {
    const row = this.#find(key);
    return row === 0 ? undefined : this.entry(row);
  }

  /** Puts an entry in the place of the one with its key, if there is one, and starts its time; gives its row, 0 when there is none. */
  set(key: readonly SwxValue[], call: ActionCall, timeoutIndex: number): number {
    const { table } = this;
    const { id, words } = this.#actions.encode(call, 'entry');
    this.forget(key);
    const row = table.add(this.#pack(key));
    if (row === 0) return row;
    this.#undo.push(() => table.end(row));
    table.store.setAction(row, id, words);
    table.arm(row, timeoutIndex);
    return row;
  }

  /** Ends an entry; false when there is none. */
  forget(key: readonly SwxValue[]): boolean {
    const row = this.#find(key);
    if (row === 0) return false;
    this.#undo.push(this.table.end(row));
    return true;
  }

  entry(row: number): LearnedEntry {
    const { store } = this.table;
    return {
      key: unpackValues(this.#plan, this.learner.key, store.key(row)),
      ...this.callOf(row),
      timeoutIndex: store.word(row, store.timeoutAt),
      expiresInMs: this.table.expiry(row) - this.#now(),
    };
  }

  callOf(row: number): ActionCall {
    const { store } = this.table;
    return this.#actions.decode(store.word(row, store.actionAt), store.args(row));
  }

  count(): number {
    let count = 0;
    for (const _ of this.table.live()) count++;
    return count;
  }

  /** In seconds, by index. */
  timeouts(): number[] {
    return this.learner.timeouts.map((_, index) => this.table.timeoutSeconds(index));
  }

  setTimeout(index: number, seconds: number): void {
    const { name, timeouts } = this.learner;
    if (!Number.isInteger(index) || index < 0 || index >= timeouts.length) {
      const message = `learner '${name}': timeout index ${index} is not one of 0 … ${timeouts.length - 1}`;
      throw new SwxError('INVALID_VALUE', message, { details: { object: name, token: String(index) } });
    }
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > 0xffffffff) {
      const message = `learner '${name}': a timeout is a whole number of seconds from 1 to 4294967295, not ${seconds}`;
      throw new SwxError('INVALID_VALUE', message, { details: { object: name, token: String(seconds) } });
    }
    const before = this.table.timeoutSeconds(index);
    this.#undo.push(() => this.table.setTimeoutSeconds(index, before));
    this.table.setTimeoutSeconds(index, seconds);
  }

  setDefault(call: ActionCall): void {
    const { id, words } = this.#actions.encode(call, 'default');
    const { store } = this.table;
    const [beforeId, before] = [store.word(0, store.actionAt), store.args(0)];
    this.#undo.push(() => store.setAction(0, beforeId, before));
    store.setAction(0, id, words);
  }

  /** The row of a key whose entry has not expired, or 0. */
  #find(key: readonly SwxValue[]): number {
    const row = this.table.index.find(this.#pack(key));
    return row !== 0 && this.table.isLive(row, this.#now()) ? row : 0;
  }

  #pack(values: readonly SwxValue[]): Int32Array {
    const { name, key } = this.learner;
    if (values.length !== key.length) {
      const message = `learner '${name}' has ${key.length} key fields, not ${values.length}`;
      throw new SwxError('INVALID_VALUE', message, { details: { object: name } });
    }
    const words = key.map(({ text, operand }, i) =>
      toWords(values[i] ?? 0, operand.field.bits, () => `learner '${name}', key field '${text}'`),
    );
    return packKey(this.#plan, words);
  }

  #test({ action, key }: LearnedFilter): RowTest {
    const { store } = this.table;
    const id = action === undefined ? undefined : (this.#actionIds.get(action) ?? -1);
    const ofAction: RowTest = (row) => id === undefined || store.word(row, store.actionAt) === id;
    if (key === undefined) return ofAction;
    const values = this.#pack(key.map(({ value }) => value));
    const masks = this.#pack(key.map(({ mask }) => mask));
    return (row) => {
      for (let i = 0; i < masks.length; i++)
        if (((store.word(row, i) ^ (values[i] ?? 0)) & (masks[i] ?? 0)) !== 0) return false;
      return ofAction(row);
    };
  }
}

/** The values of packed key words. */
export function decodeKey(key: readonly SpecKeyField[], packed: Int32Array): SwxValue[] {
  return unpackValues(planKey(key), key, packed);
}

function unpackValues(plan: KeyPlan, key: readonly SpecKeyField[], packed: Int32Array): SwxValue[] {
  const words = unpackKey(plan, packed, key);
  return key.map(({ operand }, i) => fromWords(words[i] ?? [], operand.field.bits));
}
