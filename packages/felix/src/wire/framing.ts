import { FelixError } from '../errors.js';

/** Length of what precedes each message: its length in bytes, little-endian. */
const HEADER_BYTES = 8;

/** More than Felix ever sends: it splits IP sets into messages of a few megabytes. */
export const DEFAULT_MAX_FRAME_BYTES = 64 * 1024 * 1024;

/** A message as Felix and its dataplane driver exchange them: 8 bytes of length, little-endian, then the message. */
export function encodeFrame(message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES + message.length);
  new DataView(frame.buffer).setBigUint64(0, BigInt(message.length), true);
  frame.set(message, HEADER_BYTES);
  return frame;
}

/** Takes the messages out of a stream, however it is cut into chunks. */
export class FrameDecoder {
  readonly #maxFrameBytes: number;
  /** What has come and was not handed out. */
  readonly #chunks: Uint8Array[] = [];
  #available = 0;
  /** Of the message under way; undefined while its header is not complete. */
  #length: number | undefined;
  #isBroken = false;

  /** @param maxFrameBytes longest message that is taken. */
  constructor(maxFrameBytes: number = DEFAULT_MAX_FRAME_BYTES) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /**
   * The messages that are complete with `chunk`. Memory is taken for what has come, not for what a header promises.
   *
   * @throws FelixError FRAME_TOO_LARGE, and from then on for every chunk; the messages before it have been handed out.
   */
  *push(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
    if (chunk.length > 0) {
      this.#chunks.push(chunk);
      this.#available += chunk.length;
    }
    for (;;) {
      if (this.#isBroken) throw new FelixError('FRAME_TOO_LARGE', 'an earlier frame was too large');
      if (this.#length === undefined) {
        if (this.#available < HEADER_BYTES) return;
        this.#length = this.#readLength(this.#take(HEADER_BYTES));
      }
      if (this.#available < this.#length) return;
      const message = this.#take(this.#length);
      this.#length = undefined;
      yield message;
    }
  }

  /** To be called when the stream has ended. @throws FelixError TRUNCATED_FRAME if it did so within a frame. */
  end(): void {
    if (this.#length === undefined && this.#available === 0) return;
    const expected = this.#length === undefined ? `a header of ${HEADER_BYTES}` : String(this.#length);
    throw new FelixError(
      'TRUNCATED_FRAME',
      `the stream ended within a frame: ${this.#available} of ${expected} bytes have come`,
    );
  }

  #readLength(header: Uint8Array): number {
    const length = new DataView(header.buffer, header.byteOffset, HEADER_BYTES).getBigUint64(0, true);
    if (length <= BigInt(this.#maxFrameBytes)) return Number(length);
    this.#isBroken = true;
    throw new FelixError(
      'FRAME_TOO_LARGE',
      `a frame of ${length} bytes is larger than the limit of ${this.#maxFrameBytes}; the other side may not speak this protocol`,
      { details: { length, limit: this.#maxFrameBytes } },
    );
  }

  /** Removes the first `length` bytes, which must be there. */
  #take(length: number): Uint8Array {
    this.#available -= length;
    const first = this.#chunks[0];
    if (first !== undefined && first.length >= length) {
      if (first.length === length) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(length);
      return first.subarray(0, length);
    }
    const bytes = new Uint8Array(length);
    let filled = 0;
    let used = 0;
    for (const chunk of this.#chunks) {
      const part = chunk.subarray(0, length - filled);
      bytes.set(part, filled);
      filled += part.length;
      if (part.length < chunk.length) {
        this.#chunks[used] = chunk.subarray(part.length);
        break;
      }
      used += 1;
    }
    this.#chunks.splice(0, used);
    return bytes;
  }
}
