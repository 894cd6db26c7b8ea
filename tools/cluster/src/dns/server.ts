import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, type Server, type Socket as Stream } from 'node:net';
import { decode, encode, type Packet, TRUNCATED_RESPONSE } from 'dns-packet';

/** RFC 1035 2.3.4: without EDNS. */
const PLAIN_BYTES = 512;
/** That its length before it can tell. */
const MOST_BYTES = 65_535;
const IDLE_MS = 10_000;

/** DNS over UDP and TCP on one port. What cannot be read is not answered. */
export class DnsServer {
  readonly #udp: Socket;
  readonly #tcp: Server;

  private constructor(udp: Socket, tcp: Server) {
    this.#udp = udp;
    this.#tcp = tcp;
  }

  /** @param port 0: one that is free */
  static async listen(
    answer: (query: Packet) => Packet,
    { port, host }: { readonly port: number; readonly host: string },
  ): Promise<DnsServer> {
    const tcp = createServer((stream) => serve(stream, answer));
    tcp.listen(port, host);
    await once(tcp, 'listening');
    const udp = createSocket('udp4');
    const server = new DnsServer(udp, tcp);
    udp.on('message', (message, { address, port }) => {
      const reply = replyTo(message, answer, true);
      if (reply !== undefined) udp.send(reply, port, address);
    });
    // Of one datagram that could not be sent.
    udp.on('error', () => undefined);
    udp.bind(server.port, host);
    await once(udp, 'listening');
    return server;
  }

  get port(): number {
    const address = this.#tcp.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  close(): void {
    this.#udp.close();
    this.#tcp.close();
  }
}

/** Queries on a connection, each with its length before it (RFC 7766). */
function serve(stream: Stream, answer: (query: Packet) => Packet): void {
  let received = Buffer.alloc(0);
  stream.setTimeout(IDLE_MS, () => stream.destroy());
  stream.on('error', () => stream.destroy());
  stream.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= 2 + received.readUInt16BE()) {
      const end = 2 + received.readUInt16BE();
      const reply = replyTo(received.subarray(2, end), answer, false);
      received = received.subarray(end);
      if (reply === undefined) {
        stream.destroy();
        return;
      }
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      stream.write(Buffer.concat([length, reply]));
    }
  });
}

function replyTo(
  message: Buffer,
  answer: (query: Packet) => Packet,
  isDatagram: boolean,
): Buffer | undefined {
  let query: Packet;
  try {
    query = decode(message);
  } catch {
    return undefined;
  }
  if (query.type !== 'query') return undefined;
  const edns = query.additionals?.find((record) => record.type === 'OPT');
  const reply: Packet = {
    ...answer(query),
    ...(edns !== undefined && {
      additionals: [
        {
          type: 'OPT',
          name: '.',
          udpPayloadSize: 4096,
          extendedRcode: 0,
          ednsVersion: 0,
          flags: 0,
          flag_do: false,
          options: [],
        },
      ],
    }),
  };
  const whole = encode(reply);
  const most = isDatagram ? Math.max(PLAIN_BYTES, edns?.udpPayloadSize ?? 0) : MOST_BYTES;
  if (whole.length <= most) return whole;
  // The rest is for those who ask again over TCP.
  return encode({ ...reply, flags: (reply.flags ?? 0) | TRUNCATED_RESPONSE, answers: [] });
}
