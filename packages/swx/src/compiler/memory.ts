import { SwxError } from '../errors.js';
import type { ChecksumField, FieldOperand, Instruction, SpecField, SwxSpec } from '../spec.js';
import { type HeaderLayout, wordCount } from './layout.js';
import { type Fields, plus } from './values.js';

/** Code that lays fields out as bytes the way they lie in DPDK's memory, for what hashes memory. */
export interface ByteRange {
  /** Statements that fill the scratch bytes; empty when the bytes are in the packet. */
  readonly before: string;
  readonly array: string;
  readonly from: string;
  readonly bytes: number;
}

const BIG_FIELD_BITS = 64;

/**
 * Statements that store a value in a byte array: headers hold network order, all else little-endian host order, except
 * for fields over 64 bits, which are in network order everywhere.
 */
export function storeBytes(words: readonly string[], bits: number, array: string, at: number): string {
  const count = bits / 8;
  const code: string[] = [];
  for (let i = 0; i < count; i++) {
    // i counts from the least significant byte.
    const word = words[words.length - 1 - Math.floor(i / 4)] ?? '0';
    const place = bits > BIG_FIELD_BITS ? at + count - 1 - i : at + i;
    const amount = 8 * (i % 4);
    code.push(`${array}[${place}]=${amount === 0 ? word : `${word}>>>${amount}`};`);
  }
  return code.join('');
}

/** The bytes of a run of fields in one struct, for `hash` and `rss`. */
export function rangeBytes(
  spec: SwxSpec,
  fields: Fields,
  first: FieldOperand,
  last: FieldOperand,
  line: number,
): ByteRange {
  if (first.kind === 'mailbox' || last.kind === 'mailbox') {
    throw new SwxError('UNSUPPORTED', `${spec.file}:${line}: this engine has no externs`, {
      details: { line },
    });
  }
  const bytes = last.field.offset + last.field.bits / 8 - first.field.offset;
  if (first.kind === 'header') {
    return { before: '', array: 'B', from: fields.headerPlace(first), bytes };
  }
  const struct = first.kind === 'metadata' ? spec.metadata : structOf(spec, first.field);
  const start = struct.fields.indexOf(first.field);
  const end = struct.fields.indexOf(last.field);
  const code = struct.fields.slice(start, end + 1).map((field) => {
    const { words } = fields.read({ kind: first.kind, field }, line);
    return storeBytes(words, field.bits, 'H', field.offset - first.field.offset);
  });
  return { before: code.join(''), array: 'H', from: '0', bytes };
}

function structOf(spec: SwxSpec, field: SpecField) {
  for (const struct of spec.structs.values()) if (struct.fields.includes(field)) return struct;
  throw new SwxError('NOT_FOUND', `field '${field.name}' is in no struct of ${spec.file}`);
}

/**
 * Sum of the 16-bit words of a field, big-endian, as a JavaScript expression. An odd last byte is the high half
 * of a word: one's complement sums are the same in both byte orders, and DPDK adds in the order of memory.
 */
export function checksumTerm(fields: Fields, operand: ChecksumField, line: number): string {
  const { bits } = operand.field;
  const { words } = fields.read(operand, line);
  if (words.length > 2) {
    throw new SwxError('UNSUPPORTED', `a checksum takes fields of at most 64 bits, not ${bits}`, {
      details: { line },
    });
  }
  const halves = (word: string): string => `(${word}>>>16)+(${word}&65535)`;
  const [high = '0', low = '0'] = words.length === 1 ? ['0', ...words] : words;
  if ((bits / 8) % 2 === 0) {
    if (bits === 16) return low;
    return bits === 32 ? halves(low) : `${halves(high)}+${halves(low)}`;
  }
  // Odd: the value times 256, so that it starts at a 16-bit boundary.
  const shiftedLow = `(${low}<<8)`;
  if (bits === 8) return shiftedLow;
  if (bits === 24) return halves(shiftedLow);
  return `${halves(`(${high}<<8|${low}>>>24)`)}+${halves(shiftedLow)}`;
}

/** `dma`: the parameters from the named one on become the bytes of a header, which is valid then. */
export function dmaCode(
  spec: SwxSpec,
  fields: Fields,
  layout: HeaderLayout,
  instruction: Extract<Instruction, { op: 'dma' }>,
): string {
  const { header, source, line } = instruction;
  const struct = structOf(spec, source.field);
  const wanted = header.struct.bytes;
  const code = [validateCode(layout)];
  let at = 0;
  for (const field of struct.fields.slice(struct.fields.indexOf(source.field))) {
    if (at >= wanted) break;
    const { words } = fields.read({ kind: 'argument', field }, line);
    code.push(networkBytes(words, field.bits, layout.base, at));
    at += field.bits / 8;
  }
  if (at !== wanted) {
    const message = `${spec.file}:${line}: the parameters from '${source.field.name}' on do not make up the ${wanted} bytes of '${header.name}'`;
    throw new SwxError('SEMANTIC', message, { details: { line, token: source.field.name } });
  }
  return code.join('');
}

function networkBytes(words: readonly string[], bits: number, base: number, at: number): string {
  const code: string[] = [];
  for (let i = 0; i < bits / 8; i++) {
    const word = words[wordCount(bits) - 1 - Math.floor(i / 4)] ?? '0';
    const amount = 8 * (i % 4);
    const place = plus(`M[${base}]`, at + bits / 8 - 1 - i);
    code.push(`B[${place}]=${amount === 0 ? word : `${word}>>>${amount}`};`);
  }
  return code.join('');
}

/** `validate`: a header that is valid stays where it is, another one is in its scratch space. */
export function validateCode({ valid, base, scratch, length, fixedBytes }: HeaderLayout): string {
  const size = length === undefined ? '' : `M[${length}]=${fixedBytes};`;
  return `if(M[${valid}]===0){M[${base}]=${scratch};M[${valid}]=1;${size}}`;
}

/** Size in bytes of a header in generated code. */
export function headerBytes({ length, fixedBytes }: HeaderLayout): string {
  return length === undefined ? String(fixedBytes) : `M[${length}]`;
}
