import { packKey, unpackKey } from './compiler/keys.js';
import { argumentWordCount, argumentWords, wordCount } from './compiler/layout.js';
import { SwxError, unknownName } from './errors.js';
import type { MatchTable } from './runtime/match-table.js';
import type { SpecActionRef, SpecTable, SwxSpec } from './spec.js';
import type { UndoLog } from './undo.js';
import { fromWords, type SwxValue, toWords } from './values.js';

/** The value of one key field. `mask` (all ones when left out) is for wildcard and lpm fields. */
export interface KeyValue {
  readonly value: SwxValue;
  readonly mask?: SwxValue;
}

/** An action and its arguments, in the order of its parameters. */
export interface ActionCall {
  readonly action: string;
  readonly args: readonly SwxValue[];
}

/** An entry to be written. */
export interface TableEntry extends ActionCall {
  /** In the order of the spec. */
  readonly key: readonly KeyValue[];
  /**
   * For tables with a wildcard field: the lowest number wins, 0 when left out. Other tables need none: in an lpm table
   * the longest prefix wins, and a priority is not looked at.
   */
  readonly priority?: number;
}

/** An entry that is in a table. */
export interface InstalledEntry extends ActionCall {
  readonly key: readonly KeyValue[];
  readonly priority?: number;
  /** What `entryid` gives: 1 … size, the same for as long as the entry lives. */
  readonly index: number;
}

interface EncodedKey {
  readonly key: Int32Array;
  readonly mask: Int32Array;
  readonly priority: number;
}

const MAX_PRIORITY = 0xffffffff;

/** Encodes and decodes the actions of a table's entries. */
export class ActionCodec {
  readonly #spec: SwxSpec;
  readonly #table: string;
  readonly #actions: readonly SpecActionRef[];
  readonly #ids: ReadonlyMap<string, number>;
  readonly #names: readonly string[];
  /** Where the arguments of each action are, and their widths. */
  readonly #places: readonly (readonly (readonly [at: number, bits: number])[])[];

  constructor(spec: SwxSpec, table: string, actions: readonly SpecActionRef[]) {
    this.#spec = spec;
    this.#table = table;
    this.#actions = actions;
    this.#names = [...spec.actions.keys()];
    this.#ids = new Map(this.#names.map((name, id) => [name, id]));
    this.#places = [...spec.actions.values()].map(({ args }) =>
      [...argumentWords(args)].map(([field, at]) => [at, field.bits] as const),
    );
  }

  /** @throws SwxError for an action that the table does not have, or has not for this use, and for bad arguments. */
  encode(
    { action, args }: ActionCall,
    use: 'entry' | 'default',
  ): { readonly id: number; readonly words: Int32Array } {
    const usable = this.#actions.filter(({ forEntries, forDefault }) =>
      use === 'entry' ? forEntries : forDefault,
    );
    if (!usable.some(({ name }) => name === action)) {
      const names = usable.map(({ name }) => name);
      const kind = use === 'entry' ? 'action for entries' : 'action for the default entry';
      throw unknownName(kind, action, names, { object: this.#table }, `table '${this.#table}': `);
    }
    const struct = this.#spec.actions.get(action)?.args;
    const fields = struct?.fields ?? [];
    if (args.length !== fields.length) {
      const names = fields.map(({ name }) => name).join(', ');
      const message = `table '${this.#table}': action '${action}' takes ${fields.length} arguments (${names}), not ${args.length}`;
      throw new SwxError('INVALID_VALUE', message, { details: { object: this.#table, token: action } });
    }
    const words = new Int32Array(argumentWordCount(struct));
    const places = argumentWords(struct);
    fields.forEach((field, i) => {
      const what = () => `table '${this.#table}', action '${action}', argument '${field.name}'`;
      words.set(toWords(args[i] ?? 0, field.bits, what), places.get(field) ?? 0);
    });
    return { id: this.#ids.get(action) ?? 0, words };
  }

  decode(id: number, words: Int32Array): ActionCall {
    const args = (this.#places[id] ?? []).map(([at, bits]) =>
      bits <= 32 ? (words[at] ?? 0) >>> 0 : fromWords(words.subarray(at, at + wordCount(bits)), bits),
    );
    return { action: this.#names[id] ?? '', args };
  }
}

/** The control plane's side of a table. */
export class TableControl {
  readonly #undo: UndoLog;
  readonly actions: ActionCodec;
  readonly #isLpm: boolean;
  readonly #isWildcard: boolean;
  readonly #match: MatchTable;

  constructor(
    spec: SwxSpec,
    readonly table: SpecTable,
    match: MatchTable,
    undo: UndoLog,
  ) {
    this.#match = match;
    this.#undo = undo;
    this.actions = new ActionCodec(spec, table.name, table.actions);
    this.#isWildcard = table.key.some((field) => field.match === 'wildcard');
    this.#isLpm = !this.#isWildcard && table.key.some((field) => field.match === 'lpm');
    this.reset();
  }

  set(entry: TableEntry): void {
    const { table } = this;
    const match = this.#match;
    if (table.key.length === 0) {
      throw new SwxError(
        'INVALID_VALUE',
        `table '${table.name}' has no key: only its default action can be set`,
        {
          details: {
            object: table.name,
          },
        },
      );
    }
    const encoded = this.#encodeKey(entry.key, entry.priority);
    const { id, words } = this.actions.encode(entry, 'entry');
    const known = this.#find(encoded);
    if (known === 0) {
      const row = this.#insert(encoded, id, words);
      if (row === 0) {
        throw new SwxError('TABLE_FULL', `table '${table.name}' is full: its size is ${table.size}`, {
          details: {
            object: table.name,
          },
        });
      }
      this.#undo.push(() => this.#remove(row));
      return;
    }
    this.#keepAction(known);
    match.store.setAction(known, id, words);
  }

  delete(key: readonly KeyValue[], priority?: number): boolean {
    const encoded = this.#encodeKey(key, priority);
    const row = this.#find(encoded);
    if (row === 0) return false;
    if (this.#undo.open) {
      const { store } = this.#match;
      const [id, words] = [store.word(row, store.actionAt), store.args(row)];
      // Rows are given out in the reverse order of their release, so that this is the same one again.
      this.#undo.push(() => this.#insert(encoded, id, words));
    }
    this.#remove(row);
    return true;
  }

  get(key: readonly KeyValue[], priority?: number): InstalledEntry | undefined {
    const row = this.#find(this.#encodeKey(key, priority));
    return row === 0 ? undefined : this.entry(row);
  }

  index(key: readonly KeyValue[], priority?: number): number {
    return this.#find(this.#encodeKey(key, priority));
  }

  *entries(): IterableIterator<InstalledEntry> {
    for (const row of this.#match.store.used()) yield this.entry(row);
  }

  get count(): number {
    return this.#match.store.count;
  }

  setDefault(call: ActionCall): void {
    const { table } = this;
    if (table.defaultAction.isConst) {
      const message = `table '${table.name}': the default action is const ('${table.defaultAction.name}')`;
      throw new SwxError('INVALID_VALUE', message, { details: { object: table.name, token: call.action } });
    }
    const { id, words } = this.actions.encode(call, 'default');
    this.#keepAction(0);
    this.#match.store.setAction(0, id, words);
  }

  default(): ActionCall {
    return this.#callOf(0);
  }

  /** Puts the default action of the spec in its place again. */
  reset(): void {
    const { name, args } = this.table.defaultAction;
    const { id, words } = this.actions.encode({ action: name, args }, 'default');
    this.#match.store.setAction(0, id, words);
  }

  clear(): void {
    const { store, exact, ternary } = this.#match;
    for (const row of [...store.used()]) {
      exact?.remove(row);
      store.release(row);
    }
    ternary?.clear();
  }

  /** The entry of a row that is in use. */
  entry(row: number): InstalledEntry {
    const { store, plan, ternary } = this.#match;
    const { key } = this.table;
    const values = unpackKey(plan, store.key(row), key);
    const masks = ternary === undefined ? [] : unpackKey(plan, ternary.mask(row), key);
    const fields = key.map(({ operand, match }, i) => {
      const { bits } = operand.field;
      const value = fromWords(values[i] ?? [], bits);
      return match === 'exact' ? { value } : { value, mask: fromWords(masks[i] ?? [], bits) };
    });
    const priority = this.#isWildcard && ternary !== undefined ? { priority: ternary.priority(row) } : {};
    return { key: fields, ...priority, ...this.#callOf(row), index: row };
  }

  /** Entries from an index on, at most `count`. */
  entriesFrom(index: number, count: number): InstalledEntry[] {
    return this.#match.store.usedFrom(index, count).map((row) => this.entry(row));
  }

  /** The row of a new entry; 0 when there is none. */
  #insert({ key, mask, priority }: EncodedKey, id: number, words: Int32Array): number {
    const { store, exact, ternary } = this.#match;
    const row = store.allocate();
    if (row === 0) return 0;
    store.setKey(row, key);
    exact?.insert(row);
    ternary?.insert(row, mask, priority);
    store.setAction(row, id, words);
    return row;
  }

  #remove(row: number): void {
    this.#match.exact?.remove(row);
    this.#match.ternary?.remove(row);
    this.#match.store.release(row);
  }

  /** For a transaction that is taken back. */
  #keepAction(row: number): void {
    if (!this.#undo.open) return;
    const { store } = this.#match;
    const [id, words] = [store.word(row, store.actionAt), store.args(row)];
    this.#undo.push(() => store.setAction(row, id, words));
  }

  #callOf(row: number): ActionCall {
    const { store } = this.#match;
    return this.actions.decode(store.word(row, store.actionAt), store.args(row));
  }

  #find({ key, mask, priority }: EncodedKey): number {
    const { exact, ternary } = this.#match;
    if (this.table.key.length === 0) return 0;
    return exact !== undefined ? exact.find(key) : (ternary?.find(key, mask, priority) ?? 0);
  }

  #encodeKey(key: readonly KeyValue[], priority = 0): EncodedKey {
    const { table } = this;
    const match = this.#match;
    if (key.length !== table.key.length) {
      const names = table.key.map(({ text }) => text).join(', ');
      const message = `table '${table.name}' has ${table.key.length} key fields (${names}), not ${key.length}`;
      throw new SwxError('INVALID_VALUE', message, { details: { object: table.name } });
    }
    if (!Number.isInteger(priority) || priority < 0 || priority > MAX_PRIORITY) {
      const message = `table '${table.name}': the priority ${priority} is not one of 0 … ${MAX_PRIORITY}`;
      throw new SwxError('INVALID_VALUE', message, {
        details: { object: table.name, token: String(priority) },
      });
    }
    let prefix = 0;
    const masks: Int32Array[] = [];
    const values = table.key.map((field, i) => {
      const what = () => `table '${table.name}', key field '${field.text}'`;
      const { bits } = field.operand.field;
      const { value, mask } = key[i] ?? { value: 0 };
      const words = toWords(value, bits, what);
      const all = (1n << BigInt(bits)) - 1n;
      const maskWords = toWords(mask ?? all, bits, what);
      if (field.match === 'exact' && mask !== undefined && BigInt(mask) !== all) {
        throw new SwxError('INVALID_VALUE', `${what()}: an exact field takes no mask`, {
          details: {
            object: table.name,
          },
        });
      }
      if (field.match === 'lpm') prefix = prefixLength(mask ?? all, bits, what);
      masks.push(maskWords);
      return words.map((word, w) => word & (maskWords[w] ?? 0));
    });
    return {
      key: packKey(match.plan, values),
      mask: packKey(match.plan, masks),
      priority: this.#isLpm ? MAX_PRIORITY - prefix : priority,
    };
  }
}

function prefixLength(mask: SwxValue, bits: number, what: () => string): number {
  const text = BigInt(mask).toString(2).padStart(bits, '0');
  if (!/^1*0*$/.test(text)) {
    throw new SwxError('INVALID_VALUE', `${what()}: the mask 0x${mask.toString(16)} is not a prefix`, {
      details: {
        token: String(mask),
      },
    });
  }
  return text.includes('0') ? text.indexOf('0') : bits;
}
