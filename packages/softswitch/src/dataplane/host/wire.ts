/** The encoding of the control protocol of data plane hosts (tools/swx-host/README.md): little endian, lengths in front. */

const utf8 = { encoder: new TextEncoder(), decoder: new TextDecoder() };

/** Grows as it is written to. */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(capacity = 256) {
    this.#buffer = Buffer.allocUnsafe(capacity);
  }

  get length(): number {
    return this.#length;
  }

  u8(value: number): this {
    const at = this.#reserve(1);
    this.#buffer.writeUInt8(value, at);
    return this;
  }

  u16(value: number): this {
    const at = this.#reserve(2);
    this.#buffer.writeUInt16LE(value, at);
    return this;
  }

  u32(value: number): this {
    const at = this.#reserve(4);
    this.#buffer.writeUInt32LE(value, at);
    return this;
  }

  u64(value: bigint): this {
    const at = this.#reserve(8);
    this.#buffer.writeBigUInt64LE(BigInt.asUintN(64, value), at);
    return this;
  }

  bytes(bytes: Uint8Array): this {
    const at = this.#reserve(bytes.length);
    this.#buffer.set(bytes, at);
    return this;
  }

  /** Bytes with a length of 32 bits in front. */
  blob(bytes: Uint8Array): this {
    return this.u32(bytes.length).bytes(bytes);
  }

  text(text: string): this {
    const bytes = utf8.encoder.encode(text);
    return this.u16(bytes.length).bytes(bytes);
  }

  /** An unsigned integer of `width` bytes in network byte order, as keys and parameters are. */
  integer(value: number | bigint, width: number): this {
    const at = this.#reserve(width);
    const buffer = this.#buffer;
    if (typeof value === 'number' && width <= 4) {
      for (let i = width - 1, rest = value; i >= 0; i--, rest >>>= 8) buffer[at + i] = rest & 0xff;
    } else {
      let rest = BigInt(value);
      for (let i = width - 1; i >= 0; i--, rest >>= 8n) buffer[at + i] = Number(rest & 0xffn);
    }
    return this;
  }

  /** Writes a number where there was one before. */
  patchU32(at: number, value: number): this {
    this.#buffer.writeUInt32LE(value, at);
    return this;
  }

  /** What has been written: a view that the next write may change. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Makes room, perhaps in another buffer. */
  #reserve(size: number): number {
    const at = this.#length;
    this.#length += size;
    if (this.#length > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length));
      grown.set(this.#buffer.subarray(0, at));
      this.#buffer = grown;
    }
    return at;
  }
}

/** Reads a message; a RangeError if it is shorter than what is read. */
export class ByteReader {
  #at = 0;

  readonly #buffer: Buffer;

  constructor(buffer: Buffer) {
    this.#buffer = buffer;
  }

  get atEnd(): boolean {
    return this.#at >= this.#buffer.length;
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#skip(1));
  }

  u16(): number {
    return this.#buffer.readUInt16LE(this.#skip(2));
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#skip(4));
  }

  u64(): bigint {
    return this.#buffer.readBigUInt64LE(this.#skip(8));
  }

  /** A counter as a number; they stay below 2^53. */
  count(): number {
    return Number(this.u64());
  }

  /** A view of the message. */
  bytes(length: number): Uint8Array {
    const at = this.#skip(length);
    if (this.#at > this.#buffer.length) throw new RangeError('the message is too short');
    return this.#buffer.subarray(at, at + length);
  }

  /** The reverse of {@link ByteWriter.blob}. */
  blob(): Uint8Array {
    return this.bytes(this.u32());
  }

  /** The reverse of {@link ByteWriter.integer}: a number up to 4 bytes, a bigint beyond. */
  integer(width: number): number | bigint {
    const at = this.#skip(width);
    if (this.#at > this.#buffer.length) throw new RangeError('the message is too short');
    const buffer = this.#buffer;
    if (width <= 4) {
      let value = 0;
      for (let i = 0; i < width; i++) value = value * 256 + (buffer[at + i] ?? 0);
      return value;
    }
    let value = 0n;
    let i = width % 4;
    for (let j = 0; j < i; j++) value = (value << 8n) | BigInt(buffer[at + j] ?? 0);
    for (; i < width; i += 4) value = (value << 32n) | BigInt(buffer.readUInt32BE(at + i));
    return value;
  }

  /** Bytes that have not been read. */
  get rest(): number {
    return this.#buffer.length - this.#at;
  }

  text(): string {
    return utf8.decoder.decode(this.bytes(this.u16()));
  }

  list<T>(count: number, read: () => T): T[] {
    return Array.from({ length: count }, read);
  }

  #skip(size: number): number {
    const at = this.#at;
    this.#at += size;
    return at;
  }
}
