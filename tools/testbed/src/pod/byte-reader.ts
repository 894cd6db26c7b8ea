import type { Socket } from 'node:net';

/** Reads a socket piece by piece. Only one read may wait at a time. */
export class ByteReader {
  #buffered: Buffer = Buffer.alloc(0);
  #failure: Error | undefined;
  #wake: (() => void) | undefined;

  constructor(socket: Socket) {
    socket.on('data', (data: Buffer) => {
      this.#buffered = Buffer.concat([this.#buffered, data]);
      this.#wake?.();
    });
    socket.on('error', (error) => {
      this.#failure ??= error;
    });
    socket.on('close', () => {
      this.#failure ??= new Error('the connection ended');
      this.#wake?.();
    });
  }

  /** @throws Error when the connection ends before `size` bytes are there */
  exactly(size: number): Promise<Buffer> {
    return this.#take(() => (this.#buffered.length >= size ? size : undefined));
  }

  /** A line without its end. */
  async line(): Promise<string> {
    const line = await this.#take(() => {
      const end = this.#buffered.indexOf(0x0a);
      return end < 0 ? undefined : end + 1;
    });
    return line.toString('utf8', 0, line.length - 1);
  }

  async #take(sizeIfThere: () => number | undefined): Promise<Buffer> {
    for (;;) {
      const size = sizeIfThere();
      if (size !== undefined) {
        const taken = this.#buffered.subarray(0, size);
        this.#buffered = this.#buffered.subarray(size);
        return taken;
      }
      if (this.#failure) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
