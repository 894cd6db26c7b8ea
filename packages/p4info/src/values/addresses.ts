/**
 * Strict readers of address texts. Each takes the whole text; one character too many or too few is refused.
 */

/** `a.b.c.d` as an unsigned 32-bit number, or -1. Octets are decimal, without leading zeros. */
export function parseIpv4(text: string): number {
  return parseDottedQuad(text, 0, text.length);
}

function parseDottedQuad(text: string, start: number, end: number): number {
  let address = 0;
  let octet = -1;
  let dots = 0;
  for (let i = start; i < end; i++) {
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
  const words: number[] = [];
  let gap = -1;
  let i = 0;
  if (text.startsWith('::')) {
    gap = 0;
    i = 2;
  }
  while (i < text.length) {
    let word = 0;
    const start = i;
    for (let digit = hexDigit(text.charCodeAt(i)); digit >= 0; digit = hexDigit(text.charCodeAt(i))) {
      if (i - start === 4) return undefined;
      word = word * 16 + digit;
      i++;
    }
    if (i === start) return undefined;
    if (text.charCodeAt(i) === 0x2e) {
      const ipv4 = parseDottedQuad(text, start, text.length);
      if (ipv4 < 0) return undefined;
      words.push(ipv4 >>> 16, ipv4 & 0xffff);
      break;
    }
    words.push(word);
    if (i === text.length) break;
    if (text.charCodeAt(i) !== 0x3a) return undefined;
    i++;
    if (text.charCodeAt(i) === 0x3a) {
      if (gap >= 0) return undefined;
      gap = words.length;
      i++;
    } else if (i === text.length) {
      return undefined;
    }
  }
  // '::' stands for at least one word of zeros.
  if (gap < 0 ? words.length !== 8 : words.length > 7) return undefined;
  const bytes = new Uint8Array(16);
  for (const [index, word] of words.entries()) {
    const position = gap < 0 || index < gap ? index : index + 8 - words.length;
    bytes[2 * position] = word >>> 8;
    bytes[2 * position + 1] = word;
  }
  return bytes;
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
  const words = Array.from({ length: 8 }, (_, i) => (bytes[2 * i] ?? 0) * 256 + (bytes[2 * i + 1] ?? 0));
  // The longest run of at least two zero words becomes '::', the first one of several.
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (words[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = (part: readonly number[]) => part.map((word) => word.toString(16)).join(':');
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    return `::ffff:${formatIpv4((words[6] ?? 0) * 0x10000 + (words[7] ?? 0))}`;
  }
  if (best.start < 0) return hex(words);
  return `${hex(words.slice(0, best.start))}::${hex(words.slice(best.start + best.length))}`;
}
