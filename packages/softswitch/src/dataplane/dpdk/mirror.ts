import type { KeyField } from '../dataplane.js';
import type { TableLayout } from './layout.js';
import { ByteWriter } from './wire.js';

/** An entry of a table with direct counters, as the pipeline hands it out to name its cells. */
export interface Slot {
  readonly number: number;
  readonly table: TableLayout;
  /** As the protocol has it. */
  readonly key: Uint8Array;
}

interface MirrorEntry {
  /** The change that makes it. */
  change: Uint8Array;
  slot: Slot | undefined;
}

/**
 * Everything that was written, as the changes that make it again: what a new swx-host is given. Counts are not among
 * it; they are the data plane's.
 */
export class Mirror {
  readonly #tables = new Map<TableLayout, Map<string, MirrorEntry>>();
  readonly #defaults = new Map<TableLayout, Uint8Array>();
  readonly #groups = new Map<string, Uint8Array>();
  readonly #cells = new Map<string, Uint8Array>();
  readonly #slots: (Slot | undefined)[] = [];
  readonly #freeSlots: number[] = [];

  setEntry(
    table: TableLayout,
    key: readonly KeyField[],
    priority: number | undefined,
    change: Uint8Array,
  ): void {
    let entries = this.#tables.get(table);
    if (entries === undefined) {
      entries = new Map();
      this.#tables.set(table, entries);
    }
    const name = keyName(key, priority);
    const entry = entries.get(name);
    if (entry === undefined) entries.set(name, { change, slot: undefined });
    else entry.change = change;
  }

  deleteEntry(table: TableLayout, key: readonly KeyField[], priority: number | undefined): void {
    const entries = this.#tables.get(table);
    const name = keyName(key, priority);
    const slot = entries?.get(name)?.slot;
    entries?.delete(name);
    if (slot === undefined) return;
    this.#slots[slot.number] = undefined;
    this.#freeSlots.push(slot.number);
  }

  setDefault(table: TableLayout, change: Uint8Array): void {
    this.#defaults.set(table, change);
  }

  setGroup(selector: number, group: number, change: Uint8Array | undefined): void {
    const name = `${selector}:${group}`;
    if (change === undefined) this.#groups.delete(name);
    else this.#groups.set(name, change);
  }

  setCell(register: number, index: number, change: Uint8Array): void {
    this.#cells.set(`${register}:${index}`, change);
  }

  /** The slot of an entry, or undefined if there is no such entry. */
  slotOf(
    table: TableLayout,
    key: readonly KeyField[],
    writeKey: (writer: ByteWriter) => void,
  ): Slot | undefined {
    const entry = this.#tables.get(table)?.get(keyName(key, undefined));
    if (entry === undefined) return undefined;
    if (entry.slot === undefined) {
      const writer = new ByteWriter(64);
      writeKey(writer);
      const number = this.#freeSlots.pop() ?? this.#slots.length;
      entry.slot = { number, table, key: writer.take() };
      this.#slots[number] = entry.slot;
    }
    return entry.slot;
  }

  slot(number: number): Slot | undefined {
    return this.#slots[number];
  }

  /** The slot and those of the same table that follow it, at most `count`. */
  slotsFrom(first: Slot, count: number): Slot[] {
    const found: Slot[] = [];
    for (let i = first.number; i < this.#slots.length && found.length < count; i++) {
      const slot = this.#slots[i];
      if (slot?.table === first.table) found.push(slot);
    }
    return found;
  }

  /** All changes. Their order is of no matter, because they become live together. */
  *changes(): Generator<Uint8Array> {
    yield* this.#groups.values();
    yield* this.#defaults.values();
    for (const entries of this.#tables.values()) for (const { change } of entries.values()) yield change;
    yield* this.#cells.values();
  }
}

function keyName(key: readonly KeyField[], priority: number | undefined): string {
  let name = priority === undefined ? '' : `${priority}`;
  for (let i = 0; i < key.length; i++) {
    const field = key[i];
    name += field?.mask === undefined ? `,${field?.value}` : `,${field.value}/${field.mask}`;
  }
  return name;
}
