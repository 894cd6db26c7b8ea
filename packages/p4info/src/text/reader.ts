import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { P4InfoWarning } from '../errors.js';
import { didYouMean } from '../nearest.js';
import { Lexer, type Token } from './lexer.js';
import {
  floatValue,
  type IntegerType,
  integerRanges,
  integerValue,
  LiteralFault,
  stringBytes,
} from './literals.js';
import { anyName, type EnumType, type Field, type MessageType, type Scalar, type Schema } from './schema.js';

/** Messages within messages, as deep as protobuf's own readers go. */
export const maxDepth = 100;

export interface TextFormatOptions {
  /** Types to read with. */
  readonly schema: Schema;
  /** Called for a field that the type does not have, or an Any of an unknown type; both are left out. */
  readonly onWarning: (warning: P4InfoWarning) => void;
}

/**
 * Reads a message in protobuf text format and writes it as protobuf wire bytes.
 *
 * The whole format: comments, `,` and `;` after fields, lists, all escapes, adjacent strings, `{}` and `<>`, enum names and
 * numbers, expanded Any, extension names. Fields that the type does not have are left out with a warning.
 *
 * @throws P4InfoError `SYNTAX` or `FIELD`, with line and column
 */
export function textToWire(text: string, type: MessageType, options: TextFormatOptions): Uint8Array {
  return new TextReader(text, options).read(type);
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

class TextReader {
  readonly #lexer: Lexer;
  readonly #schema: Schema;
  readonly #onWarning: (warning: P4InfoWarning) => void;
  #depth = 0;

  constructor(text: string, { schema, onWarning }: TextFormatOptions) {
    this.#lexer = new Lexer(text);
    this.#schema = schema;
    this.#onWarning = onWarning;
  }

  read(type: MessageType): Uint8Array {
    const writer = new BinaryWriter();
    this.#fields(type, writer, undefined);
    return writer.finish();
  }

  /** Fields up to and with `close`, or up to the end of the text. */
  #fields(type: MessageType, writer: BinaryWriter, close: string | undefined): void {
    const seen = new Seen();
    while (!this.#atEnd(close)) {
      const token = this.#fieldName(close);
      const field = token.bracketed ? undefined : type.fields.get(token.text);
      if (field === undefined) this.#unknown(type, token);
      else this.#field(field, token, writer, seen);
      this.#separator();
    }
    const value = type.isMapEntry ? type.fields.get('value') : undefined;
    // An entry without a value has the default one, which for a message has to be written out.
    if (value?.type.kind === 'message' && seen.add(value) === undefined) {
      writer.tag(value.number, WireType.LengthDelimited).bytes(new Uint8Array());
    }
  }

  #atEnd(close: string | undefined): boolean {
    return close === undefined ? this.#lexer.token.kind === 'end' : this.#lexer.accept(close);
  }

  /** A name; an extension's or Any's in brackets; or a number, as protobuf prints fields that it does not know itself. */
  #fieldName(close: string | undefined): Token & { readonly bracketed: boolean } {
    const { kind, text } = this.#lexer.token;
    if (text === '[') return { ...this.#lexer.bracketedName(), bracketed: true };
    if (kind !== 'name' && !(kind === 'number' && /^\d+$/.test(text))) {
      throw this.#lexer.unexpected(close === undefined ? 'a field name' : `a field name or '${close}'`);
    }
    return { ...this.#lexer.next(), bracketed: false };
  }

  #separator(): void {
    if (!this.#lexer.accept(',')) this.#lexer.accept(';');
  }

  #field(field: Field, token: Token, writer: BinaryWriter, seen: Seen): void {
    const colon = this.#lexer.accept(':');
    if (!colon && field.type.kind !== 'message') throw this.#lexer.unexpected(`':' after '${field.name}'`);
    const isList = this.#lexer.token.text === '[';
    const fault =
      isList && !field.repeated ? `'${field.name}' is not repeated and takes no list` : seen.add(field);
    if (fault !== undefined) throw this.#lexer.error('FIELD', fault, token);
    if (isList) this.#list(() => this.#value(field, writer));
    else this.#value(field, writer);
  }

  #list(element: () => void): void {
    this.#lexer.expect('[');
    if (this.#lexer.accept(']')) return;
    do element();
    while (this.#lexer.accept(','));
    this.#lexer.expect(']', `',' or ']'`);
  }

  #value(field: Field, writer: BinaryWriter): BinaryWriter {
    const { name, number, type } = field;
    switch (type.kind) {
      case 'message':
        if (type.message.name === anyName) {
          const content = this.#any(type.message);
          return content === undefined ? writer : writer.tag(number, WireType.LengthDelimited).bytes(content);
        }
        writer.tag(number, WireType.LengthDelimited).fork();
        this.#inBraces((close) => this.#fields(type.message, writer, close));
        return writer.join();
      case 'enum':
        return writer.tag(number, WireType.Varint).int32(this.#enumValue(type.enum));
      case 'scalar':
        return this.#scalar(name, number, type.scalar, writer);
      default:
        return type satisfies never;
    }
  }

  /** `content` takes the closing brace. */
  #inBraces<T>(content: (close: string) => T): T {
    const token = this.#lexer.token;
    const close = token.text === '{' ? '}' : token.text === '<' ? '>' : undefined;
    if (close === undefined) throw this.#lexer.unexpected(`'{' or '<'`);
    this.#depth++;
    if (this.#depth > maxDepth)
      throw this.#lexer.error('SYNTAX', `messages nest deeper than ${maxDepth}`, token);
    this.#lexer.next();
    const result = content(close);
    this.#depth--;
    return result;
  }

  /** An Any by its fields or expanded; undefined if it is of an unknown type. */
  #any(type: MessageType): Uint8Array | undefined {
    return this.#inBraces((close) => {
      const writer = new BinaryWriter();
      if (this.#lexer.token.text !== '[') {
        this.#fields(type, writer, close);
        return writer.finish();
      }
      const content = this.#expandedAny();
      this.#separator();
      this.#lexer.expect(close, `'${close}' (an expanded Any holds nothing else)`);
      return content;
    });
  }

  /** `[prefix/full.Name] { … }` */
  #expandedAny(): Uint8Array | undefined {
    const url = this.#lexer.bracketedName();
    const slash = url.text.lastIndexOf('/');
    if (slash < 0)
      throw this.#lexer.error('SYNTAX', `'[${url.text}]' is no type URL (prefix/full.Name)`, url);
    const type = this.#schema.message(url.text.slice(slash + 1));
    if (type === undefined) {
      this.#warn(`the type of [${url.text}] is not known; it is left out`, url);
      this.#skipValue();
      return undefined;
    }
    this.#lexer.accept(':');
    const value = new BinaryWriter();
    this.#inBraces((close) => this.#fields(type, value, close));
    const any = new BinaryWriter();
    any.tag(1, WireType.LengthDelimited).string(url.text);
    return any.tag(2, WireType.LengthDelimited).bytes(value.finish()).finish();
  }

  #enumValue(type: EnumType): number {
    const token = this.#lexer.token;
    if (token.kind !== 'name') return Number(this.#integer('int32', `a value of ${type.name}`));
    const value = type.values.get(token.text);
    if (value === undefined) {
      const message = `${type.name} has no value '${token.text}'${didYouMean(token.text, [...type.values.keys()])}`;
      throw this.#lexer.error('FIELD', message, token);
    }
    this.#lexer.next();
    return value;
  }

  #scalar(name: string, number: number, scalar: Scalar, writer: BinaryWriter): BinaryWriter {
    switch (scalar) {
      case 'string':
        return writer.tag(number, WireType.LengthDelimited).string(this.#text(name));
      case 'bytes':
        return writer.tag(number, WireType.LengthDelimited).bytes(this.#bytes(name));
      case 'bool':
        return writer.tag(number, WireType.Varint).bool(this.#bool(name));
      case 'float':
        return writer.tag(number, WireType.Bit32).float(Math.fround(this.#float(name)));
      case 'double':
        return writer.tag(number, WireType.Bit64).double(this.#float(name));
      case 'int32':
      case 'sint32':
      case 'uint32':
        return writer.tag(number, WireType.Varint)[scalar](Number(this.#integer(scalar, `'${name}'`)));
      case 'int64':
      case 'sint64':
      case 'uint64':
        return writer.tag(number, WireType.Varint)[scalar](this.#integer(scalar, `'${name}'`));
      case 'fixed32':
      case 'sfixed32':
        return writer.tag(number, WireType.Bit32)[scalar](Number(this.#integer(scalar, `'${name}'`)));
      case 'fixed64':
      case 'sfixed64':
        return writer.tag(number, WireType.Bit64)[scalar](this.#integer(scalar, `'${name}'`));
      default:
        return scalar satisfies never;
    }
  }

  /** One string, or several side by side. */
  #bytes(name: string): Uint8Array {
    if (this.#lexer.token.kind !== 'string') throw this.#lexer.unexpected(`a string for '${name}'`);
    const parts: Uint8Array[] = [];
    while (this.#lexer.token.kind === 'string') {
      const token = this.#lexer.next();
      parts.push(this.#literal(token, stringBytes));
    }
    return Buffer.concat(parts);
  }

  #text(name: string): string {
    const start = this.#lexer.token;
    const bytes = this.#bytes(name);
    try {
      return utf8.decode(bytes);
    } catch (cause) {
      throw this.#lexer.error('FIELD', `the string of '${name}' is not UTF-8`, start, { cause });
    }
  }

  #bool(name: string): boolean {
    const token = this.#lexer.token;
    const value =
      token.kind === 'number'
        ? boolNumbers.get(this.#literal(token, integerValue))
        : boolNames.get(token.text);
    if (value === undefined) throw this.#lexer.unexpected(`true or false for '${name}'`);
    this.#lexer.next();
    return value;
  }

  #integer(type: IntegerType, what: string): bigint {
    const negative = this.#lexer.accept('-');
    const token = this.#lexer.token;
    if (token.kind !== 'number') throw this.#lexer.unexpected(`an integer for ${what}`);
    const value = this.#literal(token, integerValue) * (negative ? -1n : 1n);
    const [low, high] = integerRanges[type];
    if (value < low || value > high) {
      const sign = negative ? '-' : '';
      throw this.#lexer.error(
        'FIELD',
        `${sign}${token.text} is out of range for ${what} (${type}: ${low} to ${high})`,
        token,
      );
    }
    this.#lexer.next();
    return value;
  }

  #float(name: string): number {
    const sign = this.#lexer.accept('-') ? -1 : 1;
    const token = this.#lexer.token;
    const value =
      token.kind === 'number' ? this.#literal(token, floatValue) : floatNames.get(token.text.toLowerCase());
    if (value === undefined) throw this.#lexer.unexpected(`a number for '${name}'`);
    this.#lexer.next();
    return sign * value;
  }

  #literal<T>(token: Token, read: (literal: string) => T): T {
    try {
      return read(token.text);
    } catch (fault) {
      if (!(fault instanceof LiteralFault)) throw fault;
      throw this.#lexer.error('SYNTAX', fault.message, { ...token, offset: token.offset + fault.index });
    }
  }

  #unknown(type: MessageType, token: Token & { readonly bracketed: boolean }): void {
    if (token.bracketed && type.name === anyName) {
      throw this.#lexer.error('SYNTAX', `[${token.text}]: an expanded Any holds nothing else`, token);
    }
    const what = token.bracketed ? `extension [${token.text}]` : `field '${token.text}'`;
    const hint = token.bracketed ? '' : didYouMean(token.text, [...type.fields.keys()], { onlyNear: true });
    this.#warn(`${type.name} has no ${what}${hint || '; it is left out'}`, token);
    this.#skipValue();
  }

  #skipValue(): void {
    const colon = this.#lexer.accept(':');
    const { text } = this.#lexer.token;
    if (text === '{' || text === '<') this.#inBraces((close) => this.#skipFields(close));
    else if (text === '[') this.#list(() => this.#skipElement());
    else if (colon) this.#skipScalar();
    else throw this.#lexer.unexpected(`':', '{' or '<'`);
  }

  #skipFields(close: string): void {
    while (!this.#lexer.accept(close)) {
      this.#fieldName(close);
      this.#skipValue();
      this.#separator();
    }
  }

  #skipElement(): void {
    const { text } = this.#lexer.token;
    if (text === '{' || text === '<') this.#inBraces((close) => this.#skipFields(close));
    else this.#skipScalar();
  }

  #skipScalar(): void {
    if (this.#lexer.token.kind === 'string') {
      while (this.#lexer.token.kind === 'string') this.#lexer.next();
      return;
    }
    this.#lexer.accept('-');
    const { kind } = this.#lexer.token;
    if (kind !== 'name' && kind !== 'number') throw this.#lexer.unexpected('a value');
    this.#lexer.next();
  }

  #warn(message: string, token: Token): void {
    this.#onWarning({ message, ...this.#lexer.position(token.offset) });
  }
}

/** The fields that a message has so far. */
class Seen {
  readonly #fields = new Set<Field>();
  readonly #oneofs = new Map<string, Field>();

  /** Returns what is wrong if the field may not come (again). */
  add(field: Field): string | undefined {
    if (field.repeated) return undefined;
    if (this.#fields.has(field)) return `'${field.name}' is given twice, but is not repeated`;
    this.#fields.add(field);
    if (field.oneof === undefined) return undefined;
    const other = this.#oneofs.get(field.oneof);
    if (other !== undefined)
      return `'${field.name}' and '${other.name}' exclude each other (oneof ${field.oneof})`;
    this.#oneofs.set(field.oneof, field);
    return undefined;
  }
}

const boolNames: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['True', true],
  ['t', true],
  ['false', false],
  ['False', false],
  ['f', false],
]);

const boolNumbers: ReadonlyMap<bigint, boolean> = new Map([
  [0n, false],
  [1n, true],
]);

const floatNames: ReadonlyMap<string, number> = new Map([
  ['inf', Number.POSITIVE_INFINITY],
  ['infinity', Number.POSITIVE_INFINITY],
  ['nan', Number.NaN],
]);
