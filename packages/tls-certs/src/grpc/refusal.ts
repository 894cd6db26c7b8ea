import { performServerHandshake, type ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import type { status } from '@grpc/grpc-js';

/** Connections that may be told at the same time why they are refused; more are closed without a word. */
const MAX_SESSIONS = 64;
/** How long a refused client may take to ask. */
const PATIENCE_MS = 5_000;

/**
 * Tells refused clients why. Each call on the connection is answered with a gRPC status, by an HTTP/2 session that has
 * nothing to do with the gRPC server, and then the connection ends. A TLS alert would only say "connection reset".
 */
export class Refusals {
  readonly #sessions = new Set<ServerHttp2Session>();

  refuse(socket: Socket, code: status, message: string): void {
    socket.on('error', () => {});
    if (this.#sessions.size >= MAX_SESSIONS) {
      socket.destroy();
      return;
    }
    const session = performServerHandshake(socket, { settings: { maxConcurrentStreams: 8 } });
    this.#sessions.add(session);
    const timer = setTimeout(() => session.destroy(), PATIENCE_MS);
    session.on('close', () => {
      clearTimeout(timer);
      this.#sessions.delete(session);
    });
    session.on('error', () => {});
    session.on('stream', (stream) => {
      stream.on('error', () => {});
      stream.respond(
        {
          ':status': 200,
          'content-type': 'application/grpc',
          'grpc-status': String(code),
          'grpc-message': encodeURI(message),
        },
        { endStream: true },
      );
      // Ends the connection after its calls, so that the next one may come with another certificate.
      session.close();
    });
  }

  close(): void {
    for (const session of this.#sessions) session.destroy();
  }
}
