import { isIPv6 as isIPv6Text } from 'node:net';
import { collapseIPv6Number, IPv6 as IPv6Number } from 'ip-num';
import { type Branded, rangeError, syntaxError } from './branded.js';
import { formatIPv4, ipv4 } from './ipv4.js';

/** An IPv6 address as an unsigned number of 128 bits. */
export type IPv6 = Branded<bigint, 'IPv6'>;

/**
 * The address that a text or a number from 0 to 2^128 - 1 stands for.
 *
 * @throws {NetError} SYNTAX, RANGE
 */
export function ipv6(value: string | bigint): IPv6 {
  if (typeof value === 'bigint') {
    if (!isUint128(value)) throw rangeError(value, 'an IPv6 address of 128 bits');
    return value;
  }
  const address = parseIPv6(value);
  if (address === undefined) throw syntaxError(value, 'an IPv6 address');
  return address;
}

/**
 * Reads an address in any form of RFC 4291, section 2.2 (full, `::`, embedded IPv4); undefined if it is anything else. Zones
 * (`%eth0`) are no part of an address.
 */
export function parseIPv6(text: string): IPv6 | undefined {
  if (!isIPv6Text(text) || text.includes('%')) return undefined;
  return ipv6(new IPv6Number(text).value);
}

/** The canonical text (RFC 5952). An IPv4-mapped address shows its IPv4 address. */
export function formatIPv6(address: IPv6): string {
  return address >> 32n === 0xffffn
    ? `::ffff:${formatIPv4(ipv4(Number(address & 0xffff_ffffn)))}`
    : collapseIPv6Number(IPv6Number.fromBigInt(address).toString());
}

/** The 16 bytes of an address, as in a packet. */
export function ipv6Bytes(address: IPv6): Uint8Array {
  return Uint8Array.from(Buffer.from(address.toString(16).padStart(32, '0'), 'hex'));
}

/** The address that 16 bytes are. @throws {NetError} RANGE for more of them */
export function ipv6FromBytes(bytes: Uint8Array): IPv6 {
  return ipv6(BigInt(`0x${Buffer.from(bytes).toString('hex') || '0'}`));
}

function isUint128(value: bigint): value is IPv6 {
  return value >= 0n && value < 1n << 128n;
}
