import { formatIPv4, ipv4 } from '@infra-offload/net';

/** Builds and reads packets for tests. Checksums are computed in full here, apart from the engine's incremental ones. */

export interface L4 {
  readonly protocol: 'tcp' | 'udp';
  readonly sourcePort: number;
  readonly targetPort: number;
  /** TCP flags, SYN by default. */
  readonly flags?: number;
  readonly payload?: Uint8Array;
  /** Leaves the UDP checksum out (0). */
  readonly noChecksum?: boolean;
}

export interface PacketOptions {
  readonly source: string;
  readonly target: string;
  readonly l4?: L4 | undefined;
  readonly icmpEcho?: { readonly type: 0 | 8; readonly identifier: number };
  readonly icmpError?: {
    readonly type: number;
    readonly code: number;
    readonly mtu?: number;
    /** Of the packet that it is about, from its IPv4 header on. */
    readonly quote: Uint8Array;
  };
  readonly ttl?: number;
  readonly vlan?: number;
  /** Of the 16 bits of flags and fragment offset, the latter in units of 8 bytes. */
  readonly fragmentOffset?: number;
  /** First byte of the header: 0x46 and more have options that are not there. */
  readonly versionIhl?: number;
  readonly identification?: number;
  readonly sourceMac?: string;
  readonly targetMac?: string;
  /** For packets that are neither TCP nor UDP nor ICMP. */
  readonly protocol?: number;
  readonly body?: Uint8Array;
}

export const TCP = { fin: 1, syn: 2, rst: 4, psh: 8, ack: 16 } as const;

export function ip(text: string): number {
  return ipv4(text);
}

export function mac(text: string): bigint {
  return BigInt(`0x${text.replaceAll(':', '')}`);
}

export function ipText(value: number): string {
  return formatIPv4(ipv4(value));
}

const macBytes = (text: string): number[] => text.split(':').map((byte) => Number.parseInt(byte, 16));

export function packet(options: PacketOptions): Uint8Array {
  const { vlan } = options;
  const ethernet = [
    ...macBytes(options.targetMac ?? '02:00:00:00:00:01'),
    ...macBytes(options.sourceMac ?? '02:00:00:00:00:02'),
    ...(vlan === undefined ? [] : [0x81, 0x00, vlan >> 8, vlan & 255]),
    0x08,
    0x00,
  ];
  const protocol =
    options.l4?.protocol === 'tcp'
      ? 6
      : options.l4?.protocol === 'udp'
        ? 17
        : options.icmpEcho || options.icmpError
          ? 1
          : (options.protocol ?? 253);
  const body = l4Bytes(options, protocol);
  const header = new Uint8Array(20);
  const view = new DataView(header.buffer);
  header[0] = options.versionIhl ?? 0x45;
  view.setUint16(2, 20 + body.length);
  view.setUint16(4, options.identification ?? 0x1234);
  view.setUint16(6, options.fragmentOffset ?? 0);
  header[8] = options.ttl ?? 64;
  header[9] = protocol;
  view.setUint32(12, ip(options.source));
  view.setUint32(16, ip(options.target));
  view.setUint16(10, checksum(header));
  return Uint8Array.from([...ethernet, ...header, ...body]);
}

function l4Bytes(options: PacketOptions, protocol: number): Uint8Array {
  const { l4, icmpEcho, icmpError } = options;
  if (icmpEcho !== undefined) {
    const bytes = new Uint8Array(8);
    const view = new DataView(bytes.buffer);
    bytes[0] = icmpEcho.type;
    view.setUint16(4, icmpEcho.identifier);
    view.setUint16(2, checksum(bytes));
    return bytes;
  }
  if (icmpError !== undefined) {
    const bytes = new Uint8Array(8 + icmpError.quote.length);
    const view = new DataView(bytes.buffer);
    bytes.set([icmpError.type, icmpError.code]);
    view.setUint16(6, icmpError.mtu ?? 0);
    bytes.set(icmpError.quote, 8);
    view.setUint16(2, checksum(bytes));
    return bytes;
  }
  if (l4 === undefined) return options.body ?? new Uint8Array(16);
  const payload = l4.payload ?? new Uint8Array([1, 2, 3, 4, 5]);
  const size = l4.protocol === 'tcp' ? 20 : 8;
  const bytes = new Uint8Array(size + payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, l4.sourcePort);
  view.setUint16(2, l4.targetPort);
  bytes.set(payload, size);
  if (l4.protocol === 'tcp') {
    view.setUint32(4, 1000);
    view.setUint32(8, 2000);
    bytes[12] = 0x50;
    bytes[13] = l4.flags ?? TCP.syn;
    view.setUint16(14, 0xffff);
  } else {
    view.setUint16(4, bytes.length);
  }
  if (l4.noChecksum !== true) {
    const sum = l4Checksum(ip(options.source), ip(options.target), protocol, bytes);
    view.setUint16(l4.protocol === 'tcp' ? 16 : 6, sum === 0 && l4.protocol === 'udp' ? 0xffff : sum);
  }
  return bytes;
}

export function arpRequest(options: {
  senderMac: string;
  sender: string;
  target: string;
  operation?: 1 | 2;
}): Uint8Array {
  const bytes = new Uint8Array(42);
  const view = new DataView(bytes.buffer);
  bytes.fill(255, 0, 6);
  bytes.set(macBytes(options.senderMac), 6);
  view.setUint16(12, 0x0806);
  view.setUint16(14, 1);
  view.setUint16(16, 0x0800);
  bytes[18] = 6;
  bytes[19] = 4;
  view.setUint16(20, options.operation ?? 1);
  bytes.set(macBytes(options.senderMac), 22);
  view.setUint32(28, ip(options.sender));
  view.setUint32(38, ip(options.target));
  return bytes;
}

/** An IPv4 packet in parts of at most `size` bytes of its payload, a multiple of 8. */
export function fragmentsOf(whole: Uint8Array, size: number): Uint8Array[] {
  const payload = whole.subarray(34);
  return Array.from({ length: Math.ceil(payload.length / size) }, (_, i) => {
    const part = payload.subarray(i * size, (i + 1) * size);
    const bytes = Uint8Array.from([...whole.subarray(0, 34), ...part]);
    const view = new DataView(bytes.buffer);
    const isLast = (i + 1) * size >= payload.length;
    view.setUint16(16, 20 + part.length);
    view.setUint16(20, (i * size) / 8 + (isLast ? 0 : 0x2000));
    view.setUint16(24, 0);
    view.setUint16(24, checksum(bytes.subarray(14, 34)));
    return bytes;
  });
}

/** The packet that its fragments, all of them and in their order, are. */
export function reassemble(parts: readonly Uint8Array[]): Uint8Array {
  const [first = new Uint8Array(34)] = parts;
  const bytes = Uint8Array.from([
    ...first.subarray(0, 34),
    ...parts.flatMap((part) => [...part.subarray(34)]),
  ]);
  const view = new DataView(bytes.buffer);
  view.setUint16(16, bytes.length - 14);
  view.setUint16(20, 0);
  view.setUint16(24, 0);
  view.setUint16(24, checksum(bytes.subarray(14, 34)));
  return bytes;
}

/** One's complement checksum of RFC 1071. */
export function checksum(bytes: Uint8Array, start = 0): number {
  let sum = start;
  for (let i = 0; i < bytes.length; i += 2) sum += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 0x10000);
  return ~sum & 0xffff;
}

function l4Checksum(source: number, target: number, protocol: number, bytes: Uint8Array): number {
  const pseudo = new Uint8Array(12);
  const view = new DataView(pseudo.buffer);
  view.setUint32(0, source);
  view.setUint32(4, target);
  pseudo[9] = protocol;
  view.setUint16(10, bytes.length);
  const padded = new Uint8Array(12 + bytes.length + (bytes.length % 2));
  padded.set(pseudo);
  padded.set(bytes, 12);
  return checksum(padded);
}

/** What a received IPv4 packet says, and whether its checksums are right. */
export interface ReadPacket {
  readonly targetMac: string;
  readonly sourceMac: string;
  readonly source: string;
  readonly target: string;
  readonly ttl: number;
  readonly protocol: number;
  readonly sourcePort: number;
  readonly targetPort: number;
  readonly ipChecksumOk: boolean;
  /** For TCP and UDP; true for a UDP packet without a checksum. */
  readonly l4ChecksumOk: boolean;
  readonly l4Checksum: number;
}

export function read(bytes: Uint8Array): ReadPacket {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = view.getUint16(12) === 0x8100 ? 18 : 14;
  const source = view.getUint32(at + 12);
  const target = view.getUint32(at + 16);
  const protocol = view.getUint8(at + 9);
  const l4 = bytes.subarray(at + 20, at + view.getUint16(at + 2));
  const stored = protocol === 6 ? view.getUint16(at + 36) : protocol === 17 ? view.getUint16(at + 26) : 0;
  const hex = (from: number): string =>
    [...bytes.subarray(from, from + 6)].map((b) => b.toString(16).padStart(2, '0')).join(':');
  return {
    targetMac: hex(0),
    sourceMac: hex(6),
    source: ipText(source),
    target: ipText(target),
    ttl: view.getUint8(at + 8),
    protocol,
    sourcePort: view.getUint16(at + 20),
    targetPort: view.getUint16(at + 22),
    ipChecksumOk: checksum(bytes.subarray(at, at + 20)) === 0,
    l4ChecksumOk: (protocol === 17 && stored === 0) || l4Checksum(source, target, protocol, l4) === 0,
    l4Checksum: stored,
  };
}

/** What an ICMP error says (RFC 792), and of which packet. */
export interface ReadError {
  readonly targetMac: string;
  readonly sourceMac: string;
  readonly source: string;
  readonly target: string;
  readonly ttl: number;
  readonly type: number;
  readonly code: number;
  /** The second half of the word after the checksum: the MTU where fragmentation was needed. */
  readonly mtu: number;
  /** Of both IPv4 headers, and of the message. */
  readonly checksumsOk: boolean;
  /** From the quoted IPv4 header on. */
  readonly quote: Uint8Array;
  readonly quoted: Pick<ReadPacket, 'source' | 'target' | 'ttl' | 'protocol' | 'sourcePort' | 'targetPort'>;
}

export function readError(bytes: Uint8Array): ReadError {
  const outer = read(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = view.getUint16(12) === 0x8100 ? 18 : 14;
  const end = at + view.getUint16(at + 2);
  if (outer.protocol !== 1 || end > bytes.length || end < at + 56) throw new Error('this is no ICMP error');
  const message = bytes.subarray(at + 20, end);
  const quote = message.subarray(8);
  const quoted = read(Uint8Array.from([...bytes.subarray(0, 12), 8, 0, ...quote, ...Array(12).fill(0)]));
  return {
    ...outer,
    type: view.getUint8(at + 20),
    code: view.getUint8(at + 21),
    mtu: view.getUint16(at + 26),
    checksumsOk: outer.ipChecksumOk && quoted.ipChecksumOk && checksum(message) === 0,
    quote,
    quoted,
  };
}
