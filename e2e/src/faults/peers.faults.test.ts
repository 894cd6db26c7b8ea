/** Peers that abuse HTTP/2, TLS and TCP, against the programs as they run: the manager's port and those of the target. */
import { faultTest, type Random, usageOf } from '@infra-offload/faults';
import {
  AbuseClient,
  type AbuseIdentity,
  FLOODS,
  flight,
  grpcHeaders,
  headers,
  message,
  settings,
} from '@infra-offload/faults/http2';
import { createAuthority } from '@infra-offload/tls-certs';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { TlsFixture, until } from '../tls-fixture.js';
import { type Door, Doors, Watch } from './support/doors.js';

/** An honest client's answer, connecting included, takes no longer; on a machine that is busy anyway, this much longer. */
const PROMISED_MS = 1_000;
const PROMISED_DELAY = 10;
/** Memory of a program, by its memory at rest. */
const PROMISED_GROWTH = 1.5;

const fixture = new TlsFixture();
let doors: Doors;
let identities: readonly AbuseIdentity[];

beforeAll(async () => {
  doors = await Doors.open(fixture);
  const { certificate: cert, key } = await fixture.stranger;
  identities = [{}, { cert, key }];
  // Once through everything, since a program that has done nothing yet is no measure.
  for (const door of doors.all) for (let i = 0; i < 20; i++) await doors.ask(door);
});
afterAll(() => fixture.remove());

const DOORS = ['manager (50002)', 'P4Runtime (9559)', 'gNMI (9339)'] as const;

describe.each(DOORS)('%s', (name) => {
  const door = (): Door => {
    const found = doors.all.find((one) => one.name === name);
    if (found === undefined) throw new Error(`there is no ${name}`);
    return found;
  };

  /** What was promised of every test. */
  async function check(watch: Watch): Promise<string> {
    await watch.end();
    expect(door().program.ended).toBe(false);
    expect(watch.slowestMs).toBeLessThan(Math.max(PROMISED_MS, watch.restMs * PROMISED_DELAY));
    expect(watch.peakMb).toBeLessThan(watch.restMb * PROMISED_GROWTH);
    return `${watch}`;
  }

  faultTest(
    {
      fault: `HTTP/2 made at random, in plain text, without a certificate, with a stranger's and with a right one, to ${name}`,
      promise: 'the program goes on; an honest client is answered in under 1 s; memory stays under 1.5 times',
      sample: 200,
    },
    async ({ cases, random }) => {
      const key = await doors.key(door());
      const ways = [undefined, ...identities, key].map((identity) => doors.way(door(), identity));
      const watch = await Watch.begin(doors, door());
      for (let left = cases; left > 0; left -= 10) {
        await Promise.all(
          Array.from({ length: Math.min(left, 10) }, async () => {
            const client = await AbuseClient.connect(random.pick(ways));
            client.socket.end(flight(random, [door().path]));
            await client.closed;
          }),
        );
      }
      return check(watch);
    },
  );

  for (const flood of FLOODS) {
    faultTest(
      {
        fault: `${flood.name} flood on four connections, in plain text and with a right certificate, to ${name}`,
        promise: 'an honest client is answered in under 1 s; memory stays under 1.5 times',
        sample: 2_000,
        most: 100_000,
      },
      async ({ cases }) => {
        const key = await doors.key(door());
        const watch = await Watch.begin(doors, door());
        let ended = 0;
        let sent = 0;
        const next = (index: number) => {
          if (sent >= cases) return undefined;
          sent += flood.perChunk;
          return flood.chunk(index, door().path);
        };
        const floodOnce = async (identity: AbuseIdentity | undefined) => {
          const client = await AbuseClient.open(doors.way(door(), identity));
          await client.flood(next);
          if (client.isClosed) ended++;
          client.destroy();
        };
        await Promise.all(
          [undefined, key, key, key].map(async (identity) => {
            while (sent < cases) await floodOnce(identity);
          }),
        );
        return `${ended} connections ended by the server, ${await check(watch)}`;
      },
    );
  }

  faultTest(
    {
      fault: `connections that say nothing, or begin TLS and no more, to ${name}`,
      promise: 'an honest client is answered in under 1 s; memory stays under 1.5 times',
      sample: 600,
      most: 5_000,
    },
    async ({ cases, random }) => {
      const watch = await Watch.begin(doors, door());
      const clients: AbuseClient[] = [];
      for (let i = 0; i < cases; i++) {
        const client = await AbuseClient.connect(doors.way(door()));
        clients.push(client);
        if (random.chance(50)) client.socket.write(Buffer.from([0x16, 3, 1, 2, 0, 1]));
      }
      const left = clients.filter(({ isClosed }) => !isClosed).length;
      const told = await check(watch);
      for (const client of clients) client.destroy();
      return `${left} of ${cases} left open, ${told}`;
    },
  );

  faultTest(
    {
      fault: `calls whose answers nobody reads, to ${name}`,
      promise: 'they are ended, with their descriptors; memory stays under 1.5 times',
      sample: 10,
      most: 30,
    },
    async ({ cases }) => {
      const { descriptors } = usageOf(door().program.pid);
      const key = await doors.key(door());
      const watch = await Watch.begin(doors, door());
      const clients = await Promise.all(
        Array.from({ length: cases }, async () => {
          // No room for a single byte of an answer.
          const client = await AbuseClient.open(doors.way(door(), key), settings([0x4, 0]));
          client.stopReading();
          for (let stream = 1; stream < 200; stream += 2) {
            await client.send(
              Buffer.concat([headers(stream, grpcHeaders(door().path)), message(stream, door().request)]),
            );
          }
          return client;
        }),
      );
      const started = performance.now();
      await until('their descriptors to be free', () => {
        const now = usageOf(door().program.pid).descriptors;
        // The honest client's come and go.
        return now <= descriptors + 3 || undefined;
      });
      const took = performance.now() - started;
      const told = await check(watch);
      for (const client of clients) client.destroy();
      return `ended after ${(took / 1000).toFixed(1)} s, ${told}`;
    },
  );

  faultTest(
    {
      fault: `certificates made to spoil the log, to ${name}`,
      promise: 'lines of bounded number and length, of printable characters',
      sample: 6,
      most: 500,
    },
    async ({ cases, random }) => {
      const before = door().program.output.length;
      const watch = await Watch.begin(doors, door());
      for (let i = 0; i < cases; i++) {
        const { certificate: cert, key } = await createAuthority({ bits: 2048, name: spoiling(random) });
        const client = await AbuseClient.open(doors.way(door(), { cert, key }));
        await client.send(headers(1, grpcHeaders(door().path), true));
        await client.answered;
        client.destroy();
      }
      const told = await check(watch);
      const lines = door().program.output.slice(before).split('\n');
      expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(1_500);
      expect(lines.join('')).not.toMatch(/[\p{Cc}\p{Zl}\p{Zp}]|\u202e/u);
      expect(lines.length).toBeLessThan(80);
      return `${lines.length} lines for ${cases} clients, ${told}`;
    },
  );
});

/** A name with what terminals, log readers and JSON take for more than a character. */
function spoiling(random: Random): string {
  const pieces = [
    '\n{"level":60}',
    '\u001b[2J',
    '\u202e',
    '\r',
    '"',
    '\\',
    '\u0000',
    '%s',
    'x'.repeat(300),
    '\u2028',
  ];
  return Array.from({ length: 1 + random.below(30) }, () => random.pick(pieces)).join('');
}
