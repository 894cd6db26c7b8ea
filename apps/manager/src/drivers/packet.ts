import { ipv4, type Mac, PROTOCOL_NUMBERS } from '@infra-offload/net';
import { hasPorts } from '@infra-offload/policy-compiler';
import type { FlowTuple } from './flow-table.js';

const ETHERNET = 14;
const IPV4 = 20;
/** Long enough for the header of every protocol: TCP's has 20 bytes, SCTP's with the beginning of a chunk 16. */
const L4 = 20;
const ETHERTYPE_IPV4 = 0x0800;
const VERSION_AND_LENGTH = 0x45;
const TTL = 64;
const TCP_OFFSET = 0x50;
const TCP_SYN = 0x02;
const TCP_ACK = 0x10;
const ICMP_ECHO = 8;
const ICMP_ECHO_REPLY = 0;
const { TCP, UDP, ICMP } = PROTOCOL_NUMBERS;

export interface PacketContext {
  readonly source: Mac;
  readonly destination: Mac;
  /** Undefined: it begins a flow. */
  readonly flow: { readonly isReply: boolean } | undefined;
}

/** A packet without data, for a program that does not check checksums. */
export function encodePacket(
  { protocol, source, destination }: FlowTuple,
  { source: from, destination: to, flow }: PacketContext,
): Uint8Array {
  const bytes = Buffer.alloc(ETHERNET + IPV4 + L4);
  bytes.writeUIntBE(to, 0, 6);
  bytes.writeUIntBE(from, 6, 6);
  bytes.writeUInt16BE(ETHERTYPE_IPV4, 12);
  const ip = bytes.subarray(ETHERNET);
  ip.writeUInt8(VERSION_AND_LENGTH, 0);
  ip.writeUInt16BE(IPV4 + L4, 2);
  ip.writeUInt8(TTL, 8);
  ip.writeUInt8(protocol, 9);
  ip.writeUInt32BE(source.address, 12);
  ip.writeUInt32BE(destination.address, 16);
  const l4 = ip.subarray(IPV4);
  if (protocol === ICMP) {
    l4.writeUInt8(flow?.isReply === true ? ICMP_ECHO_REPLY : ICMP_ECHO, 0);
    l4.writeUInt16BE(source.port, 4);
    return bytes;
  }
  if (!hasPorts(protocol)) return bytes;
  l4.writeUInt16BE(source.port, 0);
  l4.writeUInt16BE(destination.port, 2);
  if (protocol === TCP) l4.writeUInt16BE((TCP_OFFSET << 8) | (flow === undefined ? TCP_SYN : TCP_ACK), 12);
  if (protocol === UDP) l4.writeUInt16BE(L4, 4);
  return bytes;
}

/** Where a packet comes from and goes to, and the ICMP type if it is one. */
export function decodePacket(packet: Uint8Array): FlowTuple & { readonly icmpType: number | undefined } {
  const ip = Buffer.from(packet.buffer, packet.byteOffset, packet.length).subarray(ETHERNET);
  const protocol = ip.readUInt8(9);
  const l4 = ip.subarray(IPV4);
  const isIcmp = protocol === ICMP;
  const ported = hasPorts(protocol);
  const portAt = (at: number) => (isIcmp ? l4.readUInt16BE(4) : ported ? l4.readUInt16BE(at) : 0);
  return {
    protocol,
    source: { address: ipv4(ip.readUInt32BE(12)), port: portAt(0) },
    destination: { address: ipv4(ip.readUInt32BE(16)), port: portAt(2) },
    icmpType: isIcmp ? l4.readUInt16BE(0) : undefined,
  };
}
