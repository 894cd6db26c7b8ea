import type { Random } from '../random.js';
import { mutateBytes, splice } from './bytes.js';

/** One field of a protobuf message as it stands in the bytes. */
interface Field {
  readonly start: number;
  /** Where its value begins, behind tag and length. */
  readonly value: number;
  readonly end: number;
  readonly number: number;
  /** 0: varint, 1: 64 bits, 2: bytes, 5: 32 bits. */
  readonly type: number;
}

const DEEPEST = 12;
const DEEP_MOST = 150;

/** Varints at which readers go wrong; the last two are longer than any may be. */
const EDGE_VARINTS: readonly Uint8Array[] = [
  varint(0n),
  varint(0x7fff_ffffn),
  varint(0x8000_0000n),
  varint(0xffff_ffffn),
  varint(0x7fff_ffff_ffff_ffffn),
  varint(0xffff_ffff_ffff_ffffn),
  Uint8Array.from([0x80, 0x80, 0x00]),
  new Uint8Array(10).fill(0xff),
  new Uint8Array(20).fill(0x80),
];

/**
 * A protobuf message that differs from `message` by one to three damages of its structure: other numbers or types of
 * fields, lengths that lie, values at the edges, fields that are missing, doubled, moved, deeper; sometimes of its bytes.
 */
export function mutateWire(random: Random, message: Uint8Array): Uint8Array {
  let mutated = message;
  for (let left = 1 + random.below(3); left > 0; left--) mutated = mutateOnce(random, mutated, DEEPEST);
  return mutated;
}

function mutateOnce(random: Random, message: Uint8Array, depth: number): Uint8Array {
  const fields = fieldsOf(message);
  if (fields === undefined || fields.length === 0 || random.chance(10)) return mutateBytes(random, message);
  const field = random.pick(fields);
  const value = message.subarray(field.value, field.end);
  const isMessage = field.type === 2 && (fieldsOf(value)?.length ?? 0) > 0;
  if (isMessage && depth > 0 && random.chance(75)) {
    return replaceValue(message, field, mutateOnce(random, value, depth - 1));
  }
  const whole = message.subarray(field.start, field.end);
  switch (random.below(9)) {
    case 0:
      return splice(message, field.start, field.end, new Uint8Array());
    case 1:
      return splice(message, field.end, field.end, whole);
    case 2: {
      const at = random.pick(fields).start;
      return splice(message, at, at, whole);
    }
    case 3: {
      const tag = varint(BigInt(random.below(64) * 8 + field.type));
      return splice(message, field.start, startOfValue(message, field), tag);
    }
    case 4: {
      const tag = varint(BigInt(field.number * 8 + random.below(8)));
      return splice(message, field.start, startOfValue(message, field), tag);
    }
    case 5: {
      const edge = random.pick(EDGE_VARINTS);
      // Of bytes it is the length that changes, and lies.
      const end = field.type === 2 ? field.value : field.end;
      return splice(message, startOfValue(message, field), end, edge);
    }
    case 6:
      return field.type === 2
        ? replaceValue(message, field, random.chance(30) ? new Uint8Array() : mutateBytes(random, value))
        : splice(message, field.value, field.end, random.bytes(field.end - field.value));
    case 7: {
      let deep: Uint8Array = value;
      for (let left = random.below(DEEP_MOST); left > 0; left--) deep = wireField(field.number, deep);
      return field.type === 2 ? replaceValue(message, field, deep) : mutateBytes(random, message);
    }
    default:
      return field.type === 2
        ? replaceValue(message, field, message.subarray(0, Math.min(message.length, 4096)))
        : splice(message, field.end, field.end, random.bytes(random.below(12)));
  }
}

/** A field of bytes: a string, a message, packed numbers. */
export function wireField(number: number, value: Uint8Array): Uint8Array {
  return Buffer.concat([varint(BigInt(number * 8 + 2)), varint(BigInt(value.length)), value]);
}

export function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

function replaceValue(message: Uint8Array, field: Field, value: Uint8Array): Uint8Array {
  return splice(message, field.start, field.end, wireField(field.number, value));
}

/** Behind the tag: where the value begins, or the length of one of bytes. */
function startOfValue(message: Uint8Array, field: Field): number {
  return readVarint(message, field.start)?.end ?? field.value;
}

/** The fields of a message; undefined if the bytes are none. */
function fieldsOf(message: Uint8Array): readonly Field[] | undefined {
  const fields: Field[] = [];
  for (let start = 0; start < message.length; ) {
    const tag = readVarint(message, start);
    if (tag === undefined || tag.value < 8n) return undefined;
    const [number, type] = [Number(tag.value >> 3n), Number(tag.value & 7n)];
    const extent = extentOf(message, tag.end, type);
    if (extent === undefined || extent.end > message.length) return undefined;
    fields.push({ start, ...extent, number, type });
    start = extent.end;
  }
  return fields;
}

function extentOf(
  message: Uint8Array,
  at: number,
  type: number,
): { readonly value: number; readonly end: number } | undefined {
  switch (type) {
    case 0: {
      const end = readVarint(message, at)?.end;
      return end === undefined ? undefined : { value: at, end };
    }
    case 1:
      return { value: at, end: at + 8 };
    case 2: {
      const length = readVarint(message, at);
      return length && { value: length.end, end: length.end + Number(length.value) };
    }
    case 5:
      return { value: at, end: at + 4 };
    default:
      return undefined;
  }
}

function readVarint(
  bytes: Uint8Array,
  at: number,
): { readonly value: bigint; readonly end: number } | undefined {
  let value = 0n;
  for (let index = 0; index < 10; index++) {
    const byte = bytes[at + index];
    if (byte === undefined) return undefined;
    value |= BigInt(byte & 0x7f) << BigInt(7 * index);
    if (byte < 0x80) return { value, end: at + index + 1 };
  }
  return undefined;
}
