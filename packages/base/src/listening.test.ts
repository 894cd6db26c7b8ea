import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { listenWhenFree } from './listening.js';

const HOST = '127.0.0.1';
const open: (Server | Socket)[] = [];

function server(): Server {
  const made = createServer();
  open.push(made);
  return made;
}

function portOf(listener: Server): number {
  return (listener.address() as AddressInfo).port;
}

afterEach(() => {
  for (const one of open.splice(0)) {
    if ('resetAndDestroy' in one) one.resetAndDestroy();
    else if (one.listening) one.close();
  }
});

describe('listenWhenFree', () => {
  it('waits for the end of a connection that was given the port to call from', async () => {
    const called = server();
    await listenWhenFree(called, { port: 0, host: HOST });
    const client = connect({ port: portOf(called), host: HOST });
    open.push(client);
    const [accepted] = (await once(called, 'connection')) as [Socket];
    accepted.on('error', () => {});
    const port = client.localPort ?? 0;
    const listener = server();
    let waits = 0;
    await listenWhenFree(listener, { port, host: HOST }, (error) => {
      expect(error.code).toBe('EADDRINUSE');
      waits++;
      client.resetAndDestroy();
    });
    expect(waits).toBe(1);
    expect(portOf(listener)).toBe(port);
  });

  it('fails at once where another server listens, and for what no wait mends', async () => {
    const taken = server();
    await listenWhenFree(taken, { port: 0, host: HOST });
    const port = portOf(taken);
    const never = () => expect.unreachable();
    await expect(listenWhenFree(server(), { port, host: HOST }, never)).rejects.toThrow(/EADDRINUSE/);
    await expect(listenWhenFree(server(), { port: 0, host: '203.0.113.9' }, never)).rejects.toThrow(
      /EADDRNOTAVAIL/,
    );
  });
});
