import { formatIPv4, formatMac, ipv4, mac, PROTOCOL_NUMBERS } from '@infra-offload/net';

/** TCP's flags as one number. */
export const TcpFlags = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

/** An IPv4 packet in an Ethernet frame. ICMP echo has its identifier as both ports. */
export interface Frame {
  readonly protocol: 'tcp' | 'udp' | 'icmp';
  readonly srcMac: string;
  readonly dstMac: string;
  readonly src: string;
  readonly dst: string;
  readonly srcPort: number;
  readonly dstPort: number;
  /** TCP flags; for ICMP 8 is a request, 0 a reply. */
  readonly flags: number;
}

const PROTOCOLS = {
  icmp: PROTOCOL_NUMBERS.ICMP,
  tcp: PROTOCOL_NUMBERS.TCP,
  udp: PROTOCOL_NUMBERS.UDP,
} as const;
const LENGTHS = { icmp: 8, tcp: 20, udp: 8 } as const;
const CHECKSUMS = { icmp: 2, tcp: 16, udp: 6 } as const;
const ETHERNET = 14;
const IPV4 = 20;

/** The bytes of a frame, with correct checksums. */
export function encodeFrame({
  protocol,
  srcMac,
  dstMac,
  src,
  dst,
  srcPort,
  dstPort,
  flags,
}: Frame): Uint8Array {
  const length = LENGTHS[protocol];
  const bytes = Buffer.alloc(ETHERNET + IPV4 + length);
  bytes.writeUIntBE(mac(dstMac), 0, 6);
  bytes.writeUIntBE(mac(srcMac), 6, 6);
  bytes.writeUInt16BE(0x0800, 12);
  const ip = bytes.subarray(ETHERNET);
  ip[0] = 0x45;
  ip.writeUInt16BE(IPV4 + length, 2);
  ip[8] = 64;
  ip[9] = PROTOCOLS[protocol];
  ip.writeUInt32BE(ipv4(src), 12);
  ip.writeUInt32BE(ipv4(dst), 16);
  ip.writeUInt16BE(checksum(ip.subarray(0, IPV4)), 10);
  const segment = ip.subarray(IPV4);
  if (protocol === 'icmp') {
    segment[0] = flags;
    segment.writeUInt16BE(srcPort, 4);
  } else {
    segment.writeUInt16BE(srcPort, 0);
    segment.writeUInt16BE(dstPort, 2);
    if (protocol === 'udp') segment.writeUInt16BE(length, 4);
    else segment.writeUInt16BE(0x5000 + flags, 12);
  }
  segment.writeUInt16BE(segmentChecksum(protocol, ip), CHECKSUMS[protocol]);
  return bytes;
}

/** A TCP segment without data, a SYN if nothing else is said, in a frame. */
export function tcpSegment(
  addresses: Omit<Frame, 'protocol' | 'flags'>,
  flags: number = TcpFlags.syn,
): Uint8Array {
  return encodeFrame({ ...addresses, protocol: 'tcp', flags });
}

/** Reads a frame back; undefined for what is no IPv4. Throws when a checksum is wrong. */
export function decodeFrame(packet: Uint8Array): Frame | undefined {
  const bytes = Buffer.from(packet);
  if (bytes.readUInt16BE(12) !== 0x0800) return undefined;
  const ip = bytes.subarray(ETHERNET);
  const protocol = (['tcp', 'udp', 'icmp'] as const).find((name) => PROTOCOLS[name] === ip[9]) ?? 'icmp';
  const segment = ip.subarray(IPV4);
  if (checksum(ip.subarray(0, IPV4)) !== 0 || segmentChecksum(protocol, ip) !== 0)
    throw new Error(`a checksum is wrong in ${bytes.toString('hex')}`);
  const icmp = protocol === 'icmp';
  return {
    protocol,
    srcMac: formatMac(mac(bytes.readUIntBE(6, 6))),
    dstMac: formatMac(mac(bytes.readUIntBE(0, 6))),
    src: formatIPv4(ipv4(ip.readUInt32BE(12))),
    dst: formatIPv4(ipv4(ip.readUInt32BE(16))),
    srcPort: segment.readUInt16BE(icmp ? 4 : 0),
    dstPort: segment.readUInt16BE(icmp ? 4 : 2),
    flags: icmp ? (segment[0] ?? 0) : protocol === 'tcp' ? segment.readUInt16BE(12) & 0x1ff : 0,
  };
}

function segmentChecksum(protocol: Frame['protocol'], ip: Buffer): number {
  const segment = ip.subarray(IPV4, ip.readUInt16BE(2));
  if (protocol === 'icmp') return checksum(segment);
  const pseudo = Buffer.alloc(12);
  ip.copy(pseudo, 0, 12, 20);
  pseudo[9] = PROTOCOLS[protocol];
  pseudo.writeUInt16BE(segment.length, 10);
  return checksum(Buffer.concat([pseudo, segment]));
}

function checksum(bytes: Buffer): number {
  let sum = 0;
  for (let i = 0; i + 1 < bytes.length; i += 2) sum += bytes.readUInt16BE(i);
  if (bytes.length % 2 === 1) sum += (bytes[bytes.length - 1] ?? 0) << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
