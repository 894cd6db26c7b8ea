import { IPv4CidrRange } from 'ip-num';

/**
 * Addresses as numbers: IPv4 as uint32 in host meaning, MAC as a 48-bit integer. Objects hold nothing else, so the
 * hot path never parses text.
 */

/** An IPv4 prefix; bits of `address` after `length` are zero. */
export interface Cidr {
  readonly address: number;
  /** 0 to 32. */
  readonly length: number;
}

/** What pods use as their gateway, and so an address of every node: 169.254.1.1. */
export const GATEWAY_ADDRESS = 0xa9fe_0101;

const DOT = 46;
const ZERO = 48;

/** Strict dotted quad (no leading zeros, no spaces), else undefined. */
export function parseIPv4(text: string): number | undefined {
  let value = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === DOT) {
      if (octet < 0 || ++dots > 3) return undefined;
      value = value * 256 + octet;
      octet = -1;
      continue;
    }
    const digit = char - ZERO;
    if (digit < 0 || digit > 9 || octet === 0) return undefined;
    octet = octet < 0 ? digit : octet * 10 + digit;
    if (octet > 255) return undefined;
  }
  return dots === 3 && octet >= 0 ? value * 256 + octet : undefined;
}

export function formatIPv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** Six hexadecimal pairs with colons, either case, else undefined. */
export function parseMac(text: string): number | undefined {
  return /^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)
    ? Number.parseInt(text.replaceAll(':', ''), 16)
    : undefined;
}

export function formatMac(mac: number): string {
  return mac
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?!$)/g, '$&:');
}

/** Whether a MAC may be the address of one interface: not multicast, not zero. */
export function isUnicastMac(mac: number): boolean {
  return mac !== 0 && Math.floor(mac / 2 ** 40) % 2 === 0;
}

/** Whether an IPv4 address may belong to one host: not 0.0.0.0/8, loopback, multicast or reserved. */
export function isUnicastIPv4(address: number): boolean {
  const first = address >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}

function mask(length: number): number {
  return length === 0 ? 0 : (0xffff_ffff << (32 - length)) >>> 0;
}

/** `a.b.c.d/n` without bits set after the prefix, else undefined. */
export function parseCidr(text: string): Cidr | undefined {
  const match = /^([\d.]+)\/(0|[1-9]\d?)$/.exec(text);
  const address = match?.[1] === undefined ? undefined : parseIPv4(match[1]);
  const length = Number(match?.[2]);
  if (address === undefined || length > 32) return undefined;
  const first = Number(IPv4CidrRange.fromCidr(text).getFirst().value);
  return first === address ? { address, length } : undefined;
}

/** An address or a prefix as one range, bits after the prefix cleared, else undefined. Without objects of a library. */
export function parseRange(text: string): Cidr | undefined {
  const slash = text.indexOf('/');
  const address = parseIPv4(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  if (slash < 0) return { address, length: 32 };
  const suffix = text.slice(slash + 1);
  const length = /^(0|[1-9]\d?)$/.test(suffix) ? Number(suffix) : 33;
  return length > 32 ? undefined : { address: (address & mask(length)) >>> 0, length };
}

export function formatCidr({ address, length }: Cidr): string {
  return `${formatIPv4(address)}/${length}`;
}

/** Whether `address` lies inside `cidr`. */
export function cidrContains(cidr: Cidr, address: number): boolean {
  return (address & mask(cidr.length)) >>> 0 === cidr.address;
}
