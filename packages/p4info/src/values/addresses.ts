import { isIPv6 } from 'node:net';
import { collapseIPv6Number, IPv6 } from 'ip-num';

/**
 * Strict readers of address texts. Each takes the whole text; one character too many or too few is refused.
 */

/** `a.b.c.d` as an unsigned 32-bit number, or -1. Octets are decimal, without leading zeros. */
export function parseIpv4(text: string): number {
  let address = 0;
  let octet = -1;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2e) {
      if (octet < 0 || dots === 3) return -1;
      address = address * 256 + octet;
      octet = -1;
      dots++;
    } else {
      const digit = code - 0x30;
      if (digit < 0 || digit > 9 || octet === 0) return -1;
      octet = octet < 0 ? digit : octet * 10 + digit;
      if (octet > 255) return -1;
    }
  }
  return octet < 0 || dots !== 3 ? -1 : address * 256 + octet;
}

/** Six octets of two hexadecimal digits, all separated by `:` or all by `-`, as a 48-bit number, or -1. */
export function parseMac(text: string): number {
  if (text.length !== 17) return -1;
  const separator = text.charCodeAt(2);
  if (separator !== 0x3a && separator !== 0x2d) return -1;
  let address = 0;
  for (let i = 0; i < 17; i += 3) {
    const high = hexDigit(text.charCodeAt(i));
    const low = hexDigit(text.charCodeAt(i + 1));
    if (high < 0 || low < 0 || (i < 15 && text.charCodeAt(i + 2) !== separator)) return -1;
    address = address * 256 + high * 16 + low;
  }
  return address;
}

/**
 * An IPv6 address in any form of RFC 4291, section 2.2 (full, `::`, embedded IPv4) as 16 bytes, or undefined.
 * Zones (`%eth0`) and prefix lengths are no part of an address here.
 */
export function parseIpv6(text: string): Uint8Array | undefined {
  if (!isIPv6(text) || text.includes('%')) return undefined;
  return Uint8Array.from(Buffer.from(new IPv6(text).value.toString(16).padStart(32, '0'), 'hex'));
}

function hexDigit(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const lower = code | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** `a.b.c.d` of a number from 0 to 2^32 - 1. */
export function formatIpv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** `aa:bb:cc:dd:ee:ff` of a number from 0 to 2^48 - 1. */
export function formatMac(address: number): string {
  const digits = address.toString(16).padStart(12, '0');
  return digits.replace(/..(?=.)/g, '$&:');
}

/** The canonical text (RFC 5952) of 16 bytes. */
export function formatIpv6(bytes: Uint8Array): string {
  const address = IPv6.fromBigInt(BigInt(`0x${Buffer.from(bytes).toString('hex')}`));
  // An IPv4-mapped address shows its IPv4 address.
  return address.value >> 32n === 0xffffn
    ? `::ffff:${formatIpv4(Number(address.value & 0xffff_ffffn))}`
    : collapseIPv6Number(address.toString());
}
