import { SwxError } from '../errors.js';
import type { FieldOperand, Operand, SpecField } from '../spec.js';
import { type HeaderLayout, type Layout, wordCount } from './layout.js';

/** A value in generated code: JavaScript expressions for its words (int32, most significant first). */
export interface Value {
  readonly words: readonly string[];
  /** The value is known to be below 2^bits. */
  readonly bits: number;
}

/** Reads and writes fields in generated code. `args` tells the words of the action's parameters. */
export class Fields {
  readonly #layout: Layout;
  readonly #args: ReadonlyMap<SpecField, number>;
  readonly #where: (line: number) => string;

  constructor(layout: Layout, args: ReadonlyMap<SpecField, number>, where: (line: number) => string) {
    this.#layout = layout;
    this.#args = args;
    this.#where = where;
  }

  header(operand: { readonly header: HeaderLayout['header'] }): HeaderLayout {
    const header = this.#layout.headers.get(operand.header);
    if (header === undefined)
      throw new SwxError('NOT_FOUND', `header '${operand.header.name}' is not in the spec`);
    return header;
  }

  metadataWord(field: SpecField): number {
    const word = this.#layout.metadata.get(field);
    if (word === undefined)
      throw new SwxError('NOT_FOUND', `metadata field '${field.name}' is not in the spec`);
    return word;
  }

  bits(operand: FieldOperand, line: number): number {
    if (operand.kind === 'mailbox') throw this.#mailbox(operand.text, line);
    return operand.field.bits;
  }

  read(operand: Operand, line: number): Value {
    switch (operand.kind) {
      case 'immediate':
        return immediate(operand.value);
      case 'metadata': {
        const word = this.metadataWord(operand.field);
        const { bits } = operand.field;
        return { bits, words: Array.from({ length: wordCount(bits) }, (_, i) => `M[${word + i}]`) };
      }
      case 'argument': {
        const word = this.#args.get(operand.field) ?? 0;
        const { bits } = operand.field;
        return { bits, words: Array.from({ length: wordCount(bits) }, (_, i) => `R[b+${word + i}]`) };
      }
      case 'header':
        return readBytes(this.headerPlace(operand), operand.field.bits);
      case 'mailbox':
        throw this.#mailbox(operand.text, line);
    }
  }

  /** Statements that write a value, cut or zero-extended to the width of the target. */
  write(target: FieldOperand, value: Value, line: number): string {
    if (target.kind === 'mailbox') throw this.#mailbox(target.text, line);
    if (target.kind === 'argument')
      throw new SwxError('SEMANTIC', `${this.#where(line)}: parameters cannot be written`);
    const { bits } = target.field;
    const words = resize(value, bits);
    if (target.kind === 'metadata') {
      const word = this.metadataWord(target.field);
      return together(words, (names) => names.map((name, i) => `M[${word + i}]=${name}`).join(';'));
    }
    const place = this.headerPlace(target);
    return together(words, (names) => writeBytes(place, bits, names));
  }

  /** The offset of a header field in the buffer. */
  headerPlace(operand: { readonly header: HeaderLayout['header']; readonly field: SpecField }): string {
    return plus(`M[${this.header(operand).base}]`, operand.field.offset);
  }

  #mailbox(text: string, line: number): SwxError {
    const message = `${this.#where(line)}: '${text}': this engine has no externs`;
    return new SwxError('UNSUPPORTED', message, { details: { line, token: text } });
  }
}

export const plus = (base: string, offset: number): string => (offset === 0 ? base : `${base}+${offset}`);

export function immediate(value: bigint): Value {
  const bits = Math.max(1, value.toString(2).length);
  const words: string[] = [];
  for (let i = wordCount(bits) - 1; i >= 0; i--)
    words.push(String(Number((value >> BigInt(32 * i)) & 0xffffffffn) | 0));
  return { words, bits };
}

const LITERAL = /^-?\d+$/;
const maskOf = (bits: number): number => (bits >= 32 ? -1 : 2 ** bits - 1);

/** `expression & mask`, or less when that changes nothing. */
export function masked(expression: string, bits: number): string {
  if (bits >= 32) return expression;
  return LITERAL.test(expression)
    ? String(Number(expression) & maskOf(bits))
    : `(${expression})&${maskOf(bits)}`;
}

/** The words of a value for a width: cut or zero-extended. */
export function resize(value: Value, bits: number): string[] {
  const count = wordCount(bits);
  const { words } = value;
  if (words.length < count) return [...Array<string>(count - words.length).fill('0'), ...words];
  const kept = words.slice(words.length - count);
  if (value.bits > bits) kept[0] = masked(kept[0] ?? '0', bits - 32 * (count - 1));
  return kept;
}

export const lowWord = (value: Value): string => value.words.at(-1) ?? '0';

/** Evaluates several words before the first is written, since target and source may overlap. */
function together(words: readonly string[], write: (names: readonly string[]) => string): string {
  const [only] = words;
  if (words.length === 1 && only !== undefined) return `${write([only])};`;
  if (words.every((word) => LITERAL.test(word))) return `${write(words)};`;
  const names = words.map((_, i) => `w${i}`);
  const declarations = words.map((word, i) => `w${i}=${word}`).join(',');
  return `{const ${declarations};${write(names)};}`;
}

/** The value of a big-endian field in the buffer. */
function readBytes(place: string, bits: number): Value {
  const words: string[] = [];
  const top = (bits % 32 || 32) / 8;
  words.push(readPart(place, 0, top));
  for (let at = top; at < bits / 8; at += 4) words.push(readPart(place, at, 4));
  return { bits, words };
}

function readPart(place: string, at: number, bytes: number): string {
  const offset = plus(place, at);
  switch (bytes) {
    case 1:
      return `B[${offset}]`;
    case 2:
      return `D.getUint16(${offset})`;
    case 3:
      return `(B[${offset}]<<16|D.getUint16(${plus(place, at + 1)}))`;
    default:
      return `D.getInt32(${offset})`;
  }
}

function writeBytes(place: string, bits: number, words: readonly string[]): string {
  const top = (bits % 32 || 32) / 8;
  const parts = words.map((word, i) => {
    const at = i === 0 ? 0 : top + 4 * (i - 1);
    return writePart(place, at, i === 0 ? top : 4, word);
  });
  return parts.join(';');
}

function writePart(place: string, at: number, bytes: number, word: string): string {
  const offset = plus(place, at);
  switch (bytes) {
    case 1:
      return `B[${offset}]=${word}`;
    case 2:
      return `D.setInt16(${offset},${word})`;
    case 3:
      return `{const v=${word};B[${offset}]=v>>16;D.setInt16(${plus(place, at + 1)},v)}`;
    default:
      return `D.setInt32(${offset},${word})`;
  }
}
