import { performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import type { status } from '@grpc/grpc-js';
import { Guard } from '@infra-offload/guard';
import type { MeteredConnection } from './metered-connection.js';

/** How long a refused client may take to ask. */
const PATIENCE_MS = 5_000;
/** MB that a refused client may take for headers. */
const SESSION_MEMORY = 1;

/**
 * Tells a refused client why: each call on the connection is answered with a gRPC status, by an HTTP/2 session that has
 * nothing to do with the gRPC server, and then the connection ends. A TLS alert would only say "connection reset".
 *
 * @param message printable
 * @param onFault told of an error of our own; the connection has ended
 */
export function refuse(
  connection: MeteredConnection,
  code: status,
  message: string,
  onFault: (error: unknown) => void,
): void {
  const guard = new Guard((error) => {
    connection.destroy();
    onFault(error);
  });
  guard.run(() => {
    const session = performServerHandshake(connection, {
      settings: { maxConcurrentStreams: 8 },
      maxSessionMemory: SESSION_MEMORY,
    });
    const timer = setTimeout(() => connection.destroy(), PATIENCE_MS);
    session.on('close', () => clearTimeout(timer));
    session.on('error', () => connection.destroy());
    session.on(
      'stream',
      guard.handler((stream) => answer(session, stream, code, message)),
    );
  });
}

function answer(session: ServerHttp2Session, stream: ServerHttp2Stream, code: status, message: string): void {
  stream.on('error', () => {});
  // A client may take its call back before it is answered.
  if (!stream.destroyed && !stream.closed) {
    const trailers = { 'grpc-status': String(code), 'grpc-message': encodeURI(message) };
    stream.respond({ ':status': 200, 'content-type': 'application/grpc', ...trailers }, { endStream: true });
  }
  // Ends the connection after its calls, so that the next one may come with another certificate.
  session.close();
}
