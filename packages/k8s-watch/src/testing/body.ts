import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import type { Fault } from './faults.js';

/** The body of an answer, with what is to go wrong with it. */
export class Body {
  readonly #response: ServerResponse;
  readonly #pieceBytes: number | undefined;
  #bytesLeft: number;
  #stalled = false;
  #queue: Promise<void> = Promise.resolve();

  constructor(response: ServerResponse, faults: readonly Fault[]) {
    this.#response = response;
    this.#bytesLeft = Math.min(
      ...faults.map((fault) => (fault.type === 'cut' ? (fault.afterBytes ?? Infinity) : Infinity)),
      Infinity,
    );
    this.#pieceBytes = faults.find((fault) => fault.type === 'pieces')?.bytes;
  }

  write(text: string): void {
    if (this.#stalled) return;
    const bytes = Buffer.from(text, 'utf8');
    if (this.#pieceBytes === undefined) this.#put(bytes);
    else this.#queue = this.#queue.then(() => this.#putInPieces(bytes, this.#pieceBytes ?? bytes.length));
  }

  /** Nothing more comes, and nothing ends. */
  stall(): void {
    this.#stalled = true;
  }

  cut(): void {
    this.#stalled = true;
    this.#queue = this.#queue.then(() => {
      // What has been written shall arrive.
      const { socket } = this.#response;
      socket?.end(() => socket.destroy());
    });
  }

  end(): void {
    if (this.#stalled) return;
    this.#stalled = true;
    this.#queue = this.#queue.then(() => {
      this.#response.end();
    });
  }

  #put(bytes: Buffer): void {
    if (bytes.length < this.#bytesLeft) {
      this.#bytesLeft -= bytes.length;
      this.#response.write(bytes);
      return;
    }
    this.#response.write(bytes.subarray(0, this.#bytesLeft));
    this.#bytesLeft = 0;
    this.cut();
  }

  async #putInPieces(bytes: Buffer, size: number): Promise<void> {
    for (let i = 0; i < bytes.length && this.#bytesLeft > 0; i += size) {
      this.#put(bytes.subarray(i, i + size));
      await turn();
    }
  }
}
