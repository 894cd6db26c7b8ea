import { chmod, mkdir } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { removeStaleSocket } from '../cni/unix-socket.js';
import { AgentError, messageOf } from '../errors.js';

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
    const server = createServer(onSocket);
    try {
      await mkdir(dirname(path), { recursive: true, mode: 0o755 });
      await removeStaleSocket(path, 'felix.socket');
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        // The socket is made within this call, so the mask holds for it alone.
        const umask = process.umask(0o177);
        try {
          server.listen(path, resolve);
        } finally {
          process.umask(umask);
        }
      });
      await chmod(path, 0o600);
    } catch (cause) {
      server.close();
      if (AgentError.is(cause)) throw cause;
      throw new AgentError('SOCKET', `felix.socket ${path}: ${messageOf(cause)}`, { cause });
    }
    return new FelixServer(server);
  }

  /** Takes no new connections; those there are must be closed by their owner. */
  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }
}
