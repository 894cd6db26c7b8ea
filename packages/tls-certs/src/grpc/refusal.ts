import type { Socket } from 'node:net';
import type { status } from '@grpc/grpc-js';
import { Guard } from '@infra-offload/guard';
import { Flag, FrameReader, FrameType, PREFACE } from './frame-reader.js';

/** How long a refused client may take to ask. */
const PATIENCE_MS = 5_000;
/** And how much it may say: far more than the header fields of a call. */
const MAX_BYTES = 64 << 10;

/**
 * Tells a refused client why: each call on the connection is answered with a gRPC status, and then the connection ends. A
 * TLS alert would only say "connection reset".
 *
 * What is answered is always the same, so nothing that the client says has to be understood, and whoever is not let in
 * does not get at an HTTP/2 implementation either.
 *
 * @param message printable
 * @param onFault told of an error of our own; the connection has ended
 */
export function refuse(
  socket: Socket,
  code: status,
  message: string,
  onFault: (error: unknown) => void,
): void {
  const guard = new Guard((error) => {
    socket.destroy();
    onFault(error);
  });
  const timer = setTimeout(() => socket.destroy(), PATIENCE_MS);
  socket.once('close', () => clearTimeout(timer));
  let isAcknowledged = false;
  let lastCall = 0;
  const reader = new FrameReader(
    {
      begin: () => {},
      payload: () => {},
      end: ({ type, flags, stream }) => {
        if (type === FrameType.settings && !isAcknowledged) {
          isAcknowledged = true;
          socket.write(frame(FrameType.settings, Flag.ack, 0));
        }
        const isBlock = type === FrameType.headers || type === FrameType.continuation;
        if (isBlock && (flags & Flag.endHeaders) !== 0 && stream > lastCall) {
          lastCall = stream;
          const all = Flag.endHeaders | Flag.endStream;
          socket.write(frame(FrameType.headers, all, stream, answer(code, message)));
        }
        return false;
      },
    },
    PREFACE,
  );
  guard.run(() => socket.write(frame(FrameType.settings, 0, 0)));
  let left = MAX_BYTES;
  socket.on(
    'data',
    guard.handler((chunk: Buffer) => {
      left -= chunk.length;
      if (left < 0) socket.destroy();
      // Once it was told, what else it says is read and forgotten, until it closes its side.
      if (socket.writableEnded || socket.destroyed) return;
      reader.read(chunk);
      // The next call may come with another certificate, on another connection.
      if (lastCall > 0) socket.end(frame(FrameType.goaway, 0, 0, goaway(lastCall)));
    }),
  );
}

function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(payload.length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** The last stream that was looked at, and NO_ERROR (RFC 9113, 6.8). */
function goaway(lastStream: number): Buffer {
  const payload = Buffer.alloc(8);
  payload.writeUInt32BE(lastStream);
  return payload;
}

/** The header fields of a response that is nothing but a status, as literals without indexing (RFC 7541, 6.2.2). */
function answer(code: status, message: string): Buffer {
  const fields = {
    ':status': '200',
    'content-type': 'application/grpc',
    'grpc-status': String(code),
    'grpc-message': encodeURI(message),
  };
  return Buffer.concat(
    Object.entries(fields).flatMap(([name, value]) => [Buffer.of(0), literal(name), literal(value)]),
  );
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  // An integer with a prefix of 7 bits (RFC 7541, 5.1).
  const length = [Math.min(bytes.length, 127)];
  if (bytes.length >= 127) {
    let rest = bytes.length - 127;
    for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
    length.push(rest);
  }
  return Buffer.concat([Buffer.from(length), bytes]);
}
