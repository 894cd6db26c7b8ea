import type { DataplaneEntry, KeyField, Value } from '../dataplane.js';
import type { TableLayout } from './layout.js';

/** An entry of a table with direct counters, as the pipeline hands it out to name its cells. */
export interface Slot {
  readonly number: number;
  readonly table: TableLayout;
  readonly key: readonly KeyField[];
}

interface MirrorEntry {
  entry: DataplaneEntry;
  slot: Slot | undefined;
}

export interface DefaultAction {
  readonly action: string;
  readonly args: readonly Value[];
}

export interface GroupMember {
  readonly member: number;
  readonly weight: number;
}

/** Takes everything that was written. */
export interface MirrorVisitor {
  group(selector: number, group: number, members: readonly GroupMember[]): void;
  defaultAction(table: TableLayout, call: DefaultAction): void;
  entry(table: TableLayout, entry: DataplaneEntry): void;
  cell(register: number, index: number, value: bigint): void;
}

/**
 * Everything that was written: what a new swx-host is given. Counts are not among it; they are the data plane's.
 */
export class Mirror {
  readonly #tables = new Map<TableLayout, Map<string, MirrorEntry>>();
  readonly #defaults = new Map<TableLayout, DefaultAction>();
  readonly #groups = new Map<number, Map<number, readonly GroupMember[]>>();
  readonly #cells = new Map<number, Map<number, bigint>>();
  readonly #slots: (Slot | undefined)[] = [];
  readonly #freeSlots: number[] = [];

  setEntry(table: TableLayout, entry: DataplaneEntry): void {
    const entries = inner(this.#tables, table);
    const name = keyName(entry.key, entry.priority);
    const known = entries.get(name);
    if (known === undefined) entries.set(name, { entry, slot: undefined });
    else known.entry = entry;
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

  setDefault(table: TableLayout, call: DefaultAction): void {
    this.#defaults.set(table, call);
  }

  setGroup(selector: number, group: number, members: readonly GroupMember[]): void {
    const groups = inner(this.#groups, selector);
    if (members.length === 0) groups.delete(group);
    else groups.set(group, members);
  }

  setCell(register: number, index: number, value: bigint): void {
    inner(this.#cells, register).set(index, value);
  }

  /** The slot of an entry, or undefined if there is no such entry. */
  slotOf(table: TableLayout, key: readonly KeyField[]): Slot | undefined {
    const known = this.#tables.get(table)?.get(keyName(key, undefined));
    if (known === undefined) return undefined;
    if (known.slot === undefined) {
      const number = this.#freeSlots.pop() ?? this.#slots.length;
      known.slot = { number, table, key: known.entry.key };
      this.#slots[number] = known.slot;
    }
    return known.slot;
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

  /** In no particular order, because all of it becomes live together. */
  visit(visitor: MirrorVisitor): void {
    for (const [selector, groups] of this.#groups)
      for (const [group, members] of groups) visitor.group(selector, group, members);
    for (const [table, call] of this.#defaults) visitor.defaultAction(table, call);
    for (const [table, entries] of this.#tables)
      for (const { entry } of entries.values()) visitor.entry(table, entry);
    for (const [register, cells] of this.#cells)
      for (const [index, value] of cells) visitor.cell(register, index, value);
  }
}

/** The map in a map of maps; an empty one is made if there is none. */
export function inner<Outer, Key, T>(maps: Map<Outer, Map<Key, T>>, of: Outer): Map<Key, T> {
  let map = maps.get(of);
  if (map === undefined) {
    map = new Map();
    maps.set(of, map);
  }
  return map;
}

function keyName(key: readonly KeyField[], priority: number | undefined): string {
  let name = priority === undefined ? '' : `${priority}`;
  for (let i = 0; i < key.length; i++) {
    const field = key[i];
    name += field?.mask === undefined ? `,${field?.value}` : `,${field.value}/${field.mask}`;
  }
  return name;
}
