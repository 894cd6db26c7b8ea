import { P4InfoError, type P4InfoWarning } from './errors.js';
import { descriptorSetBase64 } from './gen/descriptor-set.js';
import { P4Info } from './proto.js';
import type { Position } from './text/lexer.js';
import { textToWire } from './text/reader.js';
import { type MessageType, Schema } from './text/schema.js';
import { checkWire } from './wire/check.js';

/** What is told while reading. */
export interface ReadListener {
  readonly onWarning: (warning: P4InfoWarning) => void;
  /** Called for each object of the text, with its path (`tables[3]`) and where it begins. */
  readonly onObject: (path: string, position: Position) => void;
}

let loaded: { readonly schema: Schema; readonly type: MessageType } | undefined;

/** The types of P4Info, read from their descriptors once. */
export function p4InfoTypes() {
  if (loaded === undefined) {
    const schema = new Schema(Buffer.from(descriptorSetBase64, 'base64'));
    const type = schema.message('p4.config.v1.P4Info');
    if (type === undefined) throw new Error('the embedded descriptors have no p4.config.v1.P4Info');
    loaded = { schema, type };
  }
  return loaded;
}

/**
 * Reads a P4Info in protobuf text format or in binary.
 *
 * A string is text. Bytes are
 * 1. text, if they start with a UTF-8 byte order mark;
 * 2. binary, if they are a complete P4Info message: one with known fields only, or, if they hold control characters other
 *    than white space, which text does not, also one with fields of a newer version;
 * 3. binary that is damaged, if there are such control characters in the first kilobyte;
 * 4. text.
 *
 * No text is a complete message but by intent: its first characters would have to be a tag and a length that fits. No binary
 * of any size goes without control characters: the tag of tables is one, and so are most lengths.
 *
 * @throws P4InfoError as {@link P4Program.parse}
 */
export function readP4Info(input: string | Uint8Array, listener: ReadListener): P4Info {
  if (typeof input !== 'string' && !isBytes(input)) {
    const given = input === null ? 'null' : typeof input;
    throw new P4InfoError('VALUE_TYPE', `a P4Info is read from a string or a Uint8Array, not ${given}`);
  }
  return P4Info.decode(typeof input === 'string' ? readText(input, listener) : readBytes(input, listener));
}

/**
 * The message of a P4Info in text or in binary, told apart as {@link P4Program.parse} does. It is not checked for what makes a
 * sound program: `P4Program.fromP4Info` does that. {@link writeP4Info} is the inverse.
 *
 * @param options `onWarning` is called for each field that is not known here
 * @throws P4InfoError `SYNTAX`, `FIELD` or `ENCODING`, with line and column; `CORRUPT`, with offset and path; `EMPTY`; `VALUE_TYPE`
 */
export function parseP4Info(
  input: string | Uint8Array,
  options: { readonly onWarning?: (warning: P4InfoWarning) => void } = {},
): P4Info {
  return readP4Info(input, { onWarning: options.onWarning ?? ignore, onObject: ignore });
}

function ignore(): void {}

/** Also those of another realm. */
function isBytes(input: unknown): boolean {
  return Object.prototype.toString.call(input) === '[object Uint8Array]';
}

function readBytes(bytes: Uint8Array, listener: ReadListener): Uint8Array {
  if (bytes.length === 0) throw new P4InfoError('EMPTY', 'the P4Info is empty (0 bytes)');
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw new P4InfoError('ENCODING', 'this is UTF-16 text; P4Info text is UTF-8');
  }
  const hasByteOrderMark = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
  if (hasByteOrderMark || !isBinary(bytes)) return readText(decodeUtf8(bytes), listener);
  checkWire(bytes, p4InfoTypes().type, ({ path, number, offset }) => {
    const owner = path === '' ? 'P4Info' : path;
    listener.onWarning({
      message: `field ${number} of ${owner} (at byte ${offset}) is not known; it is kept as it is`,
    });
  });
  // The message must not change with the caller's memory.
  return new Uint8Array(bytes);
}

function isBinary(bytes: Uint8Array): boolean {
  const newerFields = bytes.some(isControl);
  try {
    checkWire(bytes, p4InfoTypes().type, ({ offset }) => {
      if (!newerFields) throw new P4InfoError('CORRUPT', 'not known', { details: { offset } });
    });
    return true;
  } catch (error) {
    if (!P4InfoError.is(error)) throw error;
    return bytes.subarray(0, 1024).some(isControl);
  }
}

/** A control character that is no white space. */
function isControl(byte: number): boolean {
  return byte < 0x20 && (byte < 0x09 || byte > 0x0d);
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    const { line, column } = firstInvalid(bytes);
    const message = `${line}:${column}: the text is not UTF-8`;
    throw new P4InfoError('ENCODING', message, { details: { line, column }, cause });
  }
}

/** Where decoding leniently first gives other bytes back. */
function firstInvalid(bytes: Uint8Array): { readonly line: number; readonly column: number } {
  let line = 1;
  let start = 0;
  for (let i = 0; i <= bytes.length; i++) {
    if (i < bytes.length && bytes[i] !== 0x0a) continue;
    const text = new TextDecoder('utf-8').decode(bytes.subarray(start, i));
    const encoded = Buffer.from(text);
    const differs = encoded.findIndex((byte, index) => byte !== bytes[start + index]);
    if (differs >= 0) return { line, column: encoded.subarray(0, differs).toString('utf8').length + 1 };
    line++;
    start = i + 1;
  }
  return { line, column: 1 };
}

function readText(text: string, { onWarning, onObject }: ReadListener): Uint8Array {
  const withoutMark = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  if (withoutMark.trim() === '')
    throw new P4InfoError('EMPTY', 'the P4Info is empty: there is nothing but white space');
  const { schema, type } = p4InfoTypes();
  let first: P4InfoWarning | undefined;
  const counts = new Map<string, number>();
  const wire = textToWire(withoutMark, type, {
    schema,
    onWarning: (warning) => {
      first ??= warning;
      onWarning(warning);
    },
    onMessage: (field, position) => {
      const count = counts.get(field) ?? 0;
      counts.set(field, count + 1);
      onObject(`${field}[${count}]`, position);
    },
  });
  // Comments alone are a P4Info without fields, as protobuf prints it with its usual header.
  if (wire.length > 0 || first === undefined) return wire;
  const found = `${first.line}:${first.column}: ${first.message}`;
  throw new P4InfoError('EMPTY', `there is no field of P4Info in the text; found ${found}`);
}
