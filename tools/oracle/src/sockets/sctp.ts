import { ipv4, ipv4Bytes, PROTOCOL_NUMBERS } from '@infra-offload/net';
import koffi from 'koffi';
import { messageOf, type Peer, readMessage, type Side, type SocketEvent } from './protocol.js';

const AF_INET = 2;
const SOCK_RAW = 3;
const IPPROTO_SCTP = PROTOCOL_NUMBERS.SCTP;

const IP_HEADER = 20;
const SCTP_HEADER = 12;
const INIT_CHUNK = 20;
/** Of a parameter: type and length. */
const PARAMETER_HEADER = 4;
const MESSAGE = SCTP_HEADER + INIT_CHUNK + PARAMETER_HEADER;
const INIT = 1;
/** A parameter that nobody knows, to be skipped (RFC 9260, section 3.2.1). */
const UNKNOWN_PARAMETER = 0xbfff;
const CASTAGNOLI = 0x82f63b78;

const libc = koffi.load(null);
const socket: (family: number, type: number, protocol: number) => number = libc.func(
  'int socket(int domain, int type, int protocol)',
);
const sendto = libc.func(
  'long sendto(int fd, const void *data, unsigned long size, int flags, const void *to, unsigned int toSize)',
);
const recv = libc.func('long recv(int fd, void *data, unsigned long size, int flags)');

/** INIT chunks over a raw socket: Node.js has no sockets of SCTP, and the kernel need not have any. */
export class SctpSockets {
  readonly #tell: (event: SocketEvent) => void;
  readonly #ports = new Set<number>();
  readonly #clients = new Map<string, { readonly to: Peer; readonly localPort: number }>();
  #fd = -1;

  constructor(tell: (event: SocketEvent) => void) {
    this.#tell = tell;
  }

  listen(port: number): void {
    this.#ports.add(port);
    if (this.#fd >= 0) return;
    this.#fd = socket(AF_INET, SOCK_RAW, IPPROTO_SCTP);
    if (this.#fd < 0) throw new Error(`cannot make a raw socket: errno ${koffi.errno()}`);
    this.#receive(Buffer.alloc(2_048));
  }

  unlisten(port: number): void {
    this.#ports.delete(port);
  }

  open(flow: string, to: Peer, localPort: number): void {
    this.#clients.set(flow, { to, localPort });
  }

  send(flow: string, number: number, size: number): void {
    const client = this.#clients.get(flow);
    if (!client) throw new Error(`there is no client of ${flow}`);
    const { to, localPort } = client;
    const address = Buffer.alloc(16);
    address.writeUInt16LE(AF_INET, 0);
    address.set(ipv4Bytes(ipv4(to.address)), 4);
    const packet = initOf(localPort, to.port, messageOf(flow, number, size));
    if (sendto(this.#fd, packet, packet.length, 0, address, address.length) < 0)
      throw new Error(`cannot send to ${to.address}: errno ${koffi.errno()}`);
  }

  close(flow: string): void {
    this.#clients.delete(flow);
  }

  has(flow: string, side: Side): boolean {
    return side === 'client' && this.#clients.has(flow);
  }

  /** In a thread of its own, for as long as the process lives. */
  #receive(packet: Buffer): void {
    recv.async(this.#fd, packet, packet.length, 0, (error: unknown, size: number) => {
      if (!error && size > IP_HEADER + MESSAGE) this.#onPacket(packet.subarray(0, size));
      this.#receive(packet);
    });
  }

  #onPacket(packet: Buffer): void {
    const sctp = packet.subarray(IP_HEADER);
    if (sctp[SCTP_HEADER] !== INIT || !this.#ports.has(sctp.readUInt16BE(2))) return;
    const address = packet.subarray(12, 16).join('.');
    const parameter = SCTP_HEADER + INIT_CHUNK;
    const text = sctp.toString('latin1', MESSAGE, parameter + sctp.readUInt16BE(parameter + 2));
    const { flow, number } = readMessage(text);
    const peer = { address, port: sctp.readUInt16BE(0) };
    this.#tell({ flow, side: 'server', event: 'received', number, size: text.length, peer });
  }
}

function initOf(sourcePort: number, port: number, message: string): Buffer {
  const parameter = PARAMETER_HEADER + message.length;
  const packet = Buffer.alloc(SCTP_HEADER + INIT_CHUNK + Math.ceil(parameter / 4) * 4);
  packet.writeUInt16BE(sourcePort, 0);
  packet.writeUInt16BE(port, 2);
  const chunk = packet.subarray(SCTP_HEADER);
  chunk[0] = INIT;
  chunk.writeUInt16BE(INIT_CHUNK + parameter, 2);
  // Initiate tag, window, streams out and in, first TSN.
  chunk.writeUInt32BE(1, 4);
  chunk.writeUInt32BE(0x1_0000, 8);
  chunk.writeUInt16BE(1, 12);
  chunk.writeUInt16BE(1, 14);
  chunk.writeUInt32BE(1, 16);
  chunk.writeUInt16BE(UNKNOWN_PARAMETER, INIT_CHUNK);
  chunk.writeUInt16BE(parameter, INIT_CHUNK + 2);
  chunk.write(message, INIT_CHUNK + PARAMETER_HEADER, 'latin1');
  packet.writeUInt32LE(crc32c(packet), 8);
  return packet;
}

/** The checksum of SCTP (RFC 9260, appendix A). */
function crc32c(data: Uint8Array): number {
  let crc = ~0;
  for (const byte of data) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? CASTAGNOLI : 0);
  }
  return ~crc >>> 0;
}
