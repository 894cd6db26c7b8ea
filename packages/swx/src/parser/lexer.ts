import { SwxError, type SwxErrorDetails } from '../errors.js';

/** The tokens of one line of a spec; SWX text is line based, one statement a line. */
export interface Line {
  /** 1-based. */
  readonly number: number;
  readonly tokens: readonly string[];
}

const WHITESPACE = /[ \f\r\t\v]+/;
const CONTROL = /\p{Cc}/u;
/** RTE_SWX_NAME_SIZE: DPDK keeps names in 64 bytes, the terminator included. A token may join several: h.header.field */
const MAX_NAME_LENGTH = 63;

/**
 * Splits a spec into its lines of tokens. Blank lines are left out. A comment starts with a token that begins
 * with `#`, `;` or `//` and runs to the end of its line; the same characters inside a token are part of it.
 */
export function tokenize(text: string, file: string): Line[] {
  const lines: Line[] = [];
  const rows = text.replace(/^\uFEFF/, '').split(/\r\n|\n|\r/);
  for (const [index, row] of rows.entries()) {
    const tokens: string[] = [];
    for (const token of row.split(WHITESPACE)) {
      if (token === '') continue;
      if (token.startsWith('#') || token.startsWith(';') || token.startsWith('//')) break;
      if (CONTROL.test(token)) {
        const expected = 'printable characters (control characters stand in comments only)';
        throw syntaxError(file, index + 1, expected, token);
      }
      if (token.split('.').some((name) => name.length > MAX_NAME_LENGTH)) {
        throw syntaxError(file, index + 1, `names are at most ${MAX_NAME_LENGTH} characters long`, token);
      }
      tokens.push(token);
    }
    if (tokens.length > 0) lines.push({ number: index + 1, tokens });
  }
  return lines;
}

/** Control characters as escapes, `\x00`. */
function printable(token: string): string {
  return token.replace(/\p{Cc}/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`);
}

/** A SYNTAX error that names the file, the line, the token and what was expected instead. */
export function syntaxError(file: string, line: number, expected: string, token?: string): SwxError {
  const got = token === undefined ? '' : `, got '${printable(token)}'`;
  return new SwxError('SYNTAX', `${file}:${line}: expected ${expected}${got}`, {
    details: {
      ...location(file, line),
      expected,
      ...(token === undefined ? {} : { token }),
    },
  });
}

/** A SEMANTIC error at a line. */
export function semanticError(file: string, line: number, message: string, token?: string): SwxError {
  return new SwxError('SEMANTIC', `${file}:${line}: ${message}`, {
    details: {
      ...location(file, line),
      ...(token === undefined ? {} : { token }),
    },
  });
}

export function location(file: string, line: number): SwxErrorDetails {
  return { file, line };
}

/**
 * An unsigned number as C's strtoull(…, 0) reads it: decimal, `0x` hexadecimal or `0` octal.
 * Undefined when the token is not a number.
 */
export function parseNumber(token: string): bigint | undefined {
  if (/^0[xX][0-9a-fA-F]+$/.test(token)) return BigInt(token);
  if (/^0[0-7]+$/.test(token)) return BigInt(`0o${token.slice(1)}`);
  if (/^[0-9]+$/.test(token) && (token === '0' || !token.startsWith('0'))) return BigInt(token);
  return undefined;
}
