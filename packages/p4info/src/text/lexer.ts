import { P4InfoError, type P4InfoErrorCode } from '../errors.js';

export type TokenKind = 'name' | 'number' | 'string' | 'symbol' | 'end';

/** 1-based; columns count UTF-16 units. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** A piece of the text; `text` is as written, quotes included. */
export interface Token {
  readonly kind: TokenKind;
  readonly text: string;
  readonly offset: number;
}

// Hexadecimal and octal are integers only; `1.`, `.5`, `1e3` and a suffix f make a float.
const NUMBER = /(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?)/y;
const NUMBER_REST = /[A-Za-z0-9_.]*/y;
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const BRACKET_NAME = /[A-Za-z0-9_./~!$&()*+,;=%-]+/y;
const STRING_START = /.{0,40}/y;

/** Splits protobuf text format into tokens, one token ahead. */
export class Lexer {
  readonly #text: string;
  #offset = 0;
  #token: Token;
  #lineStarts: number[] | undefined;

  constructor(text: string) {
    this.#text = text;
    this.#token = this.#scan();
  }

  /** The next token, not yet taken. */
  get token(): Token {
    return this.#token;
  }

  /** Takes the next token. */
  next(): Token {
    const token = this.#token;
    if (token.kind !== 'end') this.#token = this.#scan();
    return token;
  }

  /** Takes the next token if it is that symbol. */
  accept(symbol: string): boolean {
    const { kind, text } = this.#token;
    if (kind !== 'symbol' || text !== symbol) return false;
    this.next();
    return true;
  }

  /** @param what What should be there, for the message. */
  expect(symbol: string, what = `'${symbol}'`): void {
    if (!this.accept(symbol)) throw this.unexpected(what);
  }

  /** Takes `[name]`, an extension or the type URL of an Any, where the next token is `[`. Spaces within do not count. */
  bracketedName(): Token {
    const offset = this.#token.offset;
    let text = '';
    for (;;) {
      this.#skipSpace();
      const part = this.#match(BRACKET_NAME);
      if (part === '') break;
      text += part;
    }
    if (this.#text.charAt(this.#offset) !== ']' || text === '') {
      throw this.error('SYNTAX', `expected [type URL] or [extension name]`, {
        kind: 'symbol',
        text: `[${text}`,
        offset,
      });
    }
    this.#offset++;
    this.#token = this.#scan();
    return { kind: 'name', text, offset };
  }

  unexpected(expected: string, code: P4InfoErrorCode = 'SYNTAX'): P4InfoError {
    return this.error(code, `expected ${expected}, found ${describe(this.#token)}`, this.#token);
  }

  error(
    code: P4InfoErrorCode,
    message: string,
    token: Token,
    options?: { readonly cause?: unknown },
  ): P4InfoError {
    const { line, column } = this.position(token.offset);
    const details = { line, column, token: token.text };
    return new P4InfoError(code, `${line}:${column}: ${message}`, { details, ...options });
  }

  /** 1-based line and column of an offset. */
  position(offset: number): Position {
    this.#lineStarts ??= lineStarts(this.#text);
    let low = 0;
    let high = this.#lineStarts.length;
    while (high - low > 1) {
      const middle = (low + high) >>> 1;
      if ((this.#lineStarts[middle] ?? 0) <= offset) low = middle;
      else high = middle;
    }
    return { line: low + 1, column: offset - (this.#lineStarts[low] ?? 0) + 1 };
  }

  #scan(): Token {
    this.#skipSpace();
    const offset = this.#offset;
    if (offset >= this.#text.length) return { kind: 'end', text: '', offset };
    const code = this.#text.charCodeAt(offset);
    if (isLetter(code)) return { kind: 'name', text: this.#match(NAME), offset };
    if (isDigit(code) || (code === 0x2e && isDigit(this.#text.charCodeAt(offset + 1))))
      return this.#number(offset);
    if (code === 0x22 || code === 0x27) return this.#string(offset, code);
    const text = String.fromCodePoint(this.#text.codePointAt(offset) ?? 0);
    if (!':{}<>[],;-'.includes(text)) {
      throw this.error('SYNTAX', `unexpected ${describeCharacter(text)}`, { kind: 'symbol', text, offset });
    }
    this.#offset++;
    return { kind: 'symbol', text, offset };
  }

  #number(offset: number): Token {
    const text = this.#match(NUMBER);
    const rest = this.#match(NUMBER_REST);
    const token: Token = { kind: 'number', text: text + rest, offset };
    if (rest !== '') throw this.error('SYNTAX', `malformed number '${token.text}'`, token);
    return token;
  }

  // Strings and white space may be long: no regular expressions here, which would run out of stack.
  #string(offset: number, quote: number): Token {
    for (let i = offset + 1; i < this.#text.length; i++) {
      const code = this.#text.charCodeAt(i);
      if (code === quote) {
        this.#offset = i + 1;
        return { kind: 'string', text: this.#text.slice(offset, i + 1), offset };
      }
      if (code === 0x0a || code === 0) break;
      if (code === 0x5c && this.#text.charCodeAt(i + 1) !== 0x0a) i++;
    }
    const text = this.#match(STRING_START);
    throw this.error('SYNTAX', 'this string is not closed on its line', { kind: 'string', text, offset });
  }

  #skipSpace(): void {
    for (;;) {
      const code = this.#text.charCodeAt(this.#offset);
      if (code === 0x20 || (code >= 0x09 && code <= 0x0d)) {
        this.#offset++;
      } else if (code === 0x23) {
        const end = this.#text.indexOf('\n', this.#offset);
        this.#offset = end < 0 ? this.#text.length : end;
      } else {
        return;
      }
    }
  }

  /** Takes what matches here, perhaps nothing. */
  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#offset;
    const text = pattern.exec(this.#text)?.[0] ?? '';
    this.#offset += text.length;
    return text;
  }
}

function isLetter(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a) || code === 0x5f;
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', end + 1)) starts.push(end + 1);
  return starts;
}

function describe(token: Token): string {
  switch (token.kind) {
    case 'end':
      return 'the end of the text';
    case 'string':
      return `the string ${shorten(token.text)}`;
    case 'name':
    case 'number':
    case 'symbol':
      return `'${shorten(token.text)}'`;
    default:
      return token.kind satisfies never;
  }
}

/** A text to quote in a message. */
export function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 50)}…`;
}

function describeCharacter(text: string): string {
  const code = text.codePointAt(0) ?? 0;
  if (code >= 0x20 && code !== 0x7f) return `character '${text}'`;
  return `control character 0x${code.toString(16).padStart(2, '0')} (is this a binary P4Info that was cut or altered?)`;
}
