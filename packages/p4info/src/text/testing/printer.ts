import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { ANY_NAME, type Field, type MessageType, type Schema } from '../schema.js';

/** Numbers from 0 to n - 1, the same for the same seed. */
export type Pick = (n: number) => number;

export function pickFrom(seed: number): Pick {
  let state = seed | 0;
  return (n) => {
    // A linear congruential generator; its high bits are good enough to choose styles by.
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return (state >>> 8) % n;
  };
}

function choose<T>(pick: Pick, items: readonly [T, ...T[]]): T {
  return items[pick(items.length)] ?? items[0];
}

/** A random message of that type, as wire bytes. Of the fields of a oneof it has one at most. */
export function randomMessage(type: MessageType, pick: Pick, depth = 0): Uint8Array {
  const writer = new BinaryWriter();
  const oneofs = new Set<string>();
  for (const field of type.fieldsByNumber.values()) {
    // Messages become rarer as they go deeper, so that they end.
    if (!type.isMapEntry && pick(field.type.kind === 'message' ? 2 + depth * 2 : 2) !== 0) continue;
    if (field.oneof !== undefined && oneofs.has(field.oneof)) continue;
    if (field.oneof !== undefined) oneofs.add(field.oneof);
    const count = field.repeated ? 1 + pick(3) : 1;
    for (let i = 0; i < count; i++) randomValue(field, writer, pick, depth);
  }
  return writer.finish();
}

const texts = [
  '',
  'a',
  "it's",
  'say "hi"',
  'back\\slash',
  'é€😀',
  '#;,<>{}[]:-',
  '\n\r\t\0\x7f',
  '__proto__',
  '\ufffd',
] as const;

function randomValue(field: Field, writer: BinaryWriter, pick: Pick, depth: number): void {
  const { number, type } = field;
  if (type.kind === 'message') {
    const content =
      type.message.name === ANY_NAME ? randomAny(pick) : randomMessage(type.message, pick, depth + 1);
    writer.tag(number, WireType.LengthDelimited).bytes(content);
  } else if (type.kind === 'enum') {
    const values = [...type.enum.values.values(), 77, -3];
    writer.tag(number, WireType.Varint).int32(values[pick(values.length)] ?? 0);
  } else if (type.scalar === 'string') {
    writer.tag(number, WireType.LengthDelimited).string(choose(pick, texts));
  } else if (type.scalar === 'bytes') {
    writer.tag(number, WireType.LengthDelimited).bytes(Uint8Array.from({ length: pick(5) }, () => pick(256)));
  } else if (type.scalar === 'int64') {
    writer.tag(number, WireType.Varint).int64(choose(pick, [0n, -1n, 2n ** 63n - 1n, -(2n ** 63n), 1024n]));
  } else if (type.scalar === 'int32') {
    writer.tag(number, WireType.Varint).int32(choose(pick, [0, 9, -1, 2 ** 31 - 1, -(2 ** 31)]));
  } else if (type.scalar === 'uint32') {
    writer.tag(number, WireType.Varint).uint32(choose(pick, [0, 8, 33554433, 2 ** 32 - 1]));
  } else if (type.scalar === 'bool') {
    writer.tag(number, WireType.Varint).bool(pick(2) === 1);
  } else {
    throw new Error(`P4Info has no ${type.scalar}`);
  }
}

/** An Any that holds a P4BitTypeSpec. */
function randomAny(pick: Pick): Uint8Array {
  const writer = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string('t.org/p4.config.v1.P4BitTypeSpec');
  return writer
    .tag(2, WireType.LengthDelimited)
    .bytes(Uint8Array.of(8, pick(128)))
    .finish();
}

/** Writes a message in text format, in any of the many styles that there are. */
export class TextPrinter {
  readonly #schema: Schema;
  readonly #pick: Pick;

  constructor(schema: Schema, pick: Pick) {
    this.#schema = schema;
    this.#pick = pick;
  }

  message(type: MessageType, bytes: Uint8Array): string {
    const reader = new BinaryReader(bytes);
    const fields: { readonly field: Field; readonly values: string[] }[] = [];
    while (reader.pos < reader.len) {
      const [number, wire] = reader.tag();
      const field = type.fieldsByNumber.get(number);
      if (field === undefined) throw new Error(`${type.name} has no field ${number}`);
      const end =
        wire === WireType.LengthDelimited && isPackable(field)
          ? reader.uint32() + reader.pos
          : reader.pos + 1;
      while (reader.pos < end) {
        const value = this.#value(field, reader);
        const last = fields.at(-1);
        if (last?.field === field && field.repeated) last.values.push(value);
        else fields.push({ field, values: [value] });
      }
    }
    return fields.map(({ field, values }) => this.#field(field, values)).join('');
  }

  #field(field: Field, values: readonly string[]): string {
    const colon =
      field.type.kind === 'message' && this.#pick(2) === 0 ? ' ' : `${this.#space()}:${this.#space()}`;
    const end = () => choose(this.#pick, ['\n', ' ', ', ', ';', '\r\n', ' # comment "\n']);
    if (field.repeated && this.#pick(3) === 0) {
      const list = values.join(choose(this.#pick, [',', ' , ', ',\n']));
      return `${field.name}${colon}[${this.#space()}${list}${this.#space()}]${end()}`;
    }
    return values.map((value) => `${field.name}${colon}${value}${end()}`).join('');
  }

  #value({ type }: Field, reader: BinaryReader): string {
    if (type.kind === 'message') {
      const bytes = reader.bytes();
      const content =
        type.message.name === ANY_NAME && this.#pick(2) === 0
          ? this.#any(bytes)
          : this.message(type.message, bytes);
      return this.#pick(2) === 0 ? `{ ${content} }` : `<\n${content}>`;
    }
    if (type.kind === 'enum') {
      const value = reader.int32();
      const name = [...type.enum.values].find(([, number]) => number === value)?.[0];
      return name !== undefined && this.#pick(3) > 0 ? name : this.#integer(BigInt(value));
    }
    switch (type.scalar) {
      case 'string':
      case 'bytes':
        return this.#string(reader.bytes());
      case 'bool':
        return choose(this.#pick, reader.bool() ? ['true', 'True', 't', '1'] : ['false', 'False', 'f', '0']);
      case 'int64':
        return this.#integer(BigInt(reader.int64()));
      case 'int32':
        return this.#integer(BigInt(reader.int32()));
      case 'uint32':
        return this.#integer(BigInt(reader.uint32()));
      default:
        throw new Error(`P4Info has no ${type.scalar}`);
    }
  }

  #any(bytes: Uint8Array): string {
    const reader = new BinaryReader(bytes);
    reader.tag();
    const url = reader.string();
    reader.tag();
    const type = this.#schema.message(url.slice(url.lastIndexOf('/') + 1));
    if (type === undefined) throw new Error(`no type ${url}`);
    return `[${this.#space()}${url}${this.#space()}] { ${this.message(type, reader.bytes())} }`;
  }

  #integer(value: bigint): string {
    const sign = value < 0n ? `-${this.#space()}` : '';
    const magnitude = value < 0n ? -value : value;
    const octal = `0${magnitude.toString(8)}`;
    return (
      sign +
      choose(this.#pick, [
        `${magnitude}`,
        `0x${magnitude.toString(16)}`,
        `0X0${magnitude.toString(16).toUpperCase()}`,
        octal,
      ])
    );
  }

  /** One or several literals; characters as they are where they may be, or escaped. */
  #string(bytes: Uint8Array): string {
    const quote = choose(this.#pick, ['"', "'"]);
    const text = Buffer.from(bytes).toString();
    const plain = Buffer.from(text).equals(bytes) && !/[\n\r\0\\"']/.test(text);
    if (plain && this.#pick(2) === 0) return quote + text + quote;
    let literal = quote;
    for (const byte of bytes) {
      literal += choose(this.#pick, [
        octalEscape(byte),
        `\\x${byte.toString(16).padStart(2, '0')}`,
        octalEscape(byte),
      ]);
      if (this.#pick(8) === 0) literal += `${quote}${this.#space()}${quote}`;
    }
    return literal + quote;
  }

  #space(): string {
    return choose(this.#pick, ['', ' ', '\n', '\t', ' # note }\n', '']);
  }
}

function isPackable({ type }: Field): boolean {
  return (
    type.kind === 'enum' || (type.kind === 'scalar' && type.scalar !== 'string' && type.scalar !== 'bytes')
  );
}

function octalEscape(byte: number): string {
  return `\\${byte.toString(8).padStart(3, '0')}`;
}
