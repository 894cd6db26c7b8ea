import { readFileSync } from 'node:fs';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { Client, credentials } from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { IdentityFiles } from '../layout.js';
import { ask, call, EchoServers } from '../testing/echo.js';
import { Scratch } from '../testing/scratch.js';
import { openClientSecurity, type TlsMode } from './security.js';

const scratch = new Scratch();
let servers: EchoServers;
let agent: IdentityFiles;
const serve: EchoServers['serve'] = (options) => servers.serve(options);

beforeAll(async () => {
  servers = new EchoServers(await scratch.put(await scratch.issue('manager')));
  agent = await scratch.put(await scratch.issue('agent'));
});
afterEach(() => servers.close());
afterAll(() => scratch.remove());

describe('listen', () => {
  it('gives every role its own server', async () => {
    const { address } = await serve();
    expect(await call(address, agent)).toBe('agents');
    expect(await call(address, await scratch.put(await scratch.issue('operator')))).toBe('operators');
  });

  it.each<[TlsMode, string]>([
    ['tls', 'everybody'],
    ['insecure', 'everybody'],
  ])('serves everybody in the mode %s', async (mode, answer) => {
    const { address } = await serve({ mode });
    expect(await call(address, agent, { mode })).toBe(answer);
  });

  it('listens on every address of a name, and on unix sockets', async () => {
    const { address } = await serve({ address: 'localhost:0' });
    expect(address).toMatch(/^localhost:[1-9]\d*$/);
    expect(await call(address, agent)).toBe('agents');
    const socket = `unix:${join(scratch.directory, 'grpc.sock')}`;
    expect((await serve({ address: socket })).address).toBe(socket);
    expect(await call(socket, agent)).toBe('agents');
  });

  it('lets calls finish that are under way when it closes', async () => {
    const listener = await serve();
    const { credentials: own, source } = openClientSecurity({ mode: 'mtls', ...agent }, 'manager');
    const client = new Client(listener.address, own);
    expect(await ask(client)).toBe('agents');
    await listener.close();
    // The connection is the gRPC server's; only new ones find nobody.
    expect(await ask(client)).toBe('agents');
    client.close();
    source?.close();
    expect(await call(listener.address, agent)).toMatch(/UNAVAILABLE: .*ECONNREFUSED/);
  });

  it('says when an address is taken', async () => {
    const { address } = await serve();
    await expect(serve({ address })).rejects.toThrow(/EADDRINUSE/);
  });

  it('tells refused clients why, without letting them near the server, and logs each reason once', async () => {
    const { address, lines } = await serve();
    const controller = await scratch.put(await scratch.issue('controller'));
    const reason =
      /PERMISSION_DENIED: the client is refused: its certificate CN=stratum-client is that of a controller of the target; this port is for an infra-agent or an operator$/;
    expect(await call(address, controller)).toMatch(reason);
    expect(await call(address, controller)).toMatch(reason);
    expect(lines.filter((line) => line.includes('CN=stratum-client'))).toEqual([
      expect.stringMatching(/^a client was refused \{"client":"127\.0\.0\.1:\d+"/),
    ]);
    // One of its own making, with the right name but the wrong purpose.
    expect(
      await call(address, await scratch.put(await scratch.issue('agent', {}, scratch.other)), {
        mode: 'insecure',
      }),
    ).toMatch(/UNAUTHENTICATED: the client does not speak TLS/);
  });

  it('closes what is neither TLS nor HTTP/2, and what does not negotiate HTTP/2', async () => {
    const { address, lines } = await serve();
    const port = Number(address.split(':')[1]);
    const garbage = connectTcp(port, '127.0.0.1');
    garbage.write('GET / HTTP/1.1\r\n\r\n');
    await new Promise((resolve) => garbage.once('close', resolve));
    const { ca, cert, key } = agent;
    const http1 = connect({ port, ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key) });
    http1.on('error', () => {});
    await new Promise((resolve) => http1.once('close', resolve));
    expect(lines.join('\n')).toMatch(/does not speak TLS[\s\S]*does not speak HTTP\/2/);
    expect(await call(address, agent)).toBe('agents');
  });

  it('offers the configured cipher suites and versions only', async () => {
    const { address } = await serve({ cipherSuites: ['TLS_AES_256_GCM_SHA384'] });
    expect(await call(address, agent)).toBe('agents');
    expect(await call(address, agent, { cipherSuites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'] })).toMatch(
      /UNAVAILABLE: .*no version of TLS is acceptable to both sides/,
    );
    const old = await serve({ cipherSuites: ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384'] });
    expect(await call(old.address, agent)).toBe('agents');
    expect(
      await call(old.address, agent, { cipherSuites: ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256'] }),
    ).toMatch(/no cipher suite is acceptable to both sides/);
    const { port, host } = { port: Number(old.address.split(':')[1]), host: '127.0.0.1' };
    const code = await new Promise((resolve) => {
      const socket = connect({
        port,
        host,
        minVersion: 'TLSv1.1',
        maxVersion: 'TLSv1.1',
        ciphers: 'DEFAULT@SECLEVEL=0',
        rejectUnauthorized: false,
      });
      socket.once('secureConnect', () => resolve('connected'));
      socket.once('error', (error) => resolve('code' in error ? error.code : error.message));
    });
    expect(code).toMatch(/VERSION|PROTOCOL|RESET/);
  });

  it('does not resume sessions, which would skip the certificates', async () => {
    const { address } = await serve();
    const [ca, cert, key] = [agent.ca, agent.cert, agent.key].map((file) => readFileSync(file));
    const reused = () =>
      new Promise<{ isReused: boolean; session: Buffer | undefined }>((resolve, reject) => {
        const socket = connect({
          host: '127.0.0.1',
          port: Number(address.split(':')[1]),
          ca,
          cert,
          key,
          ALPNProtocols: ['h2'],
          session,
        });
        socket.once('error', reject);
        // Sessions come after the handshake, and before all else.
        socket.once('data', () => {
          resolve({ isReused: socket.isSessionReused(), session: socket.getSession() });
          socket.destroy();
        });
      });
    let session: Buffer | undefined;
    ({ session } = await reused());
    expect((await reused()).isReused).toBe(false);
  });

  it('is of no use to clients of grpc-js without a certificate', async () => {
    const { address } = await serve();
    const client = new Client(address, credentials.createSsl(readFileSync(agent.ca)), {
      'grpc.ssl_target_name_override': 'localhost',
    });
    const answer = await ask(client);
    client.close();
    expect(answer).toBe('UNAUTHENTICATED: the client has no certificate, which this port requires');
  });
});
