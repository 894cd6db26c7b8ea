import { readFileSync, writeFileSync } from 'node:fs';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { LeafOptions } from '@infra-offload/tls-certs';
import type { TlsSettings } from '@infra-offload/tls-certs/grpc';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Connection, Connections, type Served } from './tls-connections.js';
import { TlsFixture } from './tls-fixture.js';

const DAY_MS = 86_400_000;
const EXPIRED = { notBefore: new Date(Date.now() - 2 * DAY_MS), notAfter: new Date(Date.now() - DAY_MS) };
const FUTURE = { notBefore: new Date(Date.now() + DAY_MS), notAfter: new Date(Date.now() + 2 * DAY_MS) };

const fixture = new TlsFixture();
let all: Connections;

beforeAll(async () => {
  all = await Connections.open(fixture);
});
afterAll(async () => {
  await all?.close();
  await fixture.remove();
});

const NAMES = ['agentToManager', 'managerToP4Runtime', 'managerToGnmi'] as const;

describe.each(NAMES)('%s', (which) => {
  let connection: Connection;
  let server: Served;
  let good: { readonly client: TlsSettings; readonly server: TlsSettings };

  beforeAll(async () => {
    connection = all[which];
    good = { client: await client(), server: await fixture.put(await fixture.issue(connection.server)) };
    server = await connection.serve(good.server);
  });
  afterAll(() => server?.stop());

  async function client(options: LeafOptions = {}): Promise<TlsSettings> {
    return fixture.put(await fixture.issue(connection.client, options));
  }

  /** What a good client says to another server. */
  async function against(settings: TlsSettings): Promise<string> {
    const other = await connection.serve(settings);
    try {
      return await connection.connect(other.address, good.client);
    } finally {
      await other.stop();
    }
  }

  /** What a good client says to a server that our own code would not start. */
  async function againstRaw(options: LeafOptions): Promise<string> {
    const { certificate, key } = await fixture.issue(connection.server, options);
    const raw = new Server();
    const credentials = ServerCredentials.createSsl(
      Buffer.from((await fixture.authority).certificate),
      [{ cert_chain: Buffer.from(certificate), private_key: Buffer.from(key) }],
      true,
    );
    try {
      const port = await new Promise<number>((resolve, reject) => {
        raw.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
          error === null ? resolve(bound) : reject(error),
        );
      });
      return await connection.connect(`127.0.0.1:${port}`, good.client);
    } finally {
      raw.forceShutdown();
    }
  }

  /** Both ends with such files end at their start, with one line that names the file. */
  async function refusedAtStart(
    settings: { client: TlsSettings; server: TlsSettings },
    reason: RegExp,
  ): Promise<void> {
    const observed = await connection.connect(server.address, settings.client);
    expect(observed).toMatch(reason);
    expect(observed).toMatch(
      /^infra-(agent|manager): (certificates for infra-manager|target\.\w+Tls): \/\S+: [^\n]*$/,
    );
    await expect(connection.serve(settings.server)).rejects.toThrow(reason);
  }

  async function put(change: (settings: TlsSettings) => void, options: LeafOptions = {}) {
    const made = {
      client: await client(options),
      server: await fixture.put(await fixture.issue(connection.server, options)),
    };
    change(made.client);
    change(made.server);
    return made;
  }

  it('right', async () => {
    expect(await connection.connect(server.address, good.client)).toBe('ok');
  });

  it('wrong CA: the client trusts another one', async () => {
    const identity = await fixture.issue(connection.client, {}, fixture.stranger);
    const settings = await fixture.put(identity, (await fixture.stranger).certificate);
    const observed = await connection.connect(server.address, settings);
    expect(observed).toMatch(/: the certificate CN=\S+ was not issued by an authority that is trusted here$/);
  });

  it('wrong CA: the server trusts another one', async () => {
    const identity = await fixture.issue(connection.client, {}, fixture.stranger);
    const both = (await fixture.authority).certificate + (await fixture.stranger).certificate;
    const observed = await connection.connect(server.address, await fixture.put(identity, both));
    const reason =
      /the client is refused: the certificate CN=\S+ was not issued by an authority that is trusted here/;
    expect(observed).toMatch(reason);
    expect(server.log()).toMatch(reason);
  });

  it('wrong CA: own certificate and authority do not belong together', async () => {
    const stranger = (await fixture.stranger).certificate;
    await refusedAtStart(
      await put(({ ca }) => writeFileSync(ca, stranger)),
      /the certificate CN=\S+ was not issued by an authority in \S+ca\.crt \(there: CN=stranger\)$/,
    );
  });

  it.each([
    ['expired', EXPIRED, /certificate CN=\S+ expired on 20\d\d-/],
    ['not yet valid', FUTURE, /certificate CN=\S+ is not valid before 20\d\d-/],
  ])('%s', async (_, dates, reason) => {
    await refusedAtStart(await put(() => {}, dates), reason);
    expect(await againstRaw(dates)).toMatch(reason);
  });

  it('wrong SAN', async () => {
    const identity = await fixture.issue(connection.server, {
      onlyNames: ['elsewhere.example', '192.0.2.1'],
    });
    expect(await against(await fixture.put(identity))).toMatch(
      /the certificate CN=\S+ of the server is not for 127\.0\.0\.1: it is for elsewhere\.example, 192\.0\.2\.1$/,
    );
  });

  it('wrong role of the client', async () => {
    const role = connection.client === 'agent' ? 'controller' : 'agent';
    const observed = await connection.connect(server.address, await fixture.put(await fixture.issue(role)));
    const reason =
      /the client is refused: its certificate CN=\S+ is that of (an infra-agent|a controller of the target); this port is for /;
    expect(observed).toMatch(reason);
    expect(server.log()).toMatch(reason);
  });

  it('wrong role of the server', async () => {
    const role = connection.server === 'manager' ? 'target' : 'manager';
    expect(await against(await fixture.put(await fixture.issue(role)))).toMatch(
      /the server is not (infra-manager|a target): its certificate CN=\S+ is that of (a target|infra-manager)$/,
    );
  });

  it('no client certificate', async () => {
    const observed = await connection.connect(server.address, { ...good.client, mode: 'tls' });
    expect(observed).toMatch(/the client has no certificate, which this port requires$/);
    expect(server.log()).toMatch(/the client has no certificate/);
  });

  it('plaintext to a TLS port', async () => {
    const observed = await connection.connect(server.address, { ...good.client, mode: 'insecure' });
    expect(observed).toMatch(/the client does not speak TLS, which this port requires$/);
    expect(server.log()).toMatch(/the client does not speak TLS/);
  });

  it('TLS to a plaintext port', async () => {
    expect(await against({ ...good.server, mode: 'insecure' })).toMatch(
      /the server does not speak TLS; is it configured as insecure\?$/,
    );
  });

  it('corrupted PEM', async () => {
    const damage = (text: string) => text.replace(/\n.{20}/, '\n!!!!');
    for (const [name, reason] of [
      ['cert', /tls\.crt: a certificate in it cannot be read: it is damaged$/],
      ['key', /tls\.key: the private key in it cannot be read: it is damaged$/],
      ['ca', /ca\.crt: a certificate in it cannot be read: it is damaged$/],
    ] as const) {
      await refusedAtStart(
        await put((settings) => writeFileSync(settings[name], damage(readFileSync(settings[name], 'utf8')))),
        reason,
      );
    }
  });

  it('key that does not fit', async () => {
    const { key } = await fixture.issue('operator');
    await refusedAtStart(
      await put((settings) => writeFileSync(settings.key, key)),
      /tls\.key: the private key is not that of the certificate in \S+tls\.crt \(CN=\S+\)$/,
    );
  });
});
