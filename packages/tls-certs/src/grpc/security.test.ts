import { rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { IdentityFiles } from '../layout.js';
import { call, EchoServers } from '../testing/echo.js';
import { Scratch } from '../testing/scratch.js';
import { openClientSecurity, openServerSecurity, TLS_MODES } from './security.js';
import type { CertificateSource } from './source.js';

const scratch = new Scratch();
const NOWHERE = { cert: '/nowhere/cert', key: '/nowhere/key', ca: '/nowhere/ca' };
let manager: IdentityFiles;
let agent: IdentityFiles;
let servers: EchoServers;
const sources: CertificateSource[] = [];
beforeAll(async () => {
  manager = await scratch.put(await scratch.issue('manager'));
  agent = await scratch.put(await scratch.issue('agent'));
  servers = new EchoServers(manager);
});
afterEach(async () => {
  for (const source of sources.splice(0)) source.close();
  await servers.close();
});
afterAll(() => scratch.remove());

const server = (...args: Parameters<typeof openServerSecurity>) => {
  const security = openServerSecurity(...args);
  if (security.mode !== 'insecure') sources.push(security.source);
  return security;
};
const client = (...args: Parameters<typeof openClientSecurity>) => {
  const security = openClientSecurity(...args);
  if (security.source !== undefined) sources.push(security.source);
  return security;
};

describe('a mode', () => {
  it('reads the files that it needs and no others', () => {
    expect(TLS_MODES).toEqual(['mtls', 'tls', 'insecure']);
    expect(server({ mode: 'insecure', ...NOWHERE })).toEqual({ mode: 'insecure' });
    expect(client({ mode: 'insecure', ...NOWHERE }, 'manager').source).toBeUndefined();
    const { mode } = server({ ...manager, mode: 'tls', ca: NOWHERE.ca });
    expect(mode).toBe('tls');
    const { source } = client({ ...NOWHERE, mode: 'tls', ca: agent.ca }, 'manager');
    expect([source?.certificate, source?.isValid]).toEqual([undefined, true]);
    expect(client({ ...agent, mode: 'mtls' }, 'manager').source?.certificate).toBeDefined();
    for (const missing of ['cert', 'key', 'ca'] as const) {
      const settings = { ...manager, mode: 'mtls' as const, [missing]: NOWHERE[missing] };
      expect(() => server(settings)).toThrow(expect.objectContaining({ code: 'FILE' }));
      expect(() => client(settings, 'manager')).toThrow(expect.objectContaining({ code: 'FILE' }));
    }
  });

  it('wants a certificate for its side', () => {
    expect(() => server({ ...agent, mode: 'tls' })).toThrow(expect.objectContaining({ code: 'USAGE' }));
    expect(() => client({ ...manager, mode: 'mtls' }, 'agent')).toThrow(
      expect.objectContaining({ code: 'USAGE' }),
    );
    expect(() => server({ ...manager, mode: 'mtls', cipherSuites: [] })).toThrow(
      expect.objectContaining({ code: 'INVALID' }),
    );
  });

  it('says in the log what becomes of its certificates', async () => {
    const files = await scratch.put(await scratch.issue('agent', { days: 2 }));
    const lines: string[] = [];
    const write = (_: object, message: string) => void lines.push(message);
    const { source } = client({ ...files, mode: 'mtls' }, 'manager', {
      info: write,
      warn: write,
      error: write,
    });
    expect(lines).toEqual(['the certificate expires soon: renew it']);
    rmSync(files.key);
    await source?.refresh();
    await source?.refresh();
    expect(lines.slice(1)).toEqual(['certificates cannot be used']);
    expect(source?.problem).toMatch(/tls\.key cannot be read: .*; the last good certificate stays in use$/);
  });
});

describe('a client', () => {
  it('calls servers by their addresses and names', async () => {
    for (const address of ['127.0.0.1:0', 'localhost:0', '[::1]:0'])
      expect(await call((await servers.serve({ address })).address, agent)).toBe('agents');
  });

  it('refuses a server that is not named so, or that is something else', async () => {
    const elsewhere = await scratch.put(await scratch.issue('manager', { onlyNames: ['elsewhere.example'] }));
    const { address } = await servers.serve({ files: elsewhere });
    expect(await call(address, agent)).toMatch(
      /UNAVAILABLE: .*the certificate CN=inframanager-server of the server is not for 127\.0\.0\.1: it is for elsewhere\.example/,
    );
    const { address: right } = await servers.serve();
    expect(await call(right, agent, { role: 'target' })).toMatch(
      /the server is not a target: its certificate CN=inframanager-server is that of infra-manager/,
    );
    const stranger = await scratch.put(await scratch.issue('agent'), scratch.other);
    expect(await call(right, stranger, { mode: 'tls' })).toMatch(
      /the certificate CN=inframanager-server was not issued by an authority that is trusted here/,
    );
  });

  it('says what a server is that does not speak TLS', async () => {
    const { address } = await servers.serve({ mode: 'insecure' });
    expect(await call(address, agent)).toMatch(
      /the server (does not speak TLS; is it configured as insecure\?|closed)/,
    );
    const deaf = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => socket.end());
    });
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    const bound = deaf.address();
    const port = typeof bound === 'object' ? bound?.port : undefined;
    expect(await call(`127.0.0.1:${port}`, agent)).toMatch(
      /the server closed the connection before TLS was set up/,
    );
    deaf.close();
  });
});

it('a server says of a client in the log what kept TLS from being set up', async () => {
  const { address, lines } = await servers.serve();
  const socket = connect(Number(address.split(':')[1]), '127.0.0.1');
  socket.on('error', () => {});
  // A record of TLS that is no handshake.
  socket.end(Buffer.from([0x16, 3, 1, 0, 4, 9, 9, 9, 9]));
  await expect.poll(() => lines.join('\n')).toMatch(/a client was refused .*TLS could not be set up: /);
});

it('a server says in the log that it is the client who refused', async () => {
  const { address, lines } = await servers.serve();
  const hello = await firstBytesOfClient();
  const socket = connect(Number(address.split(':')[1]), '127.0.0.1');
  socket.on('error', () => {});
  // An alert, unknown_ca (RFC 8446, 6.2). Clients of Node only hang up.
  socket.end(Buffer.concat([hello, Buffer.from([0x15, 3, 3, 0, 2, 2, 48])]));
  await expect
    .poll(() => lines.join('\n'))
    .toMatch(/TLS could not be set up: the client refused: .*unknown ca/);
});

function firstBytesOfClient(): Promise<Buffer> {
  return new Promise((resolve) => {
    const server = createServer((socket) => {
      socket.once('data', (bytes) => {
        socket.destroy();
        server.close(() => resolve(bytes));
      });
    });
    server.listen(0, '127.0.0.1', () => {
      const bound = server.address();
      const port = typeof bound === 'object' ? bound?.port : undefined;
      connectTls({ port, host: '127.0.0.1', ALPNProtocols: ['h2'] }).on('error', () => {});
    });
  });
}
