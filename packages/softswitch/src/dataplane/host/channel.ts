import { connect, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { isSystemError } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import { SoftswitchError } from '../../errors.js';
import {
  decodeAnswer,
  EVENT,
  encodeRequest,
  HEADER_BYTES,
  LENGTH_BYTES,
  type Operation,
} from './protocol.js';
import { ByteReader } from './wire.js';

interface Waiting {
  readonly operation: Operation;
  /** When it was asked for, by `performance.now`. */
  readonly since: number;
  readonly resolve: (answer: ByteReader) => void;
  readonly reject: (error: Error) => void;
}

/** What a host has not answered yet for longest. */
export interface Outstanding {
  readonly operation: Operation;
  readonly milliseconds: number;
}

/** How long, and how often, a host is asked that accepts no more connections for now. */
const CONNECT_MS = 10_000;
const RETRY_MS = 10;

/** A connection to a data plane host whose requests are answered in their order, without holding up this process. */
export class Channel {
  readonly #socket: Socket;
  readonly #waiting: Waiting[] = [];
  #received: Buffer[] = [];
  #length = 0;
  #sequence = 0;
  #closed = false;
  #onClose: () => void = () => undefined;
  #onEvent: (event: number, body: ByteReader) => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    const guard = new Guard(() => this.close());
    socket.on(
      'data',
      guard.handler((data: Buffer) => this.#receive(data)),
    );
    socket.on(
      'error',
      guard.handler(() => this.close()),
    );
    socket.on(
      'close',
      guard.handler(() => this.close()),
    );
  }

  /** Connects. A host that has too many connections to accept yet is asked again, for as long as one may hang. */
  static async open(path: string): Promise<Channel> {
    const deadline = performance.now() + CONNECT_MS;
    for (;;) {
      try {
        return new Channel(await connected(path));
      } catch (error) {
        if (!isQueueFull(error) || performance.now() > deadline) throw error;
      }
      await setTimeout(RETRY_MS);
    }
  }

  /** Told once, when the connection is lost or closed. */
  onClose(listener: () => void): void {
    this.#onClose = listener;
  }

  /** Told of what is no answer. */
  onEvent(listener: (event: number, body: ByteReader) => void): void {
    this.#onEvent = listener;
  }

  get outstanding(): Outstanding | undefined {
    const [oldest] = this.#waiting;
    return (
      oldest && { operation: oldest.operation, milliseconds: Math.round(performance.now() - oldest.since) }
    );
  }

  /** UNAVAILABLE if the connection is lost; what the host refuses, with its code. */
  request(operation: Operation, body: Uint8Array): Promise<ByteReader> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(lost());
        return;
      }
      this.#waiting.push({ operation, since: performance.now(), resolve, reject });
      this.#sequence = (this.#sequence + 1) % EVENT;
      this.#socket.write(encodeRequest(this.#sequence, operation, body));
    });
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    for (const { reject } of this.#waiting.splice(0)) reject(lost());
    this.#onClose();
  }

  #receive(data: Buffer): void {
    this.#received.push(data);
    this.#length += data.length;
    for (;;) {
      const head = this.#received[0];
      if (head === undefined || this.#length < HEADER_BYTES) return;
      const all = head.length >= HEADER_BYTES ? head : this.#join();
      const size = all.readUInt32LE(0) + LENGTH_BYTES;
      if (this.#length < size) return;
      const whole = this.#join();
      this.#received = whole.length > size ? [whole.subarray(size)] : [];
      this.#length -= size;
      const body = whole.subarray(HEADER_BYTES, size);
      if (whole.readUInt32LE(4) === EVENT) this.#onEvent(whole.readUInt16LE(8), new ByteReader(body));
      else this.#answer(whole.readUInt16LE(8), body);
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

function lost(): SoftswitchError {
  return new SoftswitchError(
    'UNAVAILABLE',
    'the connection to the data plane is lost; it is being restarted',
  );
}

function connected(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.off('error', reject);
      resolve(socket);
    });
    socket.once('error', reject);
  });
}

/** What Linux says of a unix socket whose queue of connections is full (unix(7)). */
function isQueueFull(error: unknown): boolean {
  return isSystemError(error, 'EAGAIN');
}
