import { type Branded, rangeError, syntaxError } from './branded.js';

/** An IPv4 address as an unsigned number of 32 bits: `10.0.0.1` is 0x0a000001. */
export type IPv4 = Branded<number, 'IPv4'>;

const DOT = 46;
const ZERO = 48;

/**
 * The address that a text or a number from 0 to 2^32 - 1 stands for.
 *
 * @throws {NetError} SYNTAX, RANGE
 */
export function ipv4(value: string | number): IPv4 {
  if (typeof value === 'number') {
    if (!isUint32(value)) throw rangeError(value, 'an IPv4 address, 0 to 4294967295');
    return value;
  }
  const address = parseIPv4(value);
  if (address === undefined) throw syntaxError(value, 'an IPv4 address');
  return address;
}

/** Reads `a.b.c.d`: decimal without leading zeros, nothing before or after; undefined if it is anything else. */
export function parseIPv4(text: string): IPv4 | undefined {
  let value = 0;
  let octet = -1;
  let dots = 0;
  // Character by character: agents send hundreds of thousands of them.
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
  return dots === 3 && octet >= 0 ? ipv4(value * 256 + octet) : undefined;
}

export function formatIPv4(address: IPv4): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** The four bytes of an address, as in a packet. */
export function ipv4Bytes(address: IPv4): Uint8Array {
  return Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);
}

/** Whether an address may belong to one host: not 0.0.0.0/8, loopback, multicast or reserved. */
export function isUnicastIPv4(address: IPv4): boolean {
  const first = address >>> 24;
  return first !== 0 && first !== 127 && first < 224;
}

function isUint32(value: number): value is IPv4 {
  return value >>> 0 === value;
}
