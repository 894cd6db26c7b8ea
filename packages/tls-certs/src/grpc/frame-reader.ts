/** Types of HTTP/2 frames (RFC 9113, 6). */
export const FrameType = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goaway: 0x7,
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
/** What a client says before its first frame (RFC 9113, 3.4). */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Follows the frames in a stream of bytes that come in pieces. Keeps nothing of them, and takes any bytes for frames. */
export class FrameReader {
  readonly #sink: FrameSink;
  readonly #header = Buffer.alloc(HEADER_SIZE);
  #headerBytes = 0;
  #frame: FrameHeader | undefined;
  #left = 0;
  /** What is still to come before the first frame. */
  #preface: Buffer;
  #isPrefaceWrong = false;

  /** @param preface what comes before the first frame. Default: nothing */
  constructor(sink: FrameSink, preface: Buffer = Buffer.alloc(0)) {
    this.#sink = sink;
    this.#preface = preface;
  }

  /** Whether something else than the preface was read. */
  get isPrefaceWrong(): boolean {
    return this.#isPrefaceWrong;
  }

  /** Reads on from `from`; gives where it stopped, which is the end unless the sink wanted to stop. */
  read(bytes: Buffer, from = 0): number {
    let at = from;
    if (this.#preface.length > 0) {
      const start = bytes.subarray(at, at + this.#preface.length);
      if (!start.equals(this.#preface.subarray(0, start.length))) this.#isPrefaceWrong = true;
      this.#preface = this.#preface.subarray(start.length);
      at += start.length;
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
