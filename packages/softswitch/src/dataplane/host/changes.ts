import { BATCH_COMMIT } from './protocol.js';
import { ByteWriter } from './wire.js';

/** Bytes of changes in one message; those of a commit are staged piece by piece when there are more. */
const BATCH_BYTES = 8 << 20;

interface Part {
  readonly writer: ByteWriter;
  count: number;
}

/** Changes that become live together, as the bodies of the BATCH messages that carry them. */
export class Changes {
  readonly #parts: Part[] = [];

  get empty(): boolean {
    return this.#parts.length === 0;
  }

  /** Where one more change is to be written. */
  next(): ByteWriter {
    let part = this.#parts.at(-1);
    if (part === undefined || part.writer.length >= BATCH_BYTES) {
      // Flags and number of changes are known in the end.
      part = { writer: new ByteWriter(4096).u8(0).u32(0), count: 0 };
      this.#parts.push(part);
    }
    part.count++;
    return part.writer;
  }

  /** The bodies; the last one commits them all. */
  bodies(): Uint8Array[] {
    return this.#parts.map(({ writer, count }, i) => {
      const body = writer.view();
      body[0] = i === this.#parts.length - 1 ? BATCH_COMMIT : 0;
      new DataView(body.buffer, body.byteOffset).setUint32(1, count, true);
      return body;
    });
  }
}
