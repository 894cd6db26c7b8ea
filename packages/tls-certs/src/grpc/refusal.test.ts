import { connect, type IncomingHttpHeaders } from 'node:http2';
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { status } from '@grpc/grpc-js';
import { headers, PREFACE, ping, settings } from '@infra-offload/faults/http2';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { refuse } from './refusal.js';

let server: Server;
let message: string;
let sockets: Socket[];
let faults: unknown[];
beforeEach(async () => {
  message = 'no';
  sockets = [];
  faults = [];
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    refuse(socket, status.PERMISSION_DENIED, message, (error) => void faults.push(error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
  expect(faults).toEqual([]);
});

const port = () => (server.address() as AddressInfo).port;

/** The answer to a call, as Node.js, which has a decoder of its own, reads it. */
function ask(): Promise<IncomingHttpHeaders> {
  const session = connect(`http://127.0.0.1:${port()}`);
  session.on('error', () => {});
  return new Promise((resolve, reject) => {
    const call = session.request({ ':method': 'POST', ':path': '/a/b', te: 'trailers' });
    call.once('response', (fields) => {
      resolve(fields);
      session.close();
    });
    call.once('error', reject);
    call.end();
  });
}

/** All that comes back for these bytes until the server is done. */
async function send(
  ...chunks: Buffer[]
): Promise<{ readonly frames: string[]; readonly closed: Promise<unknown> }> {
  const client = connectTcp(port(), '127.0.0.1');
  client.on('error', () => {});
  const received: Buffer[] = [];
  client.on('data', (chunk) => received.push(chunk));
  const closed = new Promise((resolve) => client.once('close', resolve));
  for (const chunk of chunks) client.write(chunk);
  await new Promise((resolve) => client.once('end', resolve).once('close', resolve));
  client.end();
  const bytes = Buffer.concat(received);
  const frames: string[] = [];
  for (let at = 0; at < bytes.length; at += 9 + bytes.readUIntBE(at, 3))
    frames.push(`${bytes.readUInt8(at + 3)} ${bytes.readUInt8(at + 4)} ${bytes.readUInt32BE(at + 5)}`);
  return { frames, closed };
}

it.each([0, 1, 126, 127, 128, 254, 255, 256, 400, 16_000])(
  'a refused client is told why in %i characters, as a status of gRPC',
  async (length) => {
    message = 'x'.repeat(length);
    expect(await ask()).toMatchObject({
      ':status': 200,
      'content-type': 'application/grpc',
      'grpc-status': '7',
      'grpc-message': message,
    });
  },
);

it('what is not ASCII is written as gRPC wants it', async () => {
  message = 'größer als 100 %';
  expect((await ask())['grpc-message']).toBe('gr%C3%B6%C3%9Fer%20als%20100%20%25');
});

const call = (stream: number) => headers(stream, [[':path', '/a/b']]);
const [SETTINGS, ACK, ANSWER, GOAWAY] = ['4 0 0', '4 1 0', '1 5', '7 0 0'];

it('settings are acknowledged once, calls are answered, and then it is over', async () => {
  const { frames, closed } = await send(Buffer.concat([PREFACE, settings(), settings(), call(1), call(3)]));
  expect(frames).toEqual([SETTINGS, ACK, `${ANSWER} 1`, `${ANSWER} 3`, GOAWAY]);
  await closed;
});

it('a call is answered once, and only when its header fields are complete', async () => {
  const begun = Buffer.from(call(3));
  begun.writeUInt8(0, 4);
  const rest = Buffer.from(call(3));
  rest.writeUInt8(9, 3);
  const { frames } = await send(Buffer.concat([PREFACE, settings(), ping(), begun, rest, call(1)]));
  expect(frames).toEqual([SETTINGS, ACK, `${ANSWER} 3`, GOAWAY]);
});

it('whoever says much without asking is not listened to', async () => {
  const { frames } = await send(PREFACE, Buffer.alloc(128 << 10));
  expect(frames.filter((frame) => frame !== SETTINGS)).toEqual([]);
});
