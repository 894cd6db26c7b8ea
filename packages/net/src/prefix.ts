import { formatIPAddress, type IPAddress, parseIPAddress } from './address.js';
import { rangeError } from './branded.js';
import { type IPv4, ipv4 } from './ipv4.js';
import { type IPv6, ipv6 } from './ipv6.js';

/** All addresses that begin with the same bits. `address` has none set after the first `length`. */
export interface Prefix<Address extends IPAddress = IPAddress> {
  readonly address: Address;
  /** 0 to 32, for IPv6 to 128. */
  readonly length: number;
}

export type IPv4Prefix = Prefix<IPv4>;
export type IPv6Prefix = Prefix<IPv6>;

export function isIPv4Prefix(prefix: IPv4Prefix | IPv6Prefix): prefix is IPv4Prefix {
  return typeof prefix.address === 'number';
}

/** The prefix of an address. @throws {NetError} RANGE for a length that it cannot have */
export function ipv4Prefix(address: IPv4, length: number): IPv4Prefix {
  checkLength(length, 32);
  return { address: firstIPv4(address, length), length };
}

/** The prefix of an address. @throws {NetError} RANGE for a length that it cannot have */
export function ipv6Prefix(address: IPv6, length: number): IPv6Prefix {
  checkLength(length, 128);
  return { address: firstIPv6(address, length), length };
}

/**
 * Reads an address or a CIDR of either family: `10.1.2.3`, which is a prefix of its full length, or `10.1.2.3/8`, whose host
 * bits are cleared. Undefined if it is anything else.
 */
export function parsePrefix(text: string): IPv4Prefix | IPv6Prefix | undefined {
  const slash = text.indexOf('/');
  const address = parseIPAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const longest = typeof address === 'number' ? 32 : 128;
  const length = slash < 0 ? longest : parseLength(text, slash + 1);
  if (length > longest) return undefined;
  return typeof address === 'number'
    ? { address: firstIPv4(address, length), length }
    : { address: firstIPv6(address, length), length };
}

/** {@link parsePrefix} of IPv4. */
export function parseIPv4Prefix(text: string): IPv4Prefix | undefined {
  const prefix = text.includes(':') ? undefined : parsePrefix(text);
  return prefix !== undefined && isIPv4Prefix(prefix) ? prefix : undefined;
}

/** `10.0.0.0/8`, with the length even if it is the full one. */
export function formatPrefix({ address, length }: IPv4Prefix | IPv6Prefix): string {
  return `${formatIPAddress(address)}/${length}`;
}

/** Whether an address, or all of another prefix, lies inside `prefix`; never one of the other family. */
export function prefixContains(
  prefix: IPv4Prefix | IPv6Prefix,
  inner: IPAddress | IPv4Prefix | IPv6Prefix,
): boolean {
  if (typeof inner === 'object') {
    return inner.length >= prefix.length && prefixContains(prefix, inner.address);
  }
  if (typeof inner === 'number') return firstIPv4(inner, prefix.length) === prefix.address;
  return firstIPv6(inner, prefix.length) === prefix.address;
}

function firstIPv4(address: IPv4, length: number): IPv4 {
  // A shift by 32 would be one by 0.
  return ipv4(length === 0 ? 0 : (address & (0xffff_ffff << (32 - length))) >>> 0);
}

function firstIPv6(address: IPv6, length: number): IPv6 {
  const hostBits = BigInt(128 - length);
  return ipv6((address >> hostBits) << hostBits);
}

/** The decimal number at `start`, without leading zeros; infinite if there is none. */
function parseLength(text: string, start: number): number {
  const digits = text.slice(start);
  return /^(?:0|[1-9]\d{0,2})$/.test(digits) ? Number(digits) : Number.POSITIVE_INFINITY;
}

function checkLength(length: number, longest: number): void {
  const isValid = Number.isInteger(length) && length >= 0 && length <= longest;
  if (!isValid) throw rangeError(length, `a prefix length, 0 to ${longest}`);
}
