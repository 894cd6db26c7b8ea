/** Types of HTTP/2 frames that matter here (RFC 9113, 6). */
export const FrameType = {
  data: 0x0,
  headers: 0x1,
  rstStream: 0x3,
  settings: 0x4,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const;

export const Flag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4, padded: 0x8 } as const;

/** The nine octets before each frame's payload (RFC 9113, 4.1). */
export interface FrameHeader {
  readonly length: number;
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
}

/** What is told of frames, in the order of the bytes. */
export interface FrameSink {
  begin(frame: FrameHeader): void;
  /** The next piece of the payload, not empty. */
  payload(frame: FrameHeader, bytes: Uint8Array): void;
  /** Called when the frame is complete. True: nothing behind it is to be read yet. */
  end(frame: FrameHeader): boolean;
}

const HEADER_SIZE = 9;

/** Follows the frames in a stream of bytes that come in pieces. Keeps nothing of them, and takes any bytes for frames. */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #header = Buffer.alloc(HEADER_SIZE);
  #headerBytes = 0;
  #frame: FrameHeader | undefined;
  #left = 0;
  /** Bytes before the first frame that are still to come. */
  #preface: number;

  /** @param preface bytes before the first frame: 24 for what a client sends (RFC 9113, 3.4) */
  constructor(sink: FrameSink, preface: number) {
    this.#sink = sink;
    this.#preface = preface;
  }

  /** Reads on from `from`; gives where it stopped, which is the end unless the sink wanted to stop. */
  read(bytes: Buffer, from = 0): number {
    let at = from;
    if (this.#preface > 0) {
      const skipped = Math.min(this.#preface, bytes.length - at);
      this.#preface -= skipped;
      at += skipped;
    }
    while (at < bytes.length) {
      if (this.#frame === undefined) {
        const taken = Math.min(HEADER_SIZE - this.#headerBytes, bytes.length - at);
        bytes.copy(this.#header, this.#headerBytes, at, at + taken);
        this.#headerBytes += taken;
        at += taken;
        if (this.#headerBytes < HEADER_SIZE) break;
        this.#headerBytes = 0;
        this.#frame = parse(this.#header);
        this.#left = this.#frame.length;
        this.#sink.begin(this.#frame);
      }
      const frame = this.#frame;
      const piece = Math.min(this.#left, bytes.length - at);
      if (piece > 0) this.#sink.payload(frame, bytes.subarray(at, at + piece));
      this.#left -= piece;
      at += piece;
      if (this.#left > 0) break;
      this.#frame = undefined;
      if (this.#sink.end(frame)) break;
    }
    return at;
  }
}

function parse(header: Buffer): FrameHeader {
  return {
    length: header.readUIntBE(0, 3),
    type: header.readUInt8(3),
    flags: header.readUInt8(4),
    stream: header.readUInt32BE(5) & 0x7fff_ffff,
  };
}
