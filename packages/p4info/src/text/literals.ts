/** Strings and numbers of protobuf text format. Faults are thrown as LiteralFault and placed by the reader. */

/** What is wrong with a literal, and where in it. */
export class LiteralFault extends Error {
  readonly index: number;

  constructor(message: string, index = 0) {
    super(message);
    this.index = index;
  }
}

const SIMPLE_ESCAPES: Readonly<Record<string, number>> = {
  a: 0x07,
  b: 0x08,
  f: 0x0c,
  n: 0x0a,
  r: 0x0d,
  t: 0x09,
  v: 0x0b,
  '?': 0x3f,
  '\\': 0x5c,
  "'": 0x27,
  '"': 0x22,
};

const ESCAPE_SEQUENCE =
  /\\(?:([abfnrtv?\\'"])|([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/y;
const LOW_SURROGATE = /\\u([dD][c-fC-F][0-9a-fA-F]{2})/y;

/** The bytes of a quoted string as it stands in the text; characters are UTF-8. */
export function stringBytes(quoted: string): Uint8Array {
  const end = quoted.length - 1;
  // No escape stands for more bytes than it has characters.
  const bytes = Buffer.alloc(Buffer.byteLength(quoted));
  let length = 0;
  for (let i = 1; i < end; ) {
    const backslash = quoted.indexOf('\\', i);
    const stop = backslash < 0 ? end : backslash;
    const lone = loneSurrogate(quoted, i, stop);
    if (lone >= 0) throw new LiteralFault('half of a surrogate pair', lone);
    length += bytes.write(quoted.slice(i, stop), length);
    if (stop === end) break;
    ESCAPE_SEQUENCE.lastIndex = stop;
    const match = ESCAPE_SEQUENCE.exec(quoted);
    if (match === null) throw new LiteralFault(`bad escape '${badEscape(quoted, stop)}'`, stop);
    const [, simple, octal, hex, short, long] = match;
    i = ESCAPE_SEQUENCE.lastIndex;
    if (simple !== undefined) {
      bytes[length++] = SIMPLE_ESCAPES[simple] ?? 0;
    } else if (octal !== undefined || hex !== undefined) {
      bytes[length++] = octal === undefined ? Number.parseInt(hex ?? '', 16) : octalByte(octal, stop);
    } else {
      const unicode = unicodeCharacter(quoted, match[0], stop, Number.parseInt(short ?? long ?? '', 16), i);
      length += bytes.write(unicode.character, length);
      i = unicode.end;
    }
  }
  return bytes.subarray(0, length);
}

function octalByte(digits: string, index: number): number {
  const value = Number.parseInt(digits, 8);
  if (value > 255) throw new LiteralFault(`escape '\\${digits}' is more than one byte`, index);
  return value;
}

/** A code point, or two \u escapes that are a UTF-16 surrogate pair; and where it ends. */
function unicodeCharacter(
  quoted: string,
  written: string,
  index: number,
  codePoint: number,
  end: number,
): { readonly character: string; readonly end: number } {
  if (codePoint > 0x10ffff) throw new LiteralFault(`escape '${written}' is beyond U+10FFFF`, index);
  if (codePoint < 0xd800 || codePoint > 0xdfff) return { character: String.fromCodePoint(codePoint), end };
  LOW_SURROGATE.lastIndex = end;
  const digits = codePoint < 0xdc00 ? LOW_SURROGATE.exec(quoted)?.[1] : undefined;
  if (digits === undefined) throw new LiteralFault(`escape '${written}' is half of a surrogate pair`, index);
  return { character: String.fromCharCode(codePoint, Number.parseInt(digits, 16)), end: end + 6 };
}

/** Index of a surrogate without its other half, or -1. */
function loneSurrogate(text: string, start: number, end: number): number {
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code < 0xd800 || code > 0xdfff) continue;
    const next = text.charCodeAt(i + 1);
    if (code > 0xdbff || !(next >= 0xdc00 && next <= 0xdfff)) return i;
    i++;
  }
  return -1;
}

function badEscape(quoted: string, index: number): string {
  const length = /[uU]/.test(quoted.charAt(index + 1)) ? 6 : 2;
  return quoted.slice(index, Math.min(index + length, quoted.length - 1));
}

/** Ranges of the integer types. */
export const INTEGER_RANGES = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  sint32: [-(2n ** 31n), 2n ** 31n - 1n],
  sfixed32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  fixed32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  sint64: [-(2n ** 63n), 2n ** 63n - 1n],
  sfixed64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
  fixed64: [0n, 2n ** 64n - 1n],
} as const satisfies Record<string, readonly [bigint, bigint]>;

const BEYOND_RANGES = 2n ** 65n;

export type IntegerType = keyof typeof INTEGER_RANGES;

export function isIntegerType(scalar: string): scalar is IntegerType {
  return Object.hasOwn(INTEGER_RANGES, scalar);
}

/** Whether a number is written as an integer, good or bad. */
export function isIntegerLiteral(literal: string): boolean {
  return /^(?:0[xX][0-9a-fA-F]+|\d+)$/.test(literal);
}

/** The value of an unsigned decimal, hexadecimal or octal integer literal; of one beyond all ranges, just that. */
export function integerValue(literal: string): bigint {
  if (literal.replace(/^0[xX]?0*/, '').length > 64) return BEYOND_RANGES;
  if (!/^0\d+$/.test(literal)) return BigInt(literal);
  if (/[89]/.test(literal)) {
    throw new LiteralFault(`'${literal}' starts with 0, which makes it octal, but has other digits`);
  }
  return BigInt(`0o${literal.slice(1)}`);
}

/** Whether a number is written in decimal, as floating point numbers are. */
export function isDecimalLiteral(literal: string): boolean {
  return !/^0(?:[xX]|\d+[fF]?$)/.test(literal);
}

/** The value of an unsigned decimal number. */
export function floatValue(literal: string): number {
  return Number(literal.replace(/[fF]$/, ''));
}
