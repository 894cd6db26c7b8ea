import { createServer, type Server, type Socket } from 'node:net';
import { Guard } from '@infra-offload/guard';
import { listenAt, listenPrivately } from '../private-socket.js';

/** The unix socket that Felix's dataplane driver dials. */
export class FelixServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /**
   * Listens on `path`, for root only: whoever may connect decides what pods may talk to.
   *
   * @throws AgentError SOCKET if it cannot listen there.
   */
  static async start(path: string, onSocket: (socket: Socket) => void): Promise<FelixServer> {
    const server = createServer(new Guard().handler(onSocket));
    await listenPrivately(path, 'felix.socket', () => listenAt(server, path));
    return new FelixServer(server);
  }

  /** Takes no new connections; those there are must be closed by their owner. */
  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
