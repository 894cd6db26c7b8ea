import { readdirSync, readFileSync } from 'node:fs';
import { faultTest } from '@infra-offload/faults';
import {
  AbuseClient,
  type AbuseIdentity,
  type AbuseOptions,
  FLOODS,
  FrameType,
  flight,
  frame,
  grpcHeaders,
  headers,
  message,
  settings,
} from '@infra-offload/faults/http2';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import type { IdentityFiles } from '../layout.js';
import { call, ECHO, type EchoListener, EchoServers, POUR, type ServeOptions } from '../testing/echo.js';
import { Scratch } from '../testing/scratch.js';

const scratch = new Scratch();
let servers: EchoServers;
let agent: IdentityFiles;
let identities: Readonly<Record<'agent' | 'controller' | 'none', AbuseIdentity>>;
const uncaught: unknown[] = [];
const onUncaught = (error: unknown) => void uncaught.push(error);

beforeAll(async () => {
  servers = new EchoServers(await scratch.put(await scratch.issue('manager')));
  agent = await scratch.put(await scratch.issue('agent'));
  const { certificate: cert, key } = await scratch.issue('controller');
  identities = {
    agent: { cert: readFileSync(agent.cert, 'utf8'), key: readFileSync(agent.key, 'utf8') },
    controller: { cert, key },
    none: {},
  };
  process.on('uncaughtException', onUncaught);
});
afterEach(() => servers.close());
afterAll(() => {
  process.off('uncaughtException', onUncaught);
  scratch.remove();
});

/** Who a hostile client is to the listener, from what it says before HTTP/2. */
const PEERS = {
  'plain text where TLS is required': { mode: 'mtls' },
  'TLS without a certificate': { mode: 'mtls', identity: 'none' },
  'TLS with the certificate of another role': { mode: 'mtls', identity: 'controller' },
  'mutual TLS': { mode: 'mtls', identity: 'agent' },
  'plain text where that is served': { mode: 'insecure' },
} as const satisfies Record<string, { mode: 'mtls' | 'insecure'; identity?: keyof typeof identities }>;
const KINDS = Object.keys(PEERS) as (keyof typeof PEERS)[];

/** A listener, how hostile clients get to it, and an honest client. */
async function open(kind: keyof typeof PEERS, options: ServeOptions = {}) {
  const { mode, ...rest } = PEERS[kind];
  const listener = await servers.serve({ ...options, mode });
  const hostile: AbuseOptions = {
    address: listener.address,
    ...('identity' in rest && { tls: identities[rest.identity] }),
  };
  return { listener, hostile, honest: () => honest(listener, mode) };
}

/** How many milliseconds an honest client waits for its answer, connecting included. */
async function honest({ address }: EchoListener, mode: 'mtls' | 'insecure'): Promise<number> {
  const start = performance.now();
  expect(await call(address, agent, { mode })).toBe(mode === 'mtls' ? 'agents' : 'everybody');
  return performance.now() - start;
}

/** Descriptors of this process. */
const descriptors = (): number => readdirSync('/proc/self/fd').length;

const inMs = (ms: number): string => `${ms.toFixed(0)} ms`;

for (const kind of KINDS) {
  faultTest(
    {
      fault: `HTTP/2 made at random, ${kind}`,
      promise: 'nothing throws, an honest client is answered, and descriptors are free again',
      sample: 60,
      // A connection each, and five kinds of them.
      most: 20_000,
    },
    async ({ cases, random }) => {
      const { hostile, honest } = await open(kind);
      const before = descriptors();
      for (let left = cases; left > 0; ) {
        const clients = await Promise.all(
          Array.from({ length: Math.min(left, 20) }, () => AbuseClient.connect(hostile)),
        );
        left -= clients.length;
        for (const client of clients) client.socket.end(flight(random, [ECHO, POUR]));
        await Promise.all(clients.map((client) => client.closed));
      }
      const waited = await honest();
      expect(uncaught.splice(0)).toEqual([]);
      await expect.poll(descriptors).toBeLessThanOrEqual(before);
      return `honest client ${inMs(waited)}, no descriptor left over`;
    },
  );
}

for (const flood of FLOODS) {
  faultTest(
    {
      fault: `${flood.name} flood on four connections, mutual TLS`,
      promise: 'the connections end, or go on within limits; an honest client is answered',
      sample: 800,
    },
    async ({ cases }) => {
      const { hostile, honest } = await open('mutual TLS', { limits: { controlFrames: 100 } });
      const clients = await Promise.all(Array.from({ length: 4 }, () => AbuseClient.open(hostile)));
      const chunks = Math.ceil(cases / flood.perChunk / clients.length);
      const floods = Promise.all(
        clients.map((client) =>
          client.flood((index) => (index < chunks ? flood.chunk(index, ECHO) : undefined)),
        ),
      );
      const waited = await honest();
      await floods;
      await honest();
      const ended = clients.filter(({ isClosed }) => isClosed).length;
      for (const client of clients) client.destroy();
      expect(uncaught.splice(0)).toEqual([]);
      return `${ended} of ${clients.length} connections ended by the server, honest client ${inMs(waited)}`;
    },
  );
}

faultTest(
  {
    fault: 'connections that say nothing, or begin TLS and no more',
    promise: 'a new honest client is answered; what is too much ends',
    sample: 100,
    most: 5_000,
  },
  async ({ cases }) => {
    const limits = { silentConnections: 30, handshakes: 10 };
    const { listener, honest } = await open('mutual TLS', { limits });
    const clients: AbuseClient[] = [];
    for (let i = 0; i < cases; i++) {
      const client = await AbuseClient.connect({ address: listener.address });
      if (i % 2 === 0) client.socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1]));
      clients.push(client);
    }
    const waited = await honest();
    const open_ = clients.filter(({ isClosed }) => !isClosed).length;
    expect(open_).toBeLessThanOrEqual(limits.silentConnections + limits.handshakes);
    expect(listener.lines.join('\n')).toMatch(/too many (silent connections|TLS handshakes at once)/);
    for (const client of clients) client.destroy();
    return `${open_} of ${cases} connections left, honest client ${inMs(waited)}`;
  },
);

faultTest(
  {
    fault: 'connections of one client without a call',
    promise: 'the idle ones end for new ones, those with calls stay',
    sample: 40,
    most: 1_000,
  },
  async ({ cases }) => {
    const limits = { connectionsPerAddress: 10 };
    const { listener, hostile, honest } = await open('plain text where that is served', { limits });
    const busy = await AbuseClient.open(hostile);
    await busy.send(headers(1, grpcHeaders(ECHO)));
    const clients: AbuseClient[] = [];
    for (let i = 0; i < cases; i++) {
      const client = await AbuseClient.open(hostile);
      await client.answered;
      clients.push(client);
    }
    const waited = await honest();
    expect(busy.isClosed).toBe(false);
    const left = clients.filter(({ isClosed }) => !isClosed).length;
    expect(left).toBeLessThan(limits.connectionsPerAddress);
    expect(listener.lines.join('\n')).toMatch(/too many connections"/);
    for (const client of [busy, ...clients]) client.destroy();
    return `${left} of ${cases} connections left, honest client ${inMs(waited)}`;
  },
);

faultTest(
  {
    fault: 'requests that do not end',
    promise: 'the connection that has most ends, the others stay',
    sample: 3,
    most: 100,
  },
  async ({ cases }) => {
    const limits = { requestBytesPerAddress: 1 << 20 };
    const { listener, hostile, honest } = await open('mutual TLS', { limits });
    const small = await AbuseClient.open(hostile);
    await small.send(Buffer.concat([headers(1, grpcHeaders(ECHO)), part(1, 1 << 20, 10)]));
    for (let i = 0; i < cases; i++) {
      const client = await AbuseClient.open(hostile);
      // As much as flow control lets through, on many streams at once.
      for (let stream = 1; stream < 60 && !client.isClosed; stream += 2) {
        await client.send(headers(stream, grpcHeaders(ECHO)));
        // Three pieces of one message; only the first has a prefix, the others hold whatever.
        for (let left = 3; left > 0; left--) await client.send(part(stream, 1 << 21, 12_000));
      }
      await client.closed;
    }
    const waited = await honest();
    expect(small.isClosed).toBe(false);
    expect(listener.lines.join('\n')).toMatch(/too much data in incomplete or unanswered requests/);
    small.destroy();
    return `honest client ${inMs(waited)}`;
  },
);

faultTest(
  {
    fault: 'clients that ask for much and do not read',
    promise: 'they are ended',
    sample: 3,
    most: 60,
  },
  async ({ cases }) => {
    const { listener, hostile, honest } = await open('mutual TLS', { limits: { unreadMs: 500 } });
    const clients = await Promise.all(
      Array.from({ length: cases }, async (_, i) => {
        // Those that read leave no window, the others nothing in the network.
        const client = await AbuseClient.open(hostile, settings([0x4, i % 2 === 0 ? 65_535 : 2 ** 31 - 1]));
        if (i % 2 === 1) client.stopReading();
        await client.send(Buffer.concat([headers(1, grpcHeaders(POUR)), message(1, Buffer.alloc(0))]));
        return client;
      }),
    );
    const start = performance.now();
    const waited = await honest();
    await expect.poll(() => listener.peers.connections).toBe(0);
    const took = performance.now() - start;
    for (const client of clients) client.readOn();
    await Promise.all(clients.map((client) => client.closed));
    expect(listener.lines.join('\n')).toMatch(/answers were not read for 0\.5 s/);
    return `ended after ${inMs(took)}, honest client ${inMs(waited)}`;
  },
);

faultTest(
  {
    fault: 'more clients at once than an address may have, all of them calling',
    promise: 'those that are too many end; one that comes later is answered',
    sample: 100,
    most: 2_000,
  },
  async ({ cases }) => {
    const { listener, hostile, honest } = await open('mutual TLS', { limits: { connectionsPerAddress: 20 } });
    for (let left = cases; left > 0; left -= 50) {
      const clients = await Promise.all(
        Array.from({ length: Math.min(left, 50) }, async () => {
          const client = await AbuseClient.open(hostile);
          await client.send(Buffer.concat([headers(1, grpcHeaders(POUR)), message(1, Buffer.alloc(0))]));
          return client;
        }),
      );
      for (const client of clients) client.destroy();
      await expect.poll(() => listener.peers.connections).toBe(0);
    }
    const waited = await honest();
    expect(uncaught.splice(0)).toEqual([]);
    return `honest client ${inMs(waited)}`;
  },
);

/** The next `length` bytes of a request whose message is `whole` bytes long. */
function part(stream: number, whole: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUInt32BE(whole, 1);
  return frame(FrameType.data, 0, stream, bytes);
}
