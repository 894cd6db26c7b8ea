import type { ReadResponse } from '@infra-offload/p4rt/proto';
import { type LearnedLayout, type LearnedPiece, UNKNOWN_TIMEOUT } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import type { BoundTable } from '../pipeline/bound.js';

/** Bytes at which a message is full: a quarter of what clients take by default. */
const MESSAGE_BYTES = 1 << 20;
/** What is in an entry beside its values: tags, lengths and ids, for each value and for the whole. */
const OVERHEAD = { value: 24, entry: 96 };

/** A ReadResponse that is encoded already. */
export class EncodedEntities implements ReadResponse {
  readonly entities = [];

  constructor(readonly bytes: Buffer) {}
}

/** Tags of fields, with their wire types, in p4.v1.ReadResponse and below. */
const TAG = {
  entities: 0x0a,
  tableEntry: 0x12,
  tableId: 0x08,
  match: 0x12,
  fieldId: 0x08,
  exact: 0x12,
  exactValue: 0x0a,
  tableAction: 0x1a,
  action: 0x0a,
  actionId: 0x08,
  params: 0x22,
  paramId: 0x10,
  paramValue: 0x1a,
  idleTimeoutNs: 0x48,
  timeSinceLastHit: 0x52,
  elapsedNs: 0x08,
} as const;

/** The tags of a value, of the message around it if there is one, of its id, and of both together. */
interface ValueTags {
  readonly value: number;
  readonly within?: number;
  readonly id: number;
  readonly whole: number;
}

const MATCH: ValueTags = { value: TAG.exactValue, within: TAG.exact, id: TAG.fieldId, whole: TAG.match };
const PARAM: ValueTags = { value: TAG.paramValue, id: TAG.paramId, whole: TAG.params };

interface ValueLayout {
  readonly id: number;
  readonly bytes: number;
}

interface ActionShape {
  /** Undefined: P4Info does not have it. */
  readonly id: number | undefined;
  readonly params: readonly ValueLayout[];
  readonly bytes: number;
}

/**
 * Learned entries as TableEntry messages, without an object for each: there may be millions. A message is written from its
 * end to its beginning, so that the length of each part is known when it is its turn.
 */
export class LearnedEncoder {
  readonly #table: BoundTable;
  readonly #layout: LearnedLayout;
  readonly #withTimes: boolean;
  readonly #key: readonly ValueLayout[];
  readonly #keyBytes: number;
  readonly #actions: readonly ActionShape[];
  readonly #entryBytes: number;

  constructor(table: BoundTable, layout: LearnedLayout, withTimes: boolean) {
    this.#table = table;
    this.#layout = layout;
    this.#withTimes = withTimes;
    const named = new Map([...table.actions.values()].map((action) => [action.target, action]));
    this.#key = table.fields.map(({ p4 }, i) => ({ id: p4.id, bytes: layout.key[i] ?? 0 }));
    this.#keyBytes = sum(layout.key);
    this.#actions = layout.actions.map(({ name, params }) => ({
      id: named.get(name)?.p4.id,
      params: params.map((bytes, i) => ({ id: named.get(name)?.params[i]?.p4.id ?? i + 1, bytes })),
      bytes: sum(params),
    }));
    const values = this.#key.length + Math.max(0, ...layout.actions.map(({ params }) => params.length));
    const bytes = this.#keyBytes + Math.max(0, ...this.#actions.map((action) => action.bytes));
    this.#entryBytes = OVERHEAD.entry + values * OVERHEAD.value + bytes;
  }

  /** The entries of a piece, in any order. */
  *encode({ count, bytes }: LearnedPiece): Generator<EncodedEntities> {
    const perMessage = Math.max(1, Math.floor(MESSAGE_BYTES / this.#entryBytes));
    for (let done = 0, at = 0; done < count; ) {
      const some = Math.min(perMessage, count - done);
      const writer = new BackwardWriter(some * this.#entryBytes);
      for (let i = 0; i < some; i++) at = this.#entry(writer, bytes, at);
      done += some;
      yield new EncodedEntities(writer.view());
    }
  }

  /** Writes the entry at a place, and gives the place of the next one. */
  #entry(writer: BackwardWriter, bytes: Buffer, at: number): number {
    const action =
      this.#actions[bytes.readUInt16LE(at + this.#keyBytes)] ?? fail('INTERNAL', 'an entry has no action');
    const timesAt = at + this.#keyBytes + 2 + action.bytes;
    const whole = writer.mark();
    this.#times(writer, bytes.readUInt16LE(timesAt), bytes.readUInt32LE(timesAt + 2));
    if (action.id !== undefined) {
      const mark = writer.mark();
      writeValues(writer, action.params, bytes, timesAt, PARAM);
      writer.number(TAG.actionId, action.id);
      writer.enclose(TAG.action, mark);
      writer.enclose(TAG.tableAction, mark);
    }
    writeValues(writer, this.#key, bytes, at + this.#keyBytes, MATCH);
    writer.number(TAG.tableId, this.#table.p4.id);
    writer.enclose(TAG.tableEntry, whole);
    writer.enclose(TAG.entities, whole);
    return timesAt + 6;
  }

  #times(writer: BackwardWriter, index: number, left: number): void {
    const seconds = index === UNKNOWN_TIMEOUT ? undefined : this.#layout.timeouts[index];
    if (seconds === undefined) return;
    if (this.#withTimes) {
      const mark = writer.mark();
      // What is left may be more than the timeout: that was changed, or is in larger steps.
      writer.number(TAG.elapsedNs, Math.max(0, seconds * 1000 - left) * 1e6);
      writer.enclose(TAG.timeSinceLastHit, mark);
    }
    writer.number(TAG.idleTimeoutNs, seconds * 1e9);
  }
}

/** Values that end at a place, each with its id: fields of a key, or parameters. */
function writeValues(
  writer: BackwardWriter,
  values: readonly ValueLayout[],
  bytes: Buffer,
  end: number,
  tags: ValueTags,
): void {
  let at = end;
  for (let i = values.length - 1; i >= 0; i--) {
    const value = values[i];
    if (value === undefined) continue;
    const mark = writer.mark();
    at -= value.bytes;
    writer.canonical(tags.value, bytes, at, value.bytes);
    if (tags.within !== undefined) writer.enclose(tags.within, mark);
    writer.number(tags.id, value.id);
    writer.enclose(tags.whole, mark);
  }
}

/** Writes protobuf from the end. All tags here have one byte. */
class BackwardWriter {
  readonly #buffer: Buffer;
  #at: number;

  constructor(capacity: number) {
    this.#buffer = Buffer.allocUnsafe(capacity);
    this.#at = capacity;
  }

  /** The place in front of which the content of a message begins to be written. */
  mark(): number {
    return this.#at;
  }

  /** Makes everything since `mark` one field. */
  enclose(tag: number, mark: number): void {
    this.#varint(mark - this.#at);
    this.#buffer[--this.#at] = tag;
  }

  number(tag: number, value: number): void {
    this.#varint(value);
    this.#buffer[--this.#at] = tag;
  }

  /** An unsigned integer in network byte order, as the canonical bytes that P4Runtime wants: without leading zeros. */
  canonical(tag: number, bytes: Buffer, from: number, length: number): void {
    let first = from;
    const last = from + length - 1;
    while (first < last && bytes[first] === 0) first++;
    const mark = this.#at;
    for (let i = last; i >= first; i--) this.#buffer[--this.#at] = bytes[i] ?? 0;
    this.enclose(tag, mark);
  }

  view(): Buffer {
    return this.#buffer.subarray(this.#at);
  }

  #varint(value: number): void {
    if (value < 128) {
      this.#buffer[--this.#at] = value;
      return;
    }
    // Numbers beyond 32 bits are slow to shift: four groups of seven bits of those at a time.
    let size = 0;
    let rest = value;
    for (; rest >= LOW; rest = (rest - (rest % LOW)) / LOW) size += LOW_BYTES;
    this.#at -= size + bytesOf(rest);
    let at = this.#at;
    for (rest = value; rest >= LOW; ) {
      const low = rest % LOW;
      rest = (rest - low) / LOW;
      for (let shift = 0; shift < 28; shift += 7) this.#buffer[at++] = ((low >>> shift) & 127) | 128;
    }
    for (; rest > 0; rest >>>= 7) this.#buffer[at++] = (rest & 127) | 128;
    this.#buffer[at - 1] = (this.#buffer[at - 1] ?? 0) & 127;
  }
}

/** Four groups of seven bits. */
const LOW = 2 ** 28;
const LOW_BYTES = 4;

/** Groups of seven bits that a number below 2^28 has. */
function bytesOf(value: number): number {
  let bytes = 0;
  for (let rest = value; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
