import { once } from 'node:events';
import { createServer as createHttp2Server, type Http2Server } from 'node:http2';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Client, type ClientDuplexStream, status } from '@grpc/grpc-js';
import { afterEach, describe, expect, it } from 'vitest';
import { Connections } from './connections.js';

const servers: (Server | Http2Server)[] = [];
const clients: Client[] = [];

afterEach(() => {
  for (const client of clients.splice(0)) client.close();
  for (const server of servers.splice(0)) server.close();
});

async function listen(server: Server | Http2Server): Promise<string> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address: AddressInfo | string | null = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return `127.0.0.1:${address.port}`;
}

function connect(address: string, connections: Connections): Client {
  const client = new Client(address, connections.credentials);
  clients.push(client);
  return client;
}

const identity = (bytes: Buffer) => bytes;

function call(client: Client, deadlineMs: number): Promise<status | undefined> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(
      '/test/Call',
      identity,
      identity,
      Buffer.alloc(0),
      { deadline: Date.now() + deadlineMs },
      (error) => resolve(error?.code),
    );
  });
}

function openStream(client: Client): ClientDuplexStream<Buffer, Buffer> {
  const stream = client.makeBidiStreamRequest('/test/Stream', identity, identity);
  stream.on('error', () => {});
  stream.write(Buffer.from('hello'));
  return stream;
}

/** An HTTP/2 server that leaves every stream open. */
function patientServer(): Http2Server {
  const server = createHttp2Server();
  server.on('session', (session) => session.on('error', () => {}));
  server.on('stream', (stream) => stream.on('error', () => {}));
  return server;
}

describe('Connections', () => {
  it('end although a call is still open', async () => {
    const server = patientServer();
    const connections = new Connections();
    const address = await listen(server);
    const connected = once(server, 'stream');
    const client = connect(address, connections);
    const stream = openStream(client);
    const [{ session }] = await connected;
    expect(connections.size).toBe(1);
    const failed = once(stream, 'error');
    client.close();
    connections.close(0);
    expect(await failed).toMatchObject([{ code: status.UNAVAILABLE }]);
    if (!session.closed) await once(session, 'close');
    expect(connections.size).toBe(0);
  });

  it('end with a server that accepts and says nothing', async () => {
    const server = createServer();
    const accepted = once(server, 'connection');
    const connections = new Connections();
    const client = connect(await listen(server), connections);
    const code = call(client, 50);
    const [socket]: Socket[] = await accepted;
    expect(await code).toBe(status.DEADLINE_EXCEEDED);
    client.close();
    connections.close(0);
    socket?.resume();
    await once(socket ?? server, 'close');
    expect(connections.size).toBe(0);
  });

  it('are given up when the server says nothing for too long, and made anew', async () => {
    const server = createServer((socket) => socket.on('error', () => {}).resume());
    const connections = new Connections({ setupMs: 30 });
    const first = once(server, 'connection');
    const client = connect(await listen(server), connections);
    const code = call(client, 10_000);
    await once((await first)[0], 'close');
    expect(await code).toBe(status.UNAVAILABLE);
    connections.close(0);
  });

  it('that work are not given up', async () => {
    const server = patientServer();
    const connections = new Connections({ setupMs: 20 });
    const client = connect(await listen(server), connections);
    expect(await call(client, 200)).toBe(status.DEADLINE_EXCEEDED);
    expect(connections.size).toBe(1);
    client.close();
    connections.close(0);
  });

  it('are refused after the end', async () => {
    const connections = new Connections();
    connections.close(0);
    const client = connect(await listen(patientServer()), connections);
    expect(await call(client, 10_000)).toBe(status.UNAVAILABLE);
    expect(connections.size).toBe(0);
  });
});
