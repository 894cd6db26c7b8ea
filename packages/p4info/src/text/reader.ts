import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { suggestion } from '@infra-offload/base';
import type { P4InfoWarning } from '../errors.js';
import { Lexer, type Position, type Token } from './lexer.js';
import { readEnumValue, readScalar, readUnknown } from './scalars.js';
import { ANY_NAME, type EnumType, type Field, type MessageType, type Schema } from './schema.js';

/** How deep messages may nest, the outermost one included; decoders have the same limit. */
export const MAX_DEPTH = 100;

export interface TextFormatOptions {
  /** Types to read with. */
  readonly schema: Schema;
  /** Called for a field or an enum value that the type does not have, or an Any of an unknown type. */
  readonly onWarning: (warning: P4InfoWarning) => void;
  /** Called for each message that the outermost one holds, in order, with the place of its name or, in a list, its brace. */
  readonly onMessage?: (field: string, position: Position) => void;
}

/** A brace that is open. */
interface Brace {
  readonly close: string;
  readonly token: Token;
}

/**
 * Reads a message in protobuf text format and writes it as protobuf wire bytes.
 *
 * The whole format: comments, `,` and `;` after fields, lists, all escapes, adjacent strings, `{}` and `<>`, enum names and
 * numbers, expanded Any, extension names. Fields and enum values that the types do not have are left out with a warning, but for
 * numbers and strings under a field's number, as protobuf prints what is newer than its types: these are kept.
 *
 * @throws P4InfoError `SYNTAX` or `FIELD`, with line and column
 */
export function textToWire(text: string, type: MessageType, options: TextFormatOptions): Uint8Array {
  return new TextReader(text, options).read(type);
}

class TextReader {
  readonly #lexer: Lexer;
  readonly #schema: Schema;
  readonly #onWarning: (warning: P4InfoWarning) => void;
  readonly #onMessage: ((field: string, position: Position) => void) | undefined;
  /** Messages that are open besides the outermost one. */
  #depth = 0;

  constructor(text: string, { schema, onWarning, onMessage }: TextFormatOptions) {
    this.#lexer = new Lexer(text);
    this.#schema = schema;
    this.#onWarning = onWarning;
    this.#onMessage = onMessage;
  }

  read(type: MessageType): Uint8Array {
    const writer = new BinaryWriter();
    this.#fields(type, writer, undefined);
    return writer.finish();
  }

  /** Fields up to what closes `brace`, which is taken, or up to the end of the text. */
  #fields(type: MessageType, writer: BinaryWriter, brace: Brace | undefined): void {
    const seen = new Seen();
    while (!this.#atEnd(brace)) {
      const token = this.#fieldName(brace);
      const field = token.bracketed ? undefined : type.fields.get(token.text);
      if (field === undefined) this.#unknown(type, token, writer);
      else this.#field(field, token, writer, seen);
      this.#separator();
    }
    const value = type.isMapEntry ? type.fields.get('value') : undefined;
    // An entry without a value has the default one, which for a message has to be written out.
    if (value?.type.kind === 'message' && seen.add(value) === undefined) {
      writer.tag(value.number, WireType.LengthDelimited).bytes(new Uint8Array());
    }
  }

  #atEnd(brace: Brace | undefined): boolean {
    return brace === undefined ? this.#lexer.token.kind === 'end' : this.#lexer.accept(brace.close);
  }

  /** A name; an extension's or Any's in brackets; or a number, as protobuf prints fields that it does not know itself. */
  #fieldName(brace: Brace | undefined): Token & { readonly bracketed: boolean } {
    const { kind, text } = this.#lexer.token;
    if (text === '[') return { ...this.#lexer.bracketedName(), bracketed: true };
    if (kind !== 'name' && !(kind === 'number' && /^\d+$/.test(text))) {
      throw this.#lexer.unexpected(
        brace === undefined ? 'a field name' : `a field name or ${this.#closing(brace)}`,
      );
    }
    return { ...this.#lexer.next(), bracketed: false };
  }

  #closing({ close, token }: Brace): string {
    const { line, column } = this.#lexer.position(token.offset);
    return `'${close}' for the '${token.text}' at ${line}:${column}`;
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
    const value = (start: Token) => {
      if (this.#depth === 0 && field.type.kind === 'message') {
        this.#onMessage?.(field.name, this.#lexer.position(start.offset));
      }
      this.#value(field, writer);
    };
    if (isList) this.#list(() => value(this.#lexer.token));
    else value(token);
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
        if (type.message.name === ANY_NAME) {
          const content = this.#any(type.message);
          return content === undefined ? writer : writer.tag(number, WireType.LengthDelimited).bytes(content);
        }
        writer.tag(number, WireType.LengthDelimited).fork();
        this.#inBraces((brace) => this.#fields(type.message, writer, brace));
        return writer.join();
      case 'enum':
        return this.#enumValue(number, type.enum, writer);
      case 'scalar':
        return readScalar(this.#lexer, name, number, type.scalar, writer);
      default:
        return type satisfies never;
    }
  }

  #enumValue(number: number, type: EnumType, writer: BinaryWriter): BinaryWriter {
    const { token } = this.#lexer;
    const value = readEnumValue(this.#lexer, type);
    if (value !== undefined) return writer.tag(number, WireType.Varint).int32(value);
    this.#notKnown(`${type.name} has no value '${token.text}'`, token, type.values.keys());
    return writer;
  }

  /** `content` takes the closing brace. */
  #inBraces<T>(content: (brace: Brace) => T): T {
    const token = this.#lexer.token;
    const close = token.text === '{' ? '}' : token.text === '<' ? '>' : undefined;
    if (close === undefined) throw this.#lexer.unexpected(`'{' or '<'`);
    this.#depth++;
    if (this.#depth >= MAX_DEPTH)
      throw this.#lexer.error('SYNTAX', `messages nest deeper than ${MAX_DEPTH}`, token);
    this.#lexer.next();
    const result = content({ close, token });
    this.#depth--;
    return result;
  }

  /** An Any by its fields or expanded; undefined if it is of an unknown type. */
  #any(type: MessageType): Uint8Array | undefined {
    return this.#inBraces((brace) => {
      const writer = new BinaryWriter();
      if (this.#lexer.token.text !== '[') {
        this.#fields(type, writer, brace);
        return writer.finish();
      }
      const content = this.#expandedAny();
      this.#separator();
      this.#lexer.expect(brace.close, `'${brace.close}' (an expanded Any holds nothing else)`);
      return content;
    });
  }

  /** `[prefix/full.Name] { … }` */
  #expandedAny(): Uint8Array | undefined {
    const url = this.#lexer.bracketedName();
    const slash = url.text.lastIndexOf('/');
    if (slash < 0)
      throw this.#lexer.error('SYNTAX', `'[${url.text}]' is not a type URL (prefix/full.Name)`, url);
    const type = this.#schema.message(url.text.slice(slash + 1));
    if (type === undefined) {
      this.#warn(`the type of [${url.text}] is not known; it is left out`, url);
      this.#skipValue(this.#lexer.accept(':'));
      return undefined;
    }
    this.#lexer.accept(':');
    const any = new BinaryWriter();
    any.tag(1, WireType.LengthDelimited).string(url.text);
    return any.tag(2, WireType.LengthDelimited).bytes(this.#expandedValue(type)).finish();
  }

  #expandedValue(type: MessageType): Uint8Array {
    if (type.name === ANY_NAME) return this.#any(type) ?? new Uint8Array();
    const value = new BinaryWriter();
    this.#inBraces((brace) => this.#fields(type, value, brace));
    return value.finish();
  }

  #unknown(type: MessageType, token: Token & { readonly bracketed: boolean }, writer: BinaryWriter): void {
    if (token.bracketed && type.name === ANY_NAME) {
      throw this.#lexer.error('SYNTAX', `[${token.text}]: an expanded Any holds nothing else`, token);
    }
    const colon = this.#lexer.accept(':');
    const number = colon && token.kind === 'number' ? Number(token.text) : 0;
    if (number > 0 && !type.fieldsByNumber.has(number) && readUnknown(this.#lexer, number, writer)) {
      this.#warn(`field ${number} of ${type.name} is not known; it is kept as it is`, token);
      return;
    }
    const what = token.bracketed ? `extension [${token.text}]` : `field '${token.text}'`;
    this.#notKnown(`${type.name} has no ${what}`, token, token.bracketed ? [] : type.fields.keys());
    this.#skipValue(colon);
  }

  #skipValue(colon: boolean): void {
    const { text } = this.#lexer.token;
    if (text === '{' || text === '<') this.#inBraces((brace) => this.#skipFields(brace));
    else if (text === '[') this.#list(() => this.#skipElement());
    else if (colon) this.#skipScalar();
    else throw this.#lexer.unexpected(`':', '{' or '<'`);
  }

  #skipFields(brace: Brace): void {
    while (!this.#lexer.accept(brace.close)) {
      this.#fieldName(brace);
      this.#skipValue(this.#lexer.accept(':'));
      this.#separator();
    }
  }

  #skipElement(): void {
    const { text } = this.#lexer.token;
    if (text === '{' || text === '<') this.#inBraces((brace) => this.#skipFields(brace));
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

  #notKnown(message: string, token: Token, known: Iterable<string>): void {
    const hint = suggestion(token.text, known);
    this.#warn(`${message}; ${hint === undefined ? 'it' : `${hint} It`} is left out`, token);
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
