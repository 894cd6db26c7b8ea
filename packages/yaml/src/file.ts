import { closeSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { messageOf } from '@infra-offload/base';
import { YamlError } from './error.js';
import { formatSize } from './limits.js';

const CHUNK_BYTES = 64 * 1024;

/**
 * The text of a file of at most `maxBytes`; of a longer one, or an endless one such as a device, no more is read.
 *
 * @throws {YamlError} UNREADABLE with the system's error as its cause, LIMIT, ENCODING
 */
export function readTextFileSync(file: string, maxBytes: number): string {
  const pieces = new Pieces(file, maxBytes);
  try {
    const descriptor = openSync(file, 'r');
    try {
      while (pieces.add(readSync(descriptor, pieces.next))) {}
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    throw unreadable(file, error);
  }
  return pieces.text();
}

/** As {@link readTextFileSync}, while others get their turn. */
export async function readTextFile(file: string, maxBytes: number): Promise<string> {
  const pieces = new Pieces(file, maxBytes);
  try {
    const handle = await open(file, 'r');
    try {
      while (pieces.add((await handle.read(pieces.next)).bytesRead)) {}
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw unreadable(file, error);
  }
  return pieces.text();
}

class Pieces {
  readonly #file: string;
  readonly #maxBytes: number;
  readonly #pieces: Buffer[] = [];
  #size = 0;
  /** Where the next piece is to be read to. */
  next = Buffer.allocUnsafe(CHUNK_BYTES);

  constructor(file: string, maxBytes: number) {
    this.#file = file;
    this.#maxBytes = maxBytes;
  }

  /** Tells whether there may be more. */
  add(bytes: number): boolean {
    if (bytes === 0) return false;
    this.#size += bytes;
    if (this.#size > this.#maxBytes) {
      throw new YamlError('LIMIT', `has more than ${formatSize(this.#maxBytes)}`, {
        details: { file: this.#file },
      });
    }
    this.#pieces.push(this.next.subarray(0, bytes));
    this.next = Buffer.allocUnsafe(Math.min(this.next.length * 2, 1024 * 1024));
    return true;
  }

  text(): string {
    return decodeText(Buffer.concat(this.#pieces, this.#size), this.#file);
  }
}

/**
 * Bytes as text: UTF-8, whose byte order mark stays, and in which U+FFFD stands for what is none, as in Kubernetes.
 *
 * @throws {YamlError} ENCODING for UTF-16 and UTF-32
 */
export function decodeText(bytes: Buffer, file?: string): string {
  const isUtf16 = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff);
  // Text begins with an ASCII character, of which the wider encodings pad out with zeros.
  if (isUtf16 || bytes[0] === 0 || bytes[1] === 0) {
    const position = { line: 1, column: 1 };
    throw new YamlError('ENCODING', 'is UTF-16 or binary: save it as UTF-8', { details: { file, position } });
  }
  return bytes.toString('utf8');
}

function unreadable(file: string, error: unknown): YamlError {
  if (YamlError.is(error)) return error;
  const message = messageOf(error);
  return new YamlError('UNREADABLE', `cannot be read: ${message.replace(/, \w+( '.*')?$/, '')}`, {
    details: { file },
    cause: error,
  });
}
