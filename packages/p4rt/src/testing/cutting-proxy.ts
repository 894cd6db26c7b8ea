import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** How a connection goes: with a reset, with an end, or without a sign: nothing arrives any more. */
export type Cut = 'reset' | 'end' | 'silence';

/** A TCP proxy whose connections can be cut after so many bytes. */
export class CuttingProxy {
  readonly #port: number;
  #cut: { readonly kind: Cut; left: number } | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #server = createServer((client) => this.#accept(client));

  private constructor(port: number) {
    this.#port = port;
  }

  static async start(port: number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(port);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy does not listen');
    return `127.0.0.1:${address.port}`;
  }

  /** Cuts the connection on which so many more bytes have passed, in either direction. */
  cutAfter(bytes: number, kind: Cut): void {
    this.#cut = { kind, left: bytes };
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(client: Socket): void {
    const server = connect(this.#port, '127.0.0.1');
    const pair = [client, server];
    let silent = false;
    for (const socket of pair) {
      this.#sockets.add(socket);
      socket.setNoDelay();
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        for (const other of pair) other.destroy();
      });
    }
    const forward = (from: Socket, to: Socket) => {
      from.on('data', (chunk: Buffer) => {
        if (silent) return;
        const cut = this.#cut;
        if (cut === undefined || chunk.length <= cut.left) {
          if (cut !== undefined) cut.left -= chunk.length;
          to.write(chunk);
          return;
        }
        this.#cut = undefined;
        to.write(chunk.subarray(0, cut.left));
        if (cut.kind === 'silence') silent = true;
        else if (cut.kind === 'reset') client.resetAndDestroy();
        else for (const socket of pair) socket.end();
      });
    };
    forward(client, server);
    forward(server, client);
  }
}
