import { formatMac, ipv4, mac } from '@infra-offload/net';

/** What of a TCP or UDP packet the tests look at. */
export interface Packet {
  readonly srcMac: string;
  readonly dstMac: string;
  readonly src: string;
  readonly dst: string;
  readonly srcPort: number;
  readonly dstPort: number;
}

const ETHERNET = 14;
const IPV4 = 20;
const TCP = 20;

/** Flags of TCP. */
export const TcpFlag = { syn: 0x02, ack: 0x10 } as const;

/** A TCP segment without data, a SYN if nothing else is said, with correct checksums, in an Ethernet frame. */
export function tcpSegment(
  { srcMac, dstMac, src, dst, srcPort, dstPort }: Packet,
  flags: number = TcpFlag.syn,
): Uint8Array {
  const bytes = Buffer.alloc(ETHERNET + IPV4 + TCP);
  bytes.writeUIntBE(mac(dstMac), 0, 6);
  bytes.writeUIntBE(mac(srcMac), 6, 6);
  bytes.writeUInt16BE(0x0800, 12);
  const ip = bytes.subarray(ETHERNET);
  ip[0] = 0x45;
  ip.writeUInt16BE(IPV4 + TCP, 2);
  ip[8] = 64;
  ip[9] = 6;
  ip.writeUInt32BE(ipv4(src), 12);
  ip.writeUInt32BE(ipv4(dst), 16);
  ip.writeUInt16BE(checksum(ip.subarray(0, IPV4)), 10);
  const tcp = ip.subarray(IPV4);
  tcp.writeUInt16BE(srcPort, 0);
  tcp.writeUInt16BE(dstPort, 2);
  tcp[12] = 0x50;
  tcp[13] = flags;
  const pseudo = Buffer.alloc(12);
  ip.copy(pseudo, 0, 12, 20);
  pseudo[9] = 6;
  pseudo.writeUInt16BE(TCP, 10);
  tcp.writeUInt16BE(checksum(Buffer.concat([pseudo, tcp])), 16);
  return bytes;
}

/** Reads a packet back; throws when a checksum is wrong. */
export function readTcp(packet: Uint8Array): Packet {
  const bytes = Buffer.from(packet);
  const ip = bytes.subarray(ETHERNET);
  const tcp = ip.subarray(IPV4, ip.readUInt16BE(2));
  const pseudo = Buffer.alloc(12);
  ip.copy(pseudo, 0, 12, 20);
  pseudo[9] = ip[9] ?? 0;
  pseudo.writeUInt16BE(tcp.length, 10);
  if (checksum(ip.subarray(0, IPV4)) !== 0 || checksum(Buffer.concat([pseudo, tcp])) !== 0) {
    throw new Error('a checksum is wrong');
  }
  return {
    srcMac: macAt(bytes, 6),
    dstMac: macAt(bytes, 0),
    src: [...ip.subarray(12, 16)].join('.'),
    dst: [...ip.subarray(16, 20)].join('.'),
    srcPort: tcp.readUInt16BE(0),
    dstPort: tcp.readUInt16BE(2),
  };
}

/** An ARP request. */
export function arpRequest(
  sender: { readonly mac: string; readonly ip: string },
  target: string,
): Uint8Array {
  const bytes = Buffer.alloc(42);
  bytes.fill(0xff, 0, 6);
  bytes.writeUIntBE(mac(sender.mac), 6, 6);
  bytes.writeUInt16BE(0x0806, 12);
  Buffer.from([0, 1, 8, 0, 6, 4, 0, 1]).copy(bytes, 14);
  bytes.writeUIntBE(mac(sender.mac), 22, 6);
  bytes.writeUInt32BE(ipv4(sender.ip), 28);
  bytes.writeUInt32BE(ipv4(target), 38);
  return bytes;
}

/** The MAC that an ARP reply tells. */
export function arpReplyMac(packet: Uint8Array): string {
  const bytes = Buffer.from(packet);
  if (bytes.readUInt16BE(12) !== 0x0806 || bytes.readUInt16BE(20) !== 2) throw new Error('no ARP reply');
  return macAt(bytes, 22);
}

function macAt(bytes: Buffer, at: number): string {
  return formatMac(mac(bytes.readUIntBE(at, 6)));
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  if (bytes.length % 2 === 1) sum += (bytes[bytes.length - 1] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
