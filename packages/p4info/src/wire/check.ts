import { P4InfoError } from '../errors.js';
import { MAX_DEPTH } from '../text/reader.js';
import type { Field, MessageType, Scalar } from '../text/schema.js';

/** A field that the type does not have: written by a newer version of the format, or this is no such message at all. */
export type UnknownField = { readonly path: string; readonly number: number; readonly offset: number };

const WIRE_TYPE = { varint: 0, bit64: 1, lengthDelimited: 2, startGroup: 3, endGroup: 4, bit32: 5 } as const;

/**
 * Checks that `bytes` are a complete, well-formed message of that type before it is decoded: decoders take much for granted
 * and tell little of what they find.
 *
 * @throws P4InfoError `CORRUPT` with the offset and the path of the field
 */
export function checkWire(
  bytes: Uint8Array,
  type: MessageType,
  onUnknown: (field: UnknownField) => void = () => {},
): void {
  new WireChecker(bytes, onUnknown).message(type, 0, bytes.length, 0);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

class WireChecker {
  readonly #bytes: Uint8Array;
  readonly #onUnknown: (field: UnknownField) => void;
  readonly #path: string[] = [];
  #offset = 0;

  constructor(bytes: Uint8Array, onUnknown: (field: UnknownField) => void) {
    this.#bytes = bytes;
    this.#onUnknown = onUnknown;
  }

  message(type: MessageType, start: number, end: number, depth: number): void {
    if (depth >= MAX_DEPTH) throw this.#fault(start, `messages nest deeper than ${MAX_DEPTH}`);
    this.#offset = start;
    const counts = new Map<Field, number>();
    while (this.#offset < end) {
      const offset = this.#offset;
      const { number, wire } = this.#tag(end);
      const field = type.fieldsByNumber.get(number);
      if (field === undefined) {
        this.#onUnknown({ path: this.#path.join('.'), number, offset });
        this.#skip(wire, number, end, depth);
        continue;
      }
      const count = counts.get(field) ?? 0;
      counts.set(field, count + 1);
      this.#path.push(field.repeated ? `${field.name}[${count}]` : field.name);
      this.#field(field, wire, offset, end, depth);
      this.#path.pop();
    }
  }

  #field(field: Field, wire: number, offset: number, end: number, depth: number): void {
    const { type } = field;
    const expected =
      type.kind === 'message'
        ? WIRE_TYPE.lengthDelimited
        : wireOf(type.kind === 'enum' ? 'int32' : type.scalar);
    if (wire === WIRE_TYPE.lengthDelimited && expected !== wire && field.repeated) {
      this.#packed(expected, this.#length(end));
      return;
    }
    if (wire !== expected) throw this.#fault(offset, `wire type ${wire} instead of ${expected}`);
    if (expected !== WIRE_TYPE.lengthDelimited) {
      this.#scalar(expected, end);
      return;
    }
    const stop = this.#length(end);
    if (type.kind === 'message') this.message(type.message, this.#offset, stop, depth + 1);
    else if (type.kind === 'scalar' && type.scalar === 'string') this.#string(stop);
    this.#offset = stop;
  }

  #packed(wire: number, end: number): void {
    while (this.#offset < end) this.#scalar(wire, end);
  }

  #scalar(wire: number, end: number): void {
    if (wire === WIRE_TYPE.varint) this.#varint(end);
    else this.#advance(wire === WIRE_TYPE.bit64 ? 8 : 4, end);
  }

  #string(end: number): void {
    try {
      utf8.decode(this.#bytes.subarray(this.#offset, end));
    } catch {
      throw this.#fault(this.#offset, 'a string that is not UTF-8');
    }
  }

  #skip(wire: number, number: number, end: number, depth: number): void {
    switch (wire) {
      case WIRE_TYPE.varint:
      case WIRE_TYPE.bit64:
      case WIRE_TYPE.bit32:
        this.#scalar(wire, end);
        return;
      case WIRE_TYPE.lengthDelimited:
        this.#offset = this.#length(end);
        return;
      case WIRE_TYPE.startGroup:
        this.#skipGroup(number, end, depth + 1);
        return;
      default:
        throw this.#fault(this.#offset - 1, `wire type ${wire}`);
    }
  }

  #skipGroup(group: number, end: number, depth: number): void {
    if (depth >= MAX_DEPTH) throw this.#fault(this.#offset, `messages nest deeper than ${MAX_DEPTH}`);
    for (;;) {
      const offset = this.#offset;
      const { number, wire } = this.#tag(end);
      if (wire !== WIRE_TYPE.endGroup) this.#skip(wire, number, end, depth);
      else if (number === group) return;
      else throw this.#fault(offset, `the end of group ${number} within group ${group}`);
    }
  }

  #tag(end: number): { readonly number: number; readonly wire: number } {
    const offset = this.#offset;
    const tag = this.#varint(end);
    const number = Math.floor(tag / 8);
    if (number === 0 || tag > 0xffffffff) throw this.#fault(offset, `field number ${number}`);
    return { number, wire: tag % 8 };
  }

  /** Reads a length; returns the offset where what it measures ends. */
  #length(end: number): number {
    const offset = this.#offset;
    const length = this.#varint(end);
    if (length > end - this.#offset) {
      throw this.#fault(offset, `${length} bytes announced, but only ${end - this.#offset} left`);
    }
    return this.#offset + length;
  }

  /** The value of a varint, exact up to 2^53. */
  #varint(end: number): number {
    const start = this.#offset;
    let value = 0;
    for (let i = 0; i < 10; i++) {
      if (this.#offset >= end) throw this.#fault(start, 'ends within a number');
      const byte = this.#bytes[this.#offset++] ?? 0;
      value += (byte & 0x7f) * 2 ** (7 * i);
      if (byte < 0x80) return value;
    }
    throw this.#fault(start, 'a number of more than 10 bytes');
  }

  #advance(length: number, end: number): void {
    if (length > end - this.#offset)
      throw this.#fault(this.#offset, `${length} bytes expected, ${end - this.#offset} left`);
    this.#offset += length;
  }

  #fault(offset: number, message: string): P4InfoError {
    const path = this.#path.join('.');
    const place = path === '' ? `at byte ${offset}` : `at byte ${offset} (${path})`;
    return new P4InfoError('CORRUPT', `the binary P4Info is damaged or is none: ${message} ${place}`, {
      details: {
        offset,
        path,
      },
    });
  }
}

function wireOf(scalar: Scalar): number {
  switch (scalar) {
    case 'string':
    case 'bytes':
      return WIRE_TYPE.lengthDelimited;
    case 'double':
    case 'fixed64':
    case 'sfixed64':
      return WIRE_TYPE.bit64;
    case 'float':
    case 'fixed32':
    case 'sfixed32':
      return WIRE_TYPE.bit32;
    case 'int32':
    case 'int64':
    case 'uint32':
    case 'uint64':
    case 'sint32':
    case 'sint64':
    case 'bool':
      return WIRE_TYPE.varint;
    default:
      return scalar satisfies never;
  }
}
