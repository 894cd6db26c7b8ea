import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { textToWire } from './reader.js';
import { ANY_NAME, type Field, type MessageType, type Schema } from './schema.js';

/**
 * Writes protobuf wire bytes as text, in the style of protobuf's own printer: one field a line, two spaces a level, bytes
 * that are not printable ASCII as octal escapes. Fields that the type does not have are written by number.
 *
 * @param bytes a complete message of that type
 */
export function wireToText(bytes: Uint8Array, type: MessageType, schema: Schema): string {
  return new TextWriter(schema).fields(type, bytes, '');
}

class TextWriter {
  readonly #schema: Schema;

  constructor(schema: Schema) {
    this.#schema = schema;
  }

  /** Fields by number, those that the type does not have last. */
  fields(type: MessageType, bytes: Uint8Array, indent: string): string {
    const reader = new BinaryReader(bytes);
    const known: { readonly number: number; readonly text: string }[] = [];
    let unknown = '';
    while (reader.pos < reader.len) {
      const [number, wire] = reader.tag();
      const field = type.fieldsByNumber.get(number);
      if (field === undefined) {
        unknown += unknownField(reader, number, wire, indent);
        continue;
      }
      const isPacked = wire === WireType.LengthDelimited && isPackable(field);
      const end = isPacked ? reader.uint32() + reader.pos : reader.pos + 1;
      while (reader.pos < end)
        known.push({ number, text: `${indent}${field.name}${this.#value(field, reader, indent)}\n` });
    }
    known.sort((a, b) => a.number - b.number);
    return known.map(({ text }) => text).join('') + unknown;
  }

  #value({ type }: Field, reader: BinaryReader, indent: string): string {
    switch (type.kind) {
      case 'message':
        return ` ${this.#message(type.message, reader.bytes(), indent)}`;
      case 'enum': {
        const value = reader.int32();
        const name = [...type.enum.values].find(([, number]) => number === value)?.[0];
        return `: ${name ?? value}`;
      }
      case 'scalar':
        return type.scalar === 'string' || type.scalar === 'bytes'
          ? `: ${quote(reader.bytes())}`
          : `: ${reader[type.scalar]()}`;
      default:
        return type satisfies never;
    }
  }

  #message(type: MessageType, bytes: Uint8Array, indent: string): string {
    const inner = `${indent}  `;
    const content =
      (type.name === ANY_NAME ? this.#expandedAny(bytes, inner) : undefined) ??
      this.fields(type, bytes, inner);
    return `{\n${content}${indent}}`;
  }

  /** Undefined if the type is not known, or the bytes are not what the text would be read as. */
  #expandedAny(bytes: Uint8Array, indent: string): string | undefined {
    const { url, value } = anyParts(bytes);
    const type = this.#schema.message(url.slice(url.lastIndexOf('/') + 1));
    if (type === undefined || !/^[\w.-]+\/[\w.]+$/.test(url)) return undefined;
    try {
      const content = this.fields(type, value, `${indent}  `);
      const written = new BinaryWriter().tag(1, WireType.LengthDelimited).string(url);
      const again = textToWire(content, type, { schema: this.#schema, onWarning: () => {} });
      written.tag(2, WireType.LengthDelimited).bytes(again);
      if (!Buffer.from(written.finish()).equals(bytes)) return undefined;
      return `${indent}[${url}] {\n${content}${indent}}\n`;
    } catch {
      return undefined;
    }
  }
}

function anyParts(bytes: Uint8Array): { readonly url: string; readonly value: Uint8Array } {
  const reader = new BinaryReader(bytes);
  let url = '';
  let value: Uint8Array = new Uint8Array();
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (number === 1) url = reader.string();
    else if (number === 2) value = reader.bytes();
    else reader.skip(wire);
  }
  return { url, value };
}

/** Groups, which proto3 does not have, are left out. */
function unknownField(reader: BinaryReader, number: number, wire: WireType, indent: string): string {
  switch (wire) {
    case WireType.Varint:
      return `${indent}${number}: ${reader.uint64()}\n`;
    case WireType.Bit32:
      return `${indent}${number}: 0x${reader.fixed32().toString(16).padStart(8, '0')}\n`;
    case WireType.Bit64:
      return `${indent}${number}: 0x${BigInt(reader.fixed64()).toString(16).padStart(16, '0')}\n`;
    case WireType.LengthDelimited:
      return `${indent}${number}: ${quote(reader.bytes())}\n`;
    default:
      reader.skip(wire, number);
      return '';
  }
}

function isPackable({ repeated, type }: Field): boolean {
  if (!repeated || type.kind === 'message') return false;
  return type.kind === 'enum' || (type.scalar !== 'string' && type.scalar !== 'bytes');
}

const ESCAPES: ReadonlyMap<number, string> = new Map([
  [0x0a, '\\n'],
  [0x0d, '\\r'],
  [0x09, '\\t'],
  [0x22, '\\"'],
  [0x27, "\\'"],
  [0x5c, '\\\\'],
]);

function quote(bytes: Uint8Array): string {
  let text = '"';
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : octal(byte);
    text += ESCAPES.get(byte) ?? plain;
  }
  return `${text}"`;
}

function octal(byte: number): string {
  return `\\${byte.toString(8).padStart(3, '0')}`;
}
