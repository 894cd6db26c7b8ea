import { type CounterData, type TableEntry, Update_Type } from '@infra-offload/p4rt/proto';
import type { Pipeline } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import type { BoundTable } from '../pipeline/bound.js';
import { type ActionCall, parseAction } from './actions.js';
import { readCounter, writeCounter } from './counters.js';
import { deleteLearned } from './delete-learned.js';
import type { Journal } from './journal.js';
import { type ParsedKey, parseKey, restoreKey, targetPriority } from './keys.js';
import { type Attached, decodeAttached, defaultNote, encodeAttached, entryNote, NO_NOTE } from './notes.js';
import type { ProfileStore, RestoredProfile } from './profiles.js';
import {
  acquireAction,
  actionOf,
  type EntryAction,
  reacquireAction,
  releaseAction,
  restoreAction,
  targetAction,
} from './table-actions.js';

/** An entry as it is now; never changed, only replaced, so that readers can hold on to it. */
export interface StoredEntry extends Attached {
  readonly key: ParsedKey;
  readonly action: EntryAction;
  /** The program has it, and nobody may change it. */
  readonly isConst: boolean;
}

export interface StoredDefault extends Attached {
  /** Undefined: an action of the program that P4Info does not have. */
  readonly call: ActionCall | undefined;
}

const NO_METADATA = new Uint8Array(0);
/** Longest metadata of an entry, so that an answer of one entry always fits a client's limit. */
const MAX_METADATA_BYTES = 65_536;

/** The entries of one table, here and in the data plane. */
export class TableStore {
  readonly #entries = new Map<string, StoredEntry>();
  /** Keys of the entries that the table began with, and whether the program has them const. */
  readonly #initial = new Map<string, boolean>();
  #default: StoredDefault;

  constructor(
    readonly pipeline: Pipeline,
    readonly table: BoundTable,
    readonly profile: ProfileStore | undefined,
  ) {
    this.#default = this.#initialDefault();
  }

  /** Puts an entry of the program into the table that is still empty. */
  begin(entry: TableEntry): void {
    const { table } = this;
    if (table.kind === 'learner')
      fail('INVALID_ARGUMENT', `table ${table.p4.alias} is filled by the data plane (add_on_miss)`);
    this.#checkAttached(entry);
    this.#insert(entry, this.noteInitial(entry), undefined);
  }

  /** Remembers that the table began with an entry; returns whether it is const. */
  noteInitial({ match, priority, isConst }: TableEntry): boolean {
    const fixed = isConst || this.table.p4.isConst;
    this.#initial.set(parseKey(this.table, match, priority).text, fixed);
    return fixed;
  }

  /** Takes away what the table began with, if it began with it before, too, and a controller has deleted it since. */
  dropDeleted(before: TableStore): void {
    for (const [text] of this.#initial) {
      const entry = this.#entries.get(text);
      if (entry !== undefined && before.#initial.has(text) && before.#entries.get(text) === undefined)
        this.#drop(entry.key);
    }
  }

  /** Takes the entries that the data plane has as its own. */
  restore(profile: RestoredProfile | undefined): void {
    const { table, pipeline } = this;
    const { written } = pipeline;
    for (const entry of written.entries(table.target)) {
      const key = restoreKey(table, entry.key, entry.priority);
      const action = restoreAction(table, profile, entry);
      const note = written.noteOf(entryNote(table.p4.id, key.text));
      const isConst = this.#initial.get(key.text) ?? false;
      this.#entries.set(key.text, { key, action, isConst, ...decodeAttached(note) });
    }
    const call = written.defaultOf(table.target);
    if (call === undefined || table.kind === 'learner') return;
    const action = actionOf(table, call.action);
    this.#default = {
      call: action && { action, args: call.args },
      ...decodeAttached(written.noteOf(defaultNote(table.p4.id))),
    };
  }

  get size(): number {
    return this.#entries.size;
  }

  get defaultEntry(): StoredDefault {
    return this.#default;
  }

  /** The entries as they are now. */
  snapshot(): StoredEntry[] {
    return [...this.#entries.values()];
  }

  find(key: ParsedKey): StoredEntry | undefined {
    return this.#entries.get(key.text);
  }

  update(type: Update_Type, entry: TableEntry, journal: Journal | undefined): void {
    const { table } = this;
    if (table.kind === 'learner') {
      if (type === Update_Type.DELETE && !entry.isDefaultAction) {
        deleteLearned(this, entry, journal);
        return;
      }
      fail(
        'PERMISSION_DENIED',
        `table ${table.p4.alias} is filled by the data plane (add_on_miss): its entries can be read and deleted`,
      );
    }
    if (entry.isConst)
      fail('INVALID_ARGUMENT', `table ${table.p4.alias}: is_const must not be set in a write`);
    if (entry.isDefaultAction) {
      this.#updateDefault(type, entry, journal);
      return;
    }
    if (type !== Update_Type.DELETE) this.#checkAttached(entry);
    if (table.p4.isConst && (type !== Update_Type.MODIFY || entry.action !== undefined)) {
      fail('PERMISSION_DENIED', `table ${table.p4.alias} is constant`);
    }
    switch (type) {
      case Update_Type.INSERT:
        this.#insert(entry, false, journal);
        return;
      case Update_Type.MODIFY:
        this.#modify(entry, journal);
        return;
      default:
        this.#delete(entry, journal);
    }
  }

  /** Index of the entry's cell in the arrays of its direct counter. */
  counterIndex(key: ParsedKey): number {
    return this.pipeline.entryIndex(this.table.target, key.fields, targetPriority(this.table, key));
  }

  #insert(entry: TableEntry, isConst: boolean, journal: Journal | undefined): void {
    const { table } = this;
    if (table.fields.length === 0)
      fail('INVALID_ARGUMENT', `table ${table.p4.alias} has no key: it has a default entry only`);
    const key = parseKey(table, entry.match, entry.priority);
    if (this.#entries.has(key.text))
      fail('ALREADY_EXISTS', `table ${table.p4.alias}: the entry exists already`);
    if (entry.action === undefined)
      fail('INVALID_ARGUMENT', `table ${table.p4.alias}: the action is missing`);
    if (this.#entries.size >= table.size) {
      fail('RESOURCE_EXHAUSTED', `table ${table.p4.alias} is full: it holds ${table.size} entries`);
    }
    const action = acquireAction(table, this.profile, entry.action);
    const stored: StoredEntry = { key, action, isConst, ...attached(entry) };
    try {
      this.#put(stored);
    } catch (error) {
      releaseAction(this.profile, action);
      throw error;
    }
    if (table.directCounter !== undefined) this.#count(key, entry.counterData ?? NO_COUNT, undefined);
    journal?.push(() => this.#drop(key));
  }

  #modify(entry: TableEntry, journal: Journal | undefined): void {
    const before = this.#existing(entry);
    if (entry.action !== undefined) this.#refuseConst(before);
    if (entry.action === undefined) this.#keep({ ...before, ...attached(entry) });
    else {
      const action = acquireAction(this.table, this.profile, entry.action);
      try {
        this.#replace({ key: before.key, action, isConst: false, ...attached(entry) });
      } catch (error) {
        releaseAction(this.profile, action);
        throw error;
      }
    }
    const keptAction = entry.action === undefined;
    journal?.push(() => {
      const current = this.#entries.get(before.key.text) ?? before;
      if (keptAction) this.#keep({ ...before, action: current.action });
      else this.#replace({ ...before, action: reacquireAction(this.profile, before.action) });
    });
    if (entry.counterData !== undefined) this.#count(before.key, entry.counterData, journal);
  }

  #delete(entry: TableEntry, journal: Journal | undefined): void {
    const stored = this.#existing(entry);
    this.#refuseConst(stored);
    if (journal !== undefined) {
      // Taken back in reverse: the entry first, then what it had counted.
      const { directCounter } = this.table;
      if (directCounter !== undefined) {
        const counted = readCounter(this.pipeline, directCounter, this.counterIndex(stored.key));
        journal.push(() => this.#count(stored.key, counted, undefined));
      }
      journal.push(() => this.#put({ ...stored, action: reacquireAction(this.profile, stored.action) }));
    }
    this.#drop(stored.key);
  }

  #refuseConst({ isConst }: StoredEntry): void {
    if (isConst) fail('PERMISSION_DENIED', `table ${this.table.p4.alias}: the entry is constant`);
  }

  #existing(entry: TableEntry): StoredEntry {
    const key = parseKey(this.table, entry.match, entry.priority);
    return this.#entries.get(key.text) ?? fail('NOT_FOUND', `table ${this.table.p4.alias}: no such entry`);
  }

  #put(entry: StoredEntry): void {
    const { table } = this;
    const { action, args } = targetAction(table, this.profile, entry.action);
    const priority = targetPriority(table, entry.key);
    const key = entry.key.fields;
    this.pipeline.tableSet(
      table.target,
      priority === undefined ? { key, action, args } : { key, priority, action, args },
    );
    this.#keep(entry);
  }

  /** Remembers a version of an entry, here, and in the data plane as far as that does not know it already. */
  #keep(entry: StoredEntry): void {
    const { text } = entry.key;
    if (hasAttached(entry)) this.pipeline.note(entryNote(this.table.p4.id, text), encodeAttached(entry));
    else this.#dropNote(text);
    this.#entries.set(text, entry);
  }

  #dropNote(text: string): void {
    const before = this.#entries.get(text);
    if (before !== undefined && hasAttached(before))
      this.pipeline.note(entryNote(this.table.p4.id, text), NO_NOTE);
  }

  /** Puts another version in an entry's place and gives back what the old one used. */
  #replace(entry: StoredEntry): void {
    const before = this.#entries.get(entry.key.text);
    this.#put(entry);
    if (before !== undefined) releaseAction(this.profile, before.action);
  }

  #drop(key: ParsedKey): void {
    const current = this.#entries.get(key.text);
    if (current === undefined) return;
    this.pipeline.tableDelete(this.table.target, key.fields, targetPriority(this.table, key));
    this.#dropNote(key.text);
    this.#entries.delete(key.text);
    releaseAction(this.profile, current.action);
  }

  #count(key: ParsedKey, data: CounterData, journal: Journal | undefined): void {
    const counter = this.table.directCounter;
    if (counter !== undefined) writeCounter(this.pipeline, counter, this.counterIndex(key), data, journal);
  }

  #updateDefault(type: Update_Type, entry: TableEntry, journal: Journal | undefined): void {
    const { table } = this;
    if (type !== Update_Type.MODIFY) {
      fail(
        'INVALID_ARGUMENT',
        `table ${table.p4.alias}: the default entry always exists, it can only be modified`,
      );
    }
    if (entry.match.length > 0 || entry.priority !== 0) {
      fail('INVALID_ARGUMENT', `table ${table.p4.alias}: the default entry has no match and no priority`);
    }
    if (entry.idleTimeoutNs !== 0n)
      fail('INVALID_ARGUMENT', `table ${table.p4.alias}: the default entry has no idle timeout`);
    this.#checkAttached(entry);
    if (table.constDefault)
      fail('PERMISSION_DENIED', `table ${table.p4.alias}: the default action is constant`);
    const before = this.#default;
    const requested = entry.action?.type;
    if (entry.action === undefined) this.#setDefault(this.#initialDefault());
    else if (requested?.$case === 'action') {
      const call = parseAction(`table ${table.p4.alias}`, table.actions, requested.value, 'default');
      this.#setDefault({ call, ...attached(entry) });
    } else fail('INVALID_ARGUMENT', `table ${table.p4.alias}: the default entry takes an action`);
    journal?.push(() => this.#setDefault(before));
    const counted = entry.action === undefined ? NO_COUNT : entry.counterData;
    if (table.directCounter !== undefined && counted !== undefined) {
      writeCounter(this.pipeline, table.directCounter, 0, counted, journal);
    }
  }

  #setDefault(entry: StoredDefault): void {
    const { defaultAction } =
      this.pipeline.schema.tables.get(this.table.target) ?? fail('INTERNAL', this.table.target);
    if (entry.call === undefined)
      this.pipeline.tableSetDefault(this.table.target, defaultAction.action, defaultAction.args);
    else this.pipeline.tableSetDefault(this.table.target, entry.call.action.target, entry.call.args);
    if (hasAttached(entry)) this.pipeline.note(defaultNote(this.table.p4.id), encodeAttached(entry));
    else if (hasAttached(this.#default)) this.pipeline.note(defaultNote(this.table.p4.id), NO_NOTE);
    this.#default = entry;
  }

  #initialDefault(): StoredDefault {
    return { call: this.table.defaultAction, metadata: NO_METADATA, controllerMetadata: 0n };
  }

  /** What a write may carry beside key and action. */
  #checkAttached(entry: TableEntry): void {
    const { table } = this;
    if (entry.metadata.length > MAX_METADATA_BYTES) {
      fail(
        'RESOURCE_EXHAUSTED',
        `table ${table.p4.alias}: metadata of ${entry.metadata.length} bytes is more than ${MAX_METADATA_BYTES}`,
      );
    }
    if (entry.idleTimeoutNs !== 0n) {
      if (!table.p4.supportsIdleTimeout)
        fail('INVALID_ARGUMENT', `table ${table.p4.alias} has no idle timeouts`);
      fail(
        'UNIMPLEMENTED',
        `table ${table.p4.alias}: SWX keeps no idle times of entries that the controller writes`,
      );
    }
    if (entry.timeSinceLastHit !== undefined) {
      fail('INVALID_ARGUMENT', `table ${table.p4.alias}: time_since_last_hit must not be set in a write`);
    }
    if (entry.meterConfig !== undefined || entry.meterCounterData !== undefined) {
      if (table.p4.directMeter === undefined)
        fail('INVALID_ARGUMENT', `table ${table.p4.alias} has no direct meter`);
      fail('UNIMPLEMENTED', `table ${table.p4.alias}: direct meters are not supported`);
    }
    const { counterData } = entry;
    if (counterData === undefined) return;
    if (table.directCounter === undefined)
      fail('INVALID_ARGUMENT', `table ${table.p4.alias} has no direct counter`);
    if (counterData.packetCount < 0n || counterData.byteCount < 0n) {
      fail('INVALID_ARGUMENT', `table ${table.p4.alias}: counts cannot be negative`);
    }
  }
}

function hasAttached({ metadata, controllerMetadata }: Attached): boolean {
  return metadata.length > 0 || controllerMetadata !== 0n;
}

const NO_COUNT: CounterData = { byteCount: 0n, packetCount: 0n };

function attached(entry: TableEntry): Attached {
  // A copy, because the bytes are a view of the whole request.
  const metadata = entry.metadata.length === 0 ? NO_METADATA : entry.metadata.slice();
  return { metadata, controllerMetadata: entry.controllerMetadata };
}
