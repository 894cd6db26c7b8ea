import type { LearnedEntry, LearnedFilter, SwxPipeline } from '@infra-offload/swx';
import { fail } from '../../../errors.js';
import type { Layout, TableLayout } from '../layout.js';
import { ANY_ACTION, LIST_END } from '../protocol.js';
import type { HostStatistics } from '../statistics.js';
import { type ByteReader, ByteWriter } from '../wire.js';
import type { ChangeReader } from './changes.js';
import type { EnginePorts } from './engine-ports.js';
import type { Notes } from './notes.js';

/** Most items in one piece of a list, and cells or entries in one read: packets wait for it. */
const PIECE_MAX = 4096;
/** Learned entries in one piece, of which there may be millions: packets wait for about a millisecond. */
const LEARNED_MAX = 512;

/** What clients may read of tables, selectors, learners, registers, meters and notes. */
export class Lists {
  readonly #noted: Notes;
  readonly #objects: ChangeReader;
  /** The keys that a list of notes goes through, from its first piece on. */
  #noteKeys: string[] = [];

  readonly #swx: SwxPipeline;
  readonly #layout: Layout;

  constructor(swx: SwxPipeline, layout: Layout, noted: Notes, objects: ChangeReader) {
    this.#swx = swx;
    this.#layout = layout;
    this.#noted = noted;
    this.#objects = objects;
  }

  registers(reader: ByteReader): Uint8Array {
    const register = this.#objects.register(reader.u16());
    const [first, count] = [reader.u32(), reader.u32()];
    limit(count);
    const writer = new ByteWriter(count * 8);
    for (let i = 0; i < count; i++) writer.u64(this.#swx.registerRead(register, first + i));
    return writer.view();
  }

  meters(reader: ByteReader): Uint8Array {
    const array = this.#objects.meter(reader.u16());
    const [first, count] = [reader.u32(), reader.u32()];
    limit(count);
    const writer = new ByteWriter(count * 48);
    for (let i = 0; i < count; i++) {
      const { green, yellow, red } = this.#swx.meterStats(array, first + i);
      for (const { packets, bytes } of [green, yellow, red]) writer.u64(BigInt(packets)).u64(BigInt(bytes));
    }
    return writer.view();
  }

  counters(reader: ByteReader): Uint8Array {
    const register = this.#objects.register(reader.u16());
    const table = this.#objects.keyed(reader.u16());
    const count = reader.u32();
    limit(count);
    const writer = new ByteWriter(count * 8);
    for (let i = 0; i < count; i++) {
      const { key, priority } = this.#layout.readKey(reader, table);
      const index = this.#swx.entryIndex(table.name, key, priority);
      writer.u64(index === 0 ? 0n : this.#swx.registerRead(register, index));
    }
    return writer.view();
  }

  entries(reader: ByteReader): Uint8Array {
    const swx = this.#swx;
    const layout = this.#layout;
    const table = this.#objects.keyed(reader.u16());
    const [cursor, count] = piece(reader);
    const found = swx.tableEntriesFrom(table.name, cursor, count);
    const last = found.at(-1);
    const writer = list(found.length < count || last === undefined ? LIST_END : last.index + 1, found.length);
    for (const { key, priority = openBits(table, key), action, args } of found) {
      layout.writeKey(writer, table, key, priority);
      layout.writeCall(writer, action, args);
    }
    return writer.view();
  }

  defaults(): Uint8Array {
    const writer = new ByteWriter();
    for (const { name } of this.#layout.tables) {
      const { action, args } = this.#swx.tableDefault(name);
      this.#layout.writeCall(writer, action, args);
    }
    for (const { name } of this.#layout.learners) {
      const { action, args } = this.#swx.learnerDefault(name);
      this.#layout.writeCall(writer, action, args);
    }
    return writer.view();
  }

  groups(reader: ByteReader): Uint8Array {
    const selector = this.#objects.selector(reader.u16());
    const [cursor, count] = piece(reader);
    // Groups are few, next to entries.
    const all = [...this.#swx.selectorGroups(selector)].sort((a, b) => a.group - b.group);
    const found = all.filter(({ group }) => group >= cursor).slice(0, count);
    const last = found.at(-1);
    const writer = list(found.length < count || last === undefined ? LIST_END : last.group + 1, found.length);
    for (const { group, members } of found) {
      writer.u32(group).u16(members.length);
      for (const { member, weight } of members) writer.u32(member).u32(weight);
    }
    return writer.view();
  }

  notes(reader: ByteReader): Uint8Array {
    const [cursor, count] = piece(reader);
    if (cursor === 0) this.#noteKeys = this.#noted.keys();
    const keys = this.#noteKeys.slice(cursor, cursor + count);
    const ends = cursor + count >= this.#noteKeys.length;
    const writer = list(ends ? LIST_END : cursor + count, keys.length);
    for (const key of keys) writer.text(key).blob(this.#noted.get(key) ?? new Uint8Array(0));
    if (ends) this.#noteKeys = [];
    return writer.view();
  }

  note(reader: ByteReader): Uint8Array {
    return new ByteWriter().blob(this.#noted.get(reader.text()) ?? new Uint8Array(0)).view();
  }

  learned(reader: ByteReader): Uint8Array {
    const learner = this.#objects.learner(reader.u16());
    const [cursor, count] = piece(reader);
    const filter = this.#filter(reader, learner);
    const { entries, next } = this.#swx.learnerEntriesFrom(
      learner.name,
      cursor,
      Math.min(count, LEARNED_MAX),
      filter,
    );
    const writer = list(next === 0 ? LIST_END : next, entries.length);
    for (const entry of entries) {
      this.#layout.writeValues(writer, learner, entry.key);
      this.#learned(writer, entry);
    }
    return writer.view();
  }

  countLearned(reader: ByteReader): Uint8Array {
    const learner = this.#objects.learner(reader.u16());
    const cursor = reader.u32();
    const { count, next } = this.#swx.learnerCountFrom(learner.name, cursor, this.#filter(reader, learner));
    return list(next === 0 ? LIST_END : next, count).view();
  }

  readLearned(reader: ByteReader): Uint8Array {
    const learner = this.#objects.learner(reader.u16());
    const count = reader.u32();
    limit(count);
    const writer = new ByteWriter();
    for (let i = 0; i < count; i++) {
      const { key } = this.#layout.readKey(reader, learner);
      const entry = this.#swx.learnerGet(
        learner.name,
        key.map(({ value }) => value),
      );
      writer.u8(entry === undefined ? 0 : 1);
      if (entry !== undefined) this.#learned(writer, entry);
    }
    return writer.view();
  }

  timeouts(reader: ByteReader): Uint8Array {
    const timeouts = this.#swx.learnerTimeouts(this.#objects.learner(reader.u16()).name);
    const writer = new ByteWriter().u16(timeouts.length);
    for (const seconds of timeouts) writer.u32(seconds);
    return writer.view();
  }

  #learned(writer: ByteWriter, { action, args, timeoutIndex, expiresInMs }: LearnedEntry): void {
    this.#layout.writeCall(writer, action, args);
    writer.u16(timeoutIndex).u32(Math.min(0xffff_ffff, Math.max(0, Math.round(expiresInMs))));
  }

  /** Which entries are wanted; nothing more in the message means all of them. */
  #filter(reader: ByteReader, learner: TableLayout): LearnedFilter {
    if (reader.rest === 0) return {};
    const id = reader.u16();
    // An action that there is not has no entries.
    const action = id === ANY_ACTION ? {} : { action: this.#layout.actions[id]?.name ?? '' };
    if (reader.u8() === 0) return action;
    const values = this.#layout.readKey(reader, learner).key;
    const masks = this.#layout.readKey(reader, learner).key;
    const key = values.map(({ value }, i) => ({ value, mask: masks[i]?.value ?? 0 }));
    return { ...action, key };
  }

  statistics(ports: EnginePorts): HostStatistics {
    const swx = this.#swx;
    const layout = this.#layout;
    const { stats } = swx;
    const lookups = (name: string) => stats.tables[name] ?? { hits: 0, misses: 0 };
    return {
      received: stats.received,
      dropped: stats.dropped,
      unknownPort: ports.unknownPortDrops,
      malformed: stats.malformed,
      sleeps: 0,
      ports: ports.statistics(),
      tables: layout.tables.map(({ name }) => ({ entries: swx.tableEntryCount(name), ...lookups(name) })),
      learners: layout.learners.map(({ name }) => ({
        ...lookups(name),
        ...(stats.learners[name] ?? fail('INTERNAL', `no learner ${name}`)),
      })),
    };
  }
}

function limit(count: number): void {
  if (count > PIECE_MAX) fail('INVALID_ARGUMENT', `${count} at once: ${PIECE_MAX} is the limit`);
}

function piece(reader: ByteReader): [cursor: number, count: number] {
  const [cursor, count] = [reader.u32(), reader.u32()];
  return [cursor, Math.max(1, Math.min(count, PIECE_MAX))];
}

function list(next: number, count: number): ByteWriter {
  return new ByteWriter(4096).u32(next).u32(count);
}

/** The priority of an entry of an lpm table: the bits that its prefix leaves open. */
function openBits(table: TableLayout, key: readonly { readonly mask?: number | bigint }[]): number {
  const at = table.fields.findIndex(({ match }) => match === 'lpm');
  const field = table.fields[at];
  const mask = key[at]?.mask;
  if (field === undefined || mask === undefined) return 0;
  return field.bytes * 8 - BigInt(mask).toString(2).replaceAll('0', '').length;
}
