const NEWLINE = 0x0a;

/**
 * Cuts a stream of bytes into lines, however it arrives: a line is decoded as a whole, so chunks may end within a
 * character. Empty lines are left out.
 */
export class LineSplitter {
  readonly #maxBytes: number;
  #pieces: Uint8Array[] = [];
  #size = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Bytes of a line whose end has not come. */
  get pending(): number {
    return this.#size;
  }

  /**
   * The lines that end in this chunk.
   *
   * @throws {RangeError} for a line of more than `maxBytes`; the lines before it have been given out.
   */
  *push(chunk: Uint8Array): Generator<string> {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      const line = this.#take(chunk.subarray(start, end));
      start = end + 1;
      if (line !== '') yield line;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  #take(last: Uint8Array): string {
    this.#check(last.length);
    const line =
      this.#pieces.length === 0 ? last : Buffer.concat([...this.#pieces, last], this.#size + last.length);
    this.#pieces = [];
    this.#size = 0;
    return Buffer.from(line.buffer, line.byteOffset, line.byteLength).toString('utf8').trim();
  }

  #keep(piece: Uint8Array): void {
    this.#check(piece.length);
    this.#pieces.push(piece);
    this.#size += piece.length;
  }

  #check(more: number): void {
    if (this.#size + more > this.#maxBytes)
      throw new RangeError(`a line of more than ${this.#maxBytes} bytes`);
  }
}
