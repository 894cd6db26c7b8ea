import { fail } from '../../errors.js';
import {
  decodeAnswer,
  EVENT,
  encodeRequest,
  HEADER_BYTES,
  helloBody,
  LENGTH_BYTES,
  Operation,
} from './protocol.js';
import type { Sockets } from './sockets.js';
import type { ByteReader } from './wire.js';

/** Longer than anything a host does but a commit, which never goes through here. */
const TIMEOUT_MS = 10_000;
/** A host that runs already answers at once, or hangs. */
const GREET_MS = 3_000;

type Fd = number;

/**
 * A connection to a data plane host that waits for each answer, some 20 microseconds, for what has to be known at once:
 * counters, and ports. Descriptors go over it, too, which Node's sockets cannot carry.
 */
export class BlockingChannel {
  readonly #sockets: Sockets;
  readonly #path: string;
  #sequence = 0;
  #fd: Fd;
  #closed = false;
  #received: Buffer = Buffer.alloc(0);
  #descriptors: Fd[] = [];

  private constructor(sockets: Sockets, path: string) {
    this.#sockets = sockets;
    this.#path = path;
    this.#fd = sockets.connect(path, GREET_MS);
  }

  /** Connects; UNAVAILABLE if nobody listens. It is for {@link greet} to find out whether somebody answers. */
  static open(sockets: Sockets, path: string): BlockingChannel {
    return new BlockingChannel(sockets, path);
  }

  /** Process id of the host. */
  get peer(): number {
    return this.#sockets.peer(this.#fd);
  }

  /** The answer to HELLO. UNAVAILABLE if none comes in time. */
  greet(): ByteReader {
    const greeting = this.#exchange(Operation.HELLO, helloBody(), undefined);
    this.#sockets.close(this.#fd);
    this.#connect();
    return greeting;
  }

  /** UNAVAILABLE if the connection is lost, which is made anew then; what the host refuses, with its code. */
  request(operation: Operation, body: Uint8Array, descriptor?: Fd): ByteReader {
    if (this.#closed) fail('UNAVAILABLE', 'the connection to the data plane is closed');
    if (this.#fd < 0) this.#connect();
    return this.#exchange(operation, body, descriptor);
  }

  /** A descriptor that came with the last answer; the caller closes it. INTERNAL if there is none. */
  takeDescriptor(): Fd {
    return this.#descriptors.shift() ?? fail('INTERNAL', 'no descriptor came with the answer');
  }

  close(): void {
    this.#closed = true;
    this.#disconnect();
  }

  #connect(): void {
    this.#fd = this.#sockets.connect(this.#path, TIMEOUT_MS);
    this.#exchange(Operation.HELLO, helloBody(), undefined);
  }

  #disconnect(): void {
    if (this.#fd >= 0) this.#sockets.close(this.#fd);
    this.#fd = -1;
    this.#received = Buffer.alloc(0);
    for (const descriptor of this.#descriptors.splice(0)) this.#sockets.close(descriptor);
  }

  #exchange(operation: Operation, body: Uint8Array, descriptor: Fd | undefined): ByteReader {
    this.#sequence = (this.#sequence + 1) % EVENT;
    this.#send(encodeRequest(this.#sequence, operation, body), descriptor);
    const header = this.#read(HEADER_BYTES);
    const answer = this.#read(header.readUInt32LE(0) + LENGTH_BYTES - HEADER_BYTES);
    return decodeAnswer(header.readUInt16LE(8), answer);
  }

  #send(bytes: Uint8Array, descriptor: Fd | undefined): void {
    for (let sent = 0; sent < bytes.length; ) {
      const written = this.#sockets.send(this.#fd, bytes.subarray(sent), sent === 0 ? descriptor : undefined);
      if (written >= 0) sent += written;
      else this.#checkInterrupted('send');
    }
  }

  #read(length: number): Buffer {
    while (this.#received.length < length) {
      const received = this.#sockets.receive(this.#fd);
      if (received === undefined) this.#checkInterrupted('read');
      else if (received.data.length === 0) this.#lost('it was closed');
      else {
        this.#descriptors.push(...received.descriptors);
        this.#received = Buffer.concat([this.#received, received.data]);
      }
    }
    const bytes = this.#received.subarray(0, length);
    this.#received = this.#received.subarray(length);
    return bytes;
  }

  /** With a timeout, even signals whose handlers restart calls interrupt them. */
  #checkInterrupted(what: string): void {
    const errno = this.#sockets.errno();
    if (errno !== 'EINTR') this.#lost(`${what}: ${errno === 'EAGAIN' ? 'no answer' : errno}`);
  }

  #lost(why: string): never {
    this.#disconnect();
    fail('UNAVAILABLE', `the connection to the data plane is lost (${why})`);
  }
}
