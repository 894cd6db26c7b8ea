import { rmSync } from 'node:fs';
import { messageOf } from '@infra-offload/base';
import type { Logger } from '../../../logger.js';
import { EPOLLIN, EPOLLOUT, type Libc } from '../../../ports/libc.js';
import { Poller } from '../../../ports/poller.js';
import {
  encodeAnswer,
  encodeEvent,
  encodeRefusal,
  HEADER_BYTES,
  HostEvent,
  LENGTH_BYTES,
  MESSAGE_MAX,
} from '../protocol.js';
import type { Sockets } from '../sockets.js';
import { ByteWriter } from '../wire.js';
import type { EngineClient, EngineHost } from './engine-host.js';

const MAX_CLIENTS = 32;
const LISTENER = 0;

/** Serves the control protocol for an engine at a unix socket. */
export class ControlServer {
  readonly #sockets: Sockets;
  readonly #path: string;
  readonly #engine: EngineHost;
  readonly #logger: Logger | undefined;
  readonly #poller: Poller;
  readonly #listener: number;
  readonly #clients = new Map<number, Client>();
  #next = LISTENER + 1;
  #accepting = true;

  /** Listens at once; UNAVAILABLE if it cannot. */
  constructor(libc: Libc, sockets: Sockets, path: string, engine: EngineHost, logger: Logger | undefined) {
    this.#sockets = sockets;
    this.#path = path;
    this.#engine = engine;
    this.#logger = logger;
    rmSync(path, { force: true });
    this.#listener = sockets.listen(path);
    this.#poller = new Poller(
      libc,
      (token) => this.#ready(token),
      (error, token) => {
        this.#logger?.warn({ reason: messageOf(error) }, 'a client was disconnected');
        this.#drop(token);
      },
    );
    this.#poller.add(this.#listener, LISTENER);
    this.#poller.start();
  }

  /** Tells the clients that want to know. */
  portLost(port: number): void {
    const event = encodeEvent(HostEvent.PORT_LOST, new ByteWriter().u16(port).view());
    for (const [token, client] of this.#clients) {
      if (!client.watches) continue;
      client.queue(event);
      this.#flush(token, client);
    }
  }

  async stop(): Promise<void> {
    // First of all: whoever sees a connection end may start another engine here.
    rmSync(this.#path, { force: true });
    for (const token of [...this.#clients.keys()]) this.#drop(token);
    await this.#poller.close();
    this.#sockets.close(this.#listener);
  }

  #ready(token: number): void {
    if (token === LISTENER) this.#accept();
    const client = this.#clients.get(token);
    if (client === undefined) return;
    // Who does not read its answers is not asked for more.
    if (client.hasOutput) this.#flush(token, client);
    else this.#receive(token, client);
  }

  #accept(): void {
    const fd = this.#sockets.accept(this.#listener);
    if (fd === undefined) return;
    const token = this.#next++;
    this.#clients.set(token, new Client(this.#sockets, fd));
    this.#poller.add(fd, token);
    this.#accepting = this.#clients.size < MAX_CLIENTS;
    if (!this.#accepting) this.#poller.modify(this.#listener, LISTENER, 0);
  }

  #receive(token: number, client: Client): void {
    if (!client.receive((operation, body) => this.#engine.handle(client, operation, body))) this.#drop(token);
    else this.#flush(token, client);
  }

  #flush(token: number, client: Client): void {
    const waited = client.waits;
    if (!client.flush()) {
      this.#drop(token);
      return;
    }
    client.waits = client.hasOutput;
    if (client.waits !== waited) this.#poller.modify(client.fd, token, client.waits ? EPOLLOUT : EPOLLIN);
  }

  #drop(token: number): void {
    const client = this.#clients.get(token);
    if (client === undefined) return;
    this.#clients.delete(token);
    this.#engine.leave(client);
    this.#poller.delete(client.fd);
    client.close();
    if (!this.#accepting) this.#poller.modify(this.#listener, LISTENER, EPOLLIN);
    this.#accepting = true;
  }
}

/** One connection: messages in, answers out. */
class Client implements EngineClient {
  readonly #sockets: Sockets;
  version: number | undefined;
  watches = false;
  /** It waits for the client to read. */
  waits = false;
  #in: Buffer[] = [];
  #inLength = 0;
  #out: Uint8Array[] = [];
  readonly #descriptors: number[] = [];
  /** Goes with the next bytes. */
  #given: number | undefined;

  constructor(
    sockets: Sockets,
    readonly fd: number,
  ) {
    this.#sockets = sockets;
  }

  get hasOutput(): boolean {
    return this.#out.length > 0;
  }

  takeDescriptor(): number | undefined {
    return this.#descriptors.shift();
  }

  giveDescriptor(descriptor: number): void {
    this.#given = descriptor;
  }

  queue(bytes: Uint8Array): void {
    this.#out.push(bytes);
  }

  /** Reads and answers what there is. False when the client has gone, or sends what is no message. */
  receive(handle: (operation: number, body: Buffer) => Uint8Array): boolean {
    const received = this.#sockets.receive(this.fd);
    if (received === undefined) return isTemporary(this.#sockets.errno());
    this.#descriptors.push(...received.descriptors);
    if (received.data.length === 0) return false;
    // The bytes are only lent; a message that is whole is handled before they are taken back.
    const whole = this.#inLength === 0 ? received.data : this.#join(received.data);
    if (whole === undefined) return true;
    let at = 0;
    while (whole.length - at >= LENGTH_BYTES) {
      const length = whole.readUInt32LE(at);
      if (length < HEADER_BYTES - LENGTH_BYTES || length > MESSAGE_MAX) return false;
      if (whole.length - at - LENGTH_BYTES < length) break;
      const end = at + LENGTH_BYTES + length;
      this.#answer(
        whole.readUInt32LE(at + 4),
        whole.readUInt16LE(at + 8),
        whole.subarray(at + HEADER_BYTES, end),
        handle,
      );
      at = end;
    }
    this.#in = at < whole.length ? [Buffer.from(whole.subarray(at))] : [];
    this.#inLength = whole.length - at;
    return true;
  }

  /** Sends what the socket takes. False when the client has gone. */
  flush(): boolean {
    for (let first = this.#out[0]; first !== undefined; first = this.#out[0]) {
      const sent = this.#sockets.send(this.fd, first, this.#given);
      if (sent < 0) return isTemporary(this.#sockets.errno());
      this.#given = undefined;
      if (sent < first.length) this.#out[0] = first.subarray(sent);
      else this.#out.shift();
    }
    return true;
  }

  close(): void {
    for (const descriptor of this.#descriptors) this.#sockets.close(descriptor);
    this.#sockets.close(this.fd);
  }

  /** All that has come, once the message that it begins with is whole; joining each piece would take squares of time. */
  #join(piece: Buffer): Buffer | undefined {
    this.#in.push(Buffer.from(piece));
    this.#inLength += piece.length;
    const head = this.#in[0];
    const wanted = head === undefined || head.length < LENGTH_BYTES ? 0 : head.readUInt32LE(0) + LENGTH_BYTES;
    if (wanted <= LENGTH_BYTES + MESSAGE_MAX && this.#inLength < wanted) return undefined;
    return Buffer.concat(this.#in);
  }

  #answer(
    sequence: number,
    operation: number,
    body: Buffer,
    handle: (operation: number, body: Buffer) => Uint8Array,
  ): void {
    try {
      this.queue(encodeAnswer(sequence, handle(operation, body)));
    } catch (error) {
      this.queue(encodeRefusal(sequence, error));
    }
  }
}

function isTemporary(errno: string): boolean {
  return errno === 'EAGAIN' || errno === 'EINTR';
}
