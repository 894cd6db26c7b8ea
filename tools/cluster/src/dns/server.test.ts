import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import {
  decode,
  encode,
  type OptAnswer,
  type Packet,
  streamDecode,
  streamEncode,
  TRUNCATED_RESPONSE,
} from 'dns-packet';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { answer } from './answer.js';
import { DnsServer } from './server.js';
import type { ZoneRecord } from './zone.js';

const NAME = 'big.cluster.local';
const records = Array.from(
  { length: 100 },
  (_, i): ZoneRecord => ({ type: 'A', name: NAME, data: `10.0.0.${i}`, ttl: 5 }),
);
const zone = new Map([[NAME, records]]);
const query = (more: Packet = {}): Packet => ({
  type: 'query',
  id: 1,
  questions: [{ name: NAME, type: 'A' }],
  ...more,
});

let server: DnsServer;
beforeEach(async () => {
  server = await DnsServer.listen((packet) => answer('cluster.local', zone, packet), {
    port: 0,
    host: '127.0.0.1',
  });
});
afterEach(() => server.close());

async function overUdp(...messages: Buffer[]): Promise<Packet> {
  const socket = createSocket('udp4');
  try {
    const reply = once(socket, 'message');
    for (const message of messages) socket.send(message, server.port, '127.0.0.1');
    return decode((await reply)[0]);
  } finally {
    socket.close();
  }
}

it('tells over UDP that there is more, unless the asker takes more', async () => {
  const short = await overUdp(encode(query()));
  expect(short.answers).toEqual([]);
  expect((short.flags ?? 0) & TRUNCATED_RESPONSE).toBe(TRUNCATED_RESPONSE);
  const edns = {
    type: 'OPT' as const,
    name: '.' as const,
    udpPayloadSize: 4096,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  } satisfies OptAnswer;
  const long = await overUdp(encode(query({ additionals: [edns] })));
  expect(long.answers).toHaveLength(100);
});

it('answers all over TCP, however the query is cut', async () => {
  const socket = connect(server.port, '127.0.0.1');
  const bytes = streamEncode(query());
  socket.write(bytes.subarray(0, 1));
  socket.write(bytes.subarray(1, 9));
  socket.write(bytes.subarray(9));
  let received = Buffer.alloc(0);
  for await (const chunk of socket) {
    received = Buffer.concat([received, chunk as Buffer]);
    if (received.length >= 2 && received.length >= 2 + received.readUInt16BE()) break;
  }
  expect(streamDecode(received).answers).toHaveLength(100);
});

it('answers after anything that is no query', async () => {
  const junk = fc.sample(fc.uint8Array({ maxLength: 64 }), { numRuns: 50, seed: 1 });
  const cut = Array.from({ length: 20 }, (_, i) => encode(query()).subarray(0, i));
  const reply = await overUdp(...junk.map(Buffer.from), ...cut, encode(query({ id: 4711 })));
  expect(reply.type).toBe('response');
});
