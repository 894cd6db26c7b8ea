/** Strings and numbers of protobuf text format. Faults are thrown as LiteralFault and placed by the reader. */

/** What is wrong with a literal, and where in it. */
export class LiteralFault extends Error {
  readonly index: number;

  constructor(message: string, index = 0) {
    super(message);
    this.index = index;
  }
}

const simpleEscapes: Readonly<Record<string, number>> = {
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

// Characters that stand for themselves, in as long runs as possible, or one escape.
const piece =
  /[^\\]+|\\(?:([abfnrtv?\\'"])|([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))/y;

/** The bytes of a quoted string as it stands in the text; characters are UTF-8. */
export function stringBytes(quoted: string): Uint8Array {
  const body = quoted.slice(1, -1);
  const parts: Uint8Array[] = [];
  piece.lastIndex = 0;
  while (piece.lastIndex < body.length) {
    const index = piece.lastIndex;
    const match = piece.exec(body);
    if (match === null) throw new LiteralFault(`bad escape '${badEscape(body, index)}'`, index + 1);
    const [text, simple, octal, hex, shortUnicode, longUnicode] = match;
    const unicode = shortUnicode ?? longUnicode;
    if (simple !== undefined) parts.push(Uint8Array.of(simpleEscapes[simple] ?? 0));
    else if (octal !== undefined) parts.push(octalByte(octal, index));
    else if (hex !== undefined) parts.push(Uint8Array.of(Number.parseInt(hex, 16)));
    else if (unicode !== undefined) parts.push(unicodeBytes(body, index, Number.parseInt(unicode, 16)));
    else parts.push(plainBytes(text, index));
  }
  return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
}

function octalByte(digits: string, index: number): Uint8Array {
  const value = Number.parseInt(digits, 8);
  if (value > 255) throw new LiteralFault(`escape '\\${digits}' is more than one byte`, index + 1);
  return Uint8Array.of(value);
}

/** A code point, or two \u escapes that are a UTF-16 surrogate pair. */
function unicodeBytes(body: string, index: number, codePoint: number): Uint8Array {
  const written = body.slice(index, index + (body.charAt(index + 1) === 'u' ? 6 : 10));
  if (codePoint > 0x10ffff) throw new LiteralFault(`escape '${written}' is beyond U+10FFFF`, index + 1);
  if (codePoint < 0xd800 || codePoint > 0xdfff) return Buffer.from(String.fromCodePoint(codePoint));
  const low = /\\u([dD][c-fC-F][0-9a-fA-F]{2})/y;
  low.lastIndex = piece.lastIndex;
  const digits = codePoint < 0xdc00 ? low.exec(body)?.[1] : undefined;
  if (digits === undefined)
    throw new LiteralFault(`escape '${written}' is half of a surrogate pair`, index + 1);
  piece.lastIndex = low.lastIndex;
  return Buffer.from(String.fromCharCode(codePoint, Number.parseInt(digits, 16)));
}

function plainBytes(text: string, index: number): Uint8Array {
  const lone = /\p{Surrogate}/u.exec(text);
  if (lone !== null) throw new LiteralFault('half of a surrogate pair', index + lone.index + 1);
  return Buffer.from(text);
}

function badEscape(body: string, index: number): string {
  const letter = body.charAt(index + 1);
  return /[xXuU]/.test(letter) ? body.slice(index, index + 6) : `\\${letter}`;
}

/** Ranges of the integer types. */
export const integerRanges = {
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

export type IntegerType = keyof typeof integerRanges;

export function isIntegerType(scalar: string): scalar is IntegerType {
  return Object.hasOwn(integerRanges, scalar);
}

/** The value of an unsigned decimal, hexadecimal or octal integer literal. */
export function integerValue(literal: string): bigint {
  const octal = /^0([0-7]+)$/.exec(literal)?.[1];
  if (octal === undefined && /^0\d+$/.test(literal)) {
    throw new LiteralFault(`'${literal}' starts with 0, which makes it octal, but has other digits`);
  }
  if (!/^(?:0[xX][0-9a-fA-F]+|\d+)$/.test(literal))
    throw new LiteralFault(`expected an integer, found '${literal}'`);
  return BigInt(octal === undefined ? literal : `0o${octal}`);
}

/** The value of an unsigned decimal number literal. */
export function floatValue(literal: string): number {
  if (/^0(?:[xX]|\d+[fF]?$)/.test(literal)) {
    throw new LiteralFault(`a floating point number is decimal, not '${literal}'`);
  }
  return Number(literal.replace(/[fF]$/, ''));
}
