import type { MeterProfile } from '@infra-offload/swx';
import type { DataplaneEntry, KeyField, WrittenState } from '../dataplane.js';
import type { ActionCall, TableLayout } from './layout.js';

/** An entry of a table with direct counters, as the pipeline hands it out to name its cells. */
export interface Slot {
  readonly number: number;
  readonly table: TableLayout;
  readonly key: readonly KeyField[];
  readonly priority: number | undefined;
}

interface MirrorEntry {
  entry: DataplaneEntry;
  slot: Slot | undefined;
}

export interface GroupMember {
  readonly member: number;
  readonly weight: number;
}

/** Takes everything that was written. */
export interface MirrorVisitor {
  group(selector: string, group: number, members: readonly GroupMember[]): void;
  defaultAction(table: TableLayout, call: ActionCall): void;
  entry(table: TableLayout, entry: DataplaneEntry): void;
  cell(register: string, index: number, value: bigint): void;
  /** Undefined takes the profile away; it is never visited. */
  meter(array: string, index: number, profile: MeterProfile | undefined): void;
  note(key: string, value: Uint8Array): void;
}

/**
 * Everything that was written: what a new host is given, and what is known of one that was taken over. Counts are not
 * among it; they are the data plane's.
 */
export class Mirror implements MirrorVisitor, WrittenState {
  readonly #tables = new Map<string, Map<string, MirrorEntry>>();
  readonly #layouts = new Map<string, TableLayout>();
  readonly #defaults = new Map<string, ActionCall>();
  readonly #groups = new Map<string, Map<number, readonly GroupMember[]>>();
  readonly #cells = new Map<string, Map<number, bigint>>();
  readonly #meters = new Map<string, Map<number, MeterProfile>>();
  readonly #notes = new Map<string, Uint8Array>();
  readonly #slots: (Slot | undefined)[] = [];
  readonly #freeSlots: number[] = [];

  entry(table: TableLayout, entry: DataplaneEntry): void {
    let entries = this.#tables.get(table.name);
    if (entries === undefined) {
      entries = new Map();
      this.#tables.set(table.name, entries);
      this.#layouts.set(table.name, table);
    }
    const name = keyName(table, entry.key, entry.priority);
    const known = entries.get(name);
    if (known === undefined) entries.set(name, { entry, slot: undefined });
    else known.entry = entry;
  }

  /** Gives back the slot that the entry had. */
  deleteEntry(
    table: TableLayout,
    key: readonly KeyField[],
    priority: number | undefined,
  ): number | undefined {
    const entries = this.#tables.get(table.name);
    const name = keyName(table, key, priority);
    const slot = entries?.get(name)?.slot;
    entries?.delete(name);
    if (slot === undefined) return undefined;
    this.#slots[slot.number] = undefined;
    this.#freeSlots.push(slot.number);
    return slot.number;
  }

  defaultAction(table: TableLayout, call: ActionCall): void {
    this.#layouts.set(table.name, table);
    this.#defaults.set(table.name, call);
  }

  group(selector: string, group: number, members: readonly GroupMember[]): void {
    const groups = inner(this.#groups, selector);
    if (members.length === 0) groups.delete(group);
    else groups.set(group, members);
  }

  cell(register: string, index: number, value: bigint): void {
    inner(this.#cells, register).set(index, value);
  }

  meter(array: string, index: number, profile: MeterProfile | undefined): void {
    const profiles = inner(this.#meters, array);
    if (profile === undefined) profiles.delete(index);
    else profiles.set(index, profile);
  }

  note(key: string, value: Uint8Array): void {
    if (value.length === 0) this.#notes.delete(key);
    else this.#notes.set(key, value);
  }

  entries(table: string): DataplaneEntry[] {
    return [...(this.#tables.get(table)?.values() ?? [])].map(({ entry }) => entry);
  }

  defaultOf(table: string): ActionCall | undefined {
    return this.#defaults.get(table);
  }

  members(selector: string, group: number): readonly GroupMember[] {
    return this.#groups.get(selector)?.get(group) ?? [];
  }

  profileOf(array: string, index: number): MeterProfile | undefined {
    return this.#meters.get(array)?.get(index);
  }

  profiles(array: string): Iterable<[index: number, profile: MeterProfile]> {
    return this.#meters.get(array) ?? [];
  }

  noteOf(key: string): Uint8Array | undefined {
    return this.#notes.get(key);
  }

  *notes(prefix: string): Generator<[rest: string, value: Uint8Array]> {
    for (const [key, value] of this.#notes)
      if (key.startsWith(prefix)) yield [key.slice(prefix.length), value];
  }

  /** The slot of an entry, or undefined if there is no such entry. */
  slotOf(table: TableLayout, key: readonly KeyField[], priority: number | undefined): Slot | undefined {
    const known = this.#tables.get(table.name)?.get(keyName(table, key, priority));
    if (known === undefined) return undefined;
    if (known.slot === undefined) {
      const number = this.#freeSlots.pop() ?? this.#slots.length;
      known.slot = { number, table, key: known.entry.key, priority };
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
    for (const [name, layout] of this.#layouts) {
      const call = this.#defaults.get(name);
      if (call !== undefined) visitor.defaultAction(layout, call);
      for (const { entry } of this.#tables.get(name)?.values() ?? []) visitor.entry(layout, entry);
    }
    for (const [register, cells] of this.#cells)
      for (const [index, value] of cells) visitor.cell(register, index, value);
    for (const [array, profiles] of this.#meters)
      for (const [index, profile] of profiles) visitor.meter(array, index, profile);
    for (const [key, value] of this.#notes) visitor.note(key, value);
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

function keyName(table: TableLayout, key: readonly KeyField[], priority: number | undefined): string {
  let name = priority === undefined ? '' : `${priority}`;
  for (let i = 0; i < key.length; i++) {
    const field = key[i];
    const mask = field?.mask;
    name +=
      mask === undefined || mask === table.fields[i]?.ones ? `,${field?.value}` : `,${field?.value}/${mask}`;
  }
  return name;
}
