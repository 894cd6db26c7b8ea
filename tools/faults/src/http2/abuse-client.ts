import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { PREFACE, settings } from './frames.js';

/** A client's identity, PEM. Without `cert` and `key` it has TLS, but proves nothing. */
export interface AbuseIdentity {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

export interface AbuseOptions {
  /** `host:port`, or `unix:path`. */
  readonly address: string;
  /** Left out: plain text. */
  readonly tls?: AbuseIdentity;
}

/** A connection on which any bytes can be sent, with what a client of HTTP/2 must not do. */
export class AbuseClient {
  /** When the first byte has come back, or the connection has ended. */
  readonly answered: Promise<void>;
  /** When the server, or the network, has ended the connection; with what the socket said. */
  readonly closed: Promise<string>;
  #isClosed = false;

  private constructor(readonly socket: Socket) {
    this.closed = new Promise((resolve) => {
      let reason = 'closed';
      socket.on('error', (error) => {
        reason = error.message;
      });
      socket.once('close', () => {
        this.#isClosed = true;
        resolve(reason);
      });
    });
    this.answered = new Promise((resolve) => {
      socket.once('data', () => resolve());
      socket.once('close', () => resolve());
    });
  }

  /** Connects, and sets up TLS if asked to; says nothing of HTTP/2 yet. Rejects if that fails. */
  static async connect({ address, tls }: AbuseOptions): Promise<AbuseClient> {
    const socket = openSocket(address, tls);
    const client = new AbuseClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once(tls === undefined ? 'connect' : 'secureConnect', () => resolve());
      client.closed.then((reason) => reject(new Error(reason)), reject);
    });
    return client;
  }

  /** As {@link connect}, and begins HTTP/2 with empty SETTINGS, or those given. */
  static async open(options: AbuseOptions, first = settings()): Promise<AbuseClient> {
    const client = await AbuseClient.connect(options);
    client.socket.write(Buffer.concat([PREFACE, first]));
    return client;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Sends bytes; waits until the system has taken them, or the connection has ended. */
  async send(bytes: Uint8Array): Promise<void> {
    if (this.#isClosed || this.socket.write(bytes)) return;
    const taken = new Promise<void>((resolve) => this.socket.once('drain', resolve));
    await Promise.race([taken, this.closed]);
  }

  /** Sends what `next` gives until that is undefined or the connection has ended; gives how many chunks were sent. */
  async flood(next: (index: number) => Uint8Array | undefined): Promise<number> {
    let index = 0;
    for (; !this.#isClosed; index++) {
      const bytes = next(index);
      if (bytes === undefined) break;
      await this.send(bytes);
      // Even where nothing has to be waited for, the rest of this process has its turn.
      if (index % 16 === 15) await new Promise((resolve) => setImmediate(resolve));
    }
    return index;
  }

  /** Reads no more: what the server sends stays in the network, and then with the server. */
  stopReading(): void {
    this.socket.pause();
  }

  /** Reads on, and so hears of the connection's end. */
  readOn(): void {
    this.socket.resume();
  }

  destroy(): void {
    this.socket.destroy();
  }
}

function openSocket(address: string, tls: AbuseIdentity | undefined): Socket {
  const path = /^unix:(.+)$/.exec(address)?.[1];
  if (path !== undefined) return connectTcp({ path, noDelay: true });
  const colon = address.lastIndexOf(':');
  const [host, port] = [address.slice(0, colon), Number(address.slice(colon + 1))];
  if (tls === undefined) return connectTcp({ host, port, noDelay: true });
  return connectTls({ host, port, ...tls, rejectUnauthorized: false, ALPNProtocols: ['h2'] });
}
