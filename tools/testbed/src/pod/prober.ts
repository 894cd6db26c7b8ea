import { ipv4, ipv4Bytes, PROTOCOL_NUMBERS } from '@infra-offload/net';
import koffi from 'koffi';
import type { Flood, Probe } from './protocol.js';

const AF_INET = 2;
const AF_PACKET = 17;
const SOCK_DGRAM = 2;
const SOCK_RAW = 3;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x8_0000;
const SOL_SOCKET = 1;
const SO_RCVBUFFORCE = 33;
const IPPROTO_RAW = 255;
/** ETH_P_IP in network order. */
const IPV4_PACKETS = 0x0008;

const IP_HEADER = 20;
const { ICMP, TCP, UDP, SCTP } = PROTOCOL_NUMBERS;
/** Where the payload begins behind the IP header: of ICMP echo, TCP, UDP, SCTP. */
const PAYLOAD: Readonly<Record<number, number>> = { [ICMP]: 8, [TCP]: 20, [UDP]: 8, [SCTP]: 12 };
/** Ports of floods. */
const FIRST_PORT = 10_000;
const PORTS = 50_000;
const MAGIC = 0x494f_4650;
/** ENODEV, ENETDOWN, ENETUNREACH. */
const AWAY = new Set([19, 100, 101]);
const RECEIVE_BUFFER = 8 * 1024 * 1024;

const libc = koffi.load(null);
const socket: (family: number, type: number, protocol: number) => number = libc.func(
  'int socket(int domain, int type, int protocol)',
);
const setsockopt: (fd: number, level: number, name: number, value: Uint8Array, size: number) => number =
  libc.func('int setsockopt(int fd, int level, int name, const void *value, unsigned int size)');
const sendto: (
  fd: number,
  data: Uint8Array,
  size: number,
  flags: number,
  to: Uint8Array,
  toSize: number,
) => number = libc.func(
  'long sendto(int fd, const void *data, unsigned long size, int flags, const void *to, unsigned int toSize)',
);
const recv: (fd: number, data: Uint8Array, size: number, flags: number) => number = libc.func(
  'long recv(int fd, void *data, unsigned long size, int flags)',
);

/**
 * Sends single packets of any protocol, and notes which arrive. Nobody answers them: their checksums are wrong, so that
 * the kernel that gets one drops it after the prober has seen it.
 */
export class Prober {
  readonly #sender = checked(socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW), 'a raw socket');
  readonly #receiver = checked(
    socket(AF_PACKET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPV4_PACKETS),
    'a packet socket',
  );

  constructor() {
    const size = Buffer.alloc(4);
    size.writeInt32LE(RECEIVE_BUFFER);
    checked(setsockopt(this.#receiver, SOL_SOCKET, SO_RCVBUFFORCE, size, size.length), 'its buffer');
  }

  /** While the pod has no interface, they are lost. */
  send(probes: readonly Probe[]): void {
    for (const probe of probes) this.#send(packetOf(probe), probe.address);
  }

  /** Each packet has other ports than the ones before. */
  flood({ address, protocol, count, from = 0 }: Flood): void {
    const packet = packetOf({ id: 0, address, protocol, sourcePort: 0, port: 0 });
    for (let flow = from; flow < from + count; flow++) {
      packet.writeUInt16BE(FIRST_PORT + (flow % PORTS), IP_HEADER);
      packet.writeUInt16BE(FIRST_PORT + Math.floor(flow / PORTS), IP_HEADER + 2);
      this.#send(packet, address);
    }
  }

  #send(packet: Buffer, address: string): void {
    const to = Buffer.alloc(16);
    to.writeUInt16LE(AF_INET, 0);
    to.set(ipv4Bytes(ipv4(address)), 4);
    const sent = sendto(this.#sender, packet, packet.length, 0, to, to.length);
    if (sent < 0 && !AWAY.has(koffi.errno())) checked(sent, `a packet to ${address}`);
  }

  /** Numbers of the probes that have arrived since the last call. */
  received(): readonly number[] {
    const ids: number[] = [];
    const packet = Buffer.alloc(256);
    for (let size = this.#read(packet); size > 0; size = this.#read(packet)) {
      const payload = IP_HEADER + (PAYLOAD[packet[9] ?? 0] ?? 0);
      if (size >= payload + 8 && packet.readUInt32BE(payload) === MAGIC)
        ids.push(packet.readUInt32BE(payload + 4));
    }
    return ids;
  }

  #read(packet: Buffer): number {
    return recv(this.#receiver, packet, packet.length, 0);
  }
}

function packetOf({ id, address, protocol, sourcePort, port }: Probe): Buffer {
  const payload = PAYLOAD[protocol];
  if (payload === undefined) throw new Error(`there are no probes of protocol ${protocol}`);
  const packet = Buffer.alloc(IP_HEADER + payload + 8);
  // The kernel fills in length, identification, source and checksum.
  packet[0] = 0x45;
  packet[8] = 64;
  packet[9] = protocol;
  packet.set(ipv4Bytes(ipv4(address)), 16);
  const header = packet.subarray(IP_HEADER);
  if (protocol === ICMP) {
    header[0] = 8;
    header.writeUInt16BE(sourcePort, 4);
  } else {
    header.writeUInt16BE(sourcePort, 0);
    header.writeUInt16BE(port, 2);
  }
  if (protocol === TCP) header.writeUInt16BE(0x5002, 12);
  // The length of UDP is wrong, as are the checksums of all.
  header.writeUInt32BE(MAGIC, payload);
  header.writeUInt32BE(id, payload + 4);
  return packet;
}

function checked(result: number, what: string): number {
  if (result < 0) throw new Error(`cannot use ${what}: errno ${koffi.errno()}`);
  return result;
}
