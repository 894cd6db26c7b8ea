import { connect, type Socket } from 'node:net';
import { SoftswitchError } from '../../errors.js';
import { decodeAnswer, encodeRequest, HEADER_BYTES, type Operation } from './protocol.js';
import type { ByteReader } from './wire.js';

interface Waiting {
  readonly resolve: (answer: ByteReader) => void;
  readonly reject: (error: Error) => void;
}

/** A connection to swx-host whose requests are answered in their order, without holding up this process. */
export class Channel {
  readonly #waiting: Waiting[] = [];
  #received: Buffer[] = [];
  #length = 0;
  #sequence = 0;
  #closed = false;

  private constructor(private readonly socket: Socket) {
    socket.on('data', (data: Buffer) => this.#receive(data));
    socket.on('error', () => this.close());
    socket.on('close', () => this.close());
  }

  static open(path: string): Promise<Channel> {
    return new Promise((resolve, reject) => {
      const socket = connect(path);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new Channel(socket));
      });
      socket.once('error', reject);
    });
  }

  /** UNAVAILABLE if the connection is lost; what the host refuses, with its code. */
  request(operation: Operation, body: Uint8Array): Promise<ByteReader> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(lost());
        return;
      }
      this.#waiting.push({ resolve, reject });
      this.socket.write(encodeRequest(this.#sequence++, operation, body));
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.socket.destroy();
    for (const { reject } of this.#waiting.splice(0)) reject(lost());
  }

  #receive(data: Buffer): void {
    this.#received.push(data);
    this.#length += data.length;
    for (;;) {
      const head = this.#received[0];
      if (head === undefined || this.#length < HEADER_BYTES) return;
      const all = head.length >= HEADER_BYTES ? head : this.#join();
      const size = all.readUInt32LE(0) + 4;
      if (this.#length < size) return;
      const whole = this.#join();
      this.#received = whole.length > size ? [whole.subarray(size)] : [];
      this.#length -= size;
      this.#answer(whole.readUInt16LE(8), whole.subarray(HEADER_BYTES, size));
    }
  }

  #join(): Buffer {
    const all = this.#received.length === 1 ? this.#received[0] : undefined;
    const joined = all ?? Buffer.concat(this.#received);
    this.#received = [joined];
    return joined;
  }

  #answer(status: number, body: Buffer): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) return;
    try {
      waiting.resolve(decodeAnswer(status, body));
    } catch (error) {
      waiting.reject(SoftswitchError.from(error));
    }
  }
}

export function lost(): SoftswitchError {
  return new SoftswitchError('UNAVAILABLE', 'the connection to swx-host is lost; it is being restarted');
}
