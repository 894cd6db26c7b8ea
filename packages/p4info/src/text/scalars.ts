import { type BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { P4InfoError } from '../errors.js';
import { type Lexer, shorten, type Token } from './lexer.js';
import {
  floatValue,
  INTEGER_RANGES,
  type IntegerType,
  integerValue,
  isDecimalLiteral,
  isIntegerLiteral,
  LiteralFault,
  stringBytes,
} from './literals.js';
import type { EnumType, Scalar } from './schema.js';

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Takes the name or the number of an enum value; undefined for a name that the type does not have. */
export function readEnumValue(lexer: Lexer, type: EnumType): number | undefined {
  const token = lexer.token;
  if (token.kind !== 'name') return Number(readInteger(lexer, 'int32', `a value of ${type.name}`));
  lexer.next();
  return type.values.get(token.text);
}

/** Takes a value of a scalar field and writes it with its tag. */
export function readScalar(
  lexer: Lexer,
  name: string,
  number: number,
  scalar: Scalar,
  writer: BinaryWriter,
): BinaryWriter {
  switch (scalar) {
    case 'string':
      return writer.tag(number, WireType.LengthDelimited).string(readText(lexer, name));
    case 'bytes':
      return writer.tag(number, WireType.LengthDelimited).bytes(readBytes(lexer, name));
    case 'bool':
      return writer.tag(number, WireType.Varint).bool(readBool(lexer, name));
    case 'float':
      return writer.tag(number, WireType.Bit32).float(Math.fround(readFloat(lexer, name)));
    case 'double':
      return writer.tag(number, WireType.Bit64).double(readFloat(lexer, name));
    case 'int32':
    case 'sint32':
    case 'uint32':
      return writer.tag(number, WireType.Varint)[scalar](Number(readInteger(lexer, scalar, `'${name}'`)));
    case 'int64':
    case 'sint64':
    case 'uint64':
      return writer.tag(number, WireType.Varint)[scalar](readInteger(lexer, scalar, `'${name}'`));
    case 'fixed32':
    case 'sfixed32':
      return writer.tag(number, WireType.Bit32)[scalar](Number(readInteger(lexer, scalar, `'${name}'`)));
    case 'fixed64':
    case 'sfixed64':
      return writer.tag(number, WireType.Bit64)[scalar](readInteger(lexer, scalar, `'${name}'`));
    default:
      return scalar satisfies never;
  }
}

const MAX_FIELD_NUMBER = 2 ** 29 - 1;

/**
 * Takes the value of a field that the type does not have and writes it, if it is one whose form tells its wire type: a string, or
 * an integer that is decimal (varint) or hexadecimal of 8 or 16 digits (fixed). Otherwise takes nothing and tells so.
 */
export function readUnknown(lexer: Lexer, number: number, writer: BinaryWriter): boolean {
  const { kind, text } = lexer.token;
  if (number > MAX_FIELD_NUMBER) return false;
  const as = (scalar: Scalar) => readScalar(lexer, String(number), number, scalar, writer);
  if (kind === 'string') as('bytes');
  else if (kind !== 'number') return false;
  else if (/^0x[0-9a-fA-F]{8}$/.test(text)) as('fixed32');
  else if (/^0x[0-9a-fA-F]{16}$/.test(text)) as('fixed64');
  else if (/^(?:0|[1-9]\d*)$/.test(text)) as('uint64');
  else return false;
  return true;
}

/** One string, or several side by side. */
function readBytes(lexer: Lexer, name: string): Uint8Array {
  if (lexer.token.kind !== 'string') throw mismatch(lexer, `a string for '${name}'`);
  const parts: Uint8Array[] = [];
  while (lexer.token.kind === 'string') {
    const token = lexer.next();
    parts.push(literal(lexer, token, stringBytes));
  }
  return Buffer.concat(parts);
}

function readText(lexer: Lexer, name: string): string {
  const start = lexer.token;
  const bytes = readBytes(lexer, name);
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw lexer.error('FIELD', `the string of '${name}' is not UTF-8`, start, { cause });
  }
}

function readBool(lexer: Lexer, name: string): boolean {
  const token = lexer.token;
  const value =
    token.kind === 'number' && isIntegerLiteral(token.text)
      ? BOOL_NUMBERS.get(literal(lexer, token, integerValue))
      : BOOL_NAMES.get(token.text);
  if (value === undefined) throw mismatch(lexer, `true or false for '${name}'`);
  lexer.next();
  return value;
}

function readInteger(lexer: Lexer, type: IntegerType, what: string): bigint {
  const start = lexer.token;
  const negative = lexer.accept('-');
  const token = lexer.token;
  if (token.kind !== 'number' || !isIntegerLiteral(token.text))
    throw mismatch(lexer, `an integer for ${what}`);
  const value = literal(lexer, token, integerValue) * (negative ? -1n : 1n);
  const [low, high] = INTEGER_RANGES[type];
  if (value < low || value > high) {
    const text = `${negative ? '-' : ''}${token.text}`;
    const message = `${shorten(text)} is out of range for ${what} (${type}: ${low} to ${high})`;
    throw lexer.error('FIELD', message, { ...start, text });
  }
  lexer.next();
  return value;
}

function readFloat(lexer: Lexer, name: string): number {
  const sign = lexer.accept('-') ? -1 : 1;
  const { kind, text } = lexer.token;
  const value =
    kind === 'number' && isDecimalLiteral(text) ? floatValue(text) : floatNames.get(text.toLowerCase());
  if (value === undefined) throw mismatch(lexer, `a decimal number for '${name}'`);
  lexer.next();
  return sign * value;
}

/** A value of the wrong type, or no value at all. */
function mismatch(lexer: Lexer, expected: string): P4InfoError {
  const { kind } = lexer.token;
  return lexer.unexpected(expected, kind === 'symbol' || kind === 'end' ? 'SYNTAX' : 'FIELD');
}

function literal<T>(lexer: Lexer, token: Token, read: (literal: string) => T): T {
  try {
    return read(token.text);
  } catch (fault) {
    if (!(fault instanceof LiteralFault)) throw fault;
    throw lexer.error('SYNTAX', fault.message, { ...token, offset: token.offset + fault.index });
  }
}

const BOOL_NAMES: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['True', true],
  ['t', true],
  ['false', false],
  ['False', false],
  ['f', false],
]);

const BOOL_NUMBERS: ReadonlyMap<bigint, boolean> = new Map([
  [0n, false],
  [1n, true],
]);

const floatNames: ReadonlyMap<string, number> = new Map([
  ['inf', Number.POSITIVE_INFINITY],
  ['infinity', Number.POSITIVE_INFINITY],
  ['nan', Number.NaN],
]);
