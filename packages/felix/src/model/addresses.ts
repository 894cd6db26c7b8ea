import { isIPv6 } from 'node:net';

/** An IPv4 range; a single address has length 32. `address` has no bits beyond the length. */
export interface Range {
  readonly address: number;
  /** 0 to 32. */
  readonly length: number;
}

/** What a text is: a range, something of IPv6, or (undefined) neither. */
export type ParsedRange = Range | 'ipv6' | undefined;

/** `10.0.0.1` as a number; undefined if it is no such address. */
export function parseIPv4(text: string): number | undefined {
  let address = 0;
  let octet = -1;
  let octets = 0;
  for (let i = 0; i <= text.length; i++) {
    const code = i < text.length ? text.charCodeAt(i) : 0x2e;
    if (code === 0x2e) {
      if (octet < 0 || octet > 255) return undefined;
      address = address * 256 + octet;
      octets += 1;
      octet = -1;
    } else if (code >= 0x30 && code <= 0x39 && octet !== 0) {
      octet = octet < 0 ? code - 0x30 : octet * 10 + code - 0x30;
    } else {
      return undefined;
    }
  }
  return octets === 4 ? address : undefined;
}

export function formatIPv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** Reads an address or a CIDR, whose host bits are left out. */
export function parseRange(text: string): ParsedRange {
  const slash = text.indexOf('/');
  const host = slash < 0 ? text : text.slice(0, slash);
  const suffix = slash < 0 ? undefined : text.slice(slash + 1);
  const length = suffix === undefined ? undefined : parseLength(suffix);
  if (suffix !== undefined && length === undefined) return undefined;
  const address = parseIPv4(host);
  if (address === undefined) return isIPv6(host) && (length ?? 0) <= 128 ? 'ipv6' : undefined;
  if (length === undefined) return { address, length: 32 };
  return length > 32 ? undefined : { address: truncate(address, length), length };
}

function parseLength(text: string): number | undefined {
  return /^(0|[1-9][0-9]{0,2})$/.test(text) ? Number(text) : undefined;
}

/** The first address of the range of this length around `address`. */
export function truncate(address: number, length: number): number {
  return length === 0 ? 0 : (address & (0xffffffff << (32 - length))) >>> 0;
}

export function formatRange({ address, length }: Range): string {
  return length === 32 ? formatIPv4(address) : `${formatIPv4(address)}/${length}`;
}

export function contains(range: Range, address: number): boolean {
  return truncate(address, range.length) === range.address;
}

export function compareRanges(a: Range, b: Range): number {
  return a.address - b.address || a.length - b.length;
}

const protocolNumbers: Readonly<Record<string, number>> = {
  icmp: 1,
  tcp: 6,
  udp: 17,
  icmpv6: 58,
  sctp: 132,
  udplite: 136,
};

/** Those whose ports the data plane reads. */
export const protocolsWithPorts: readonly number[] = [6, 17, 132];

/** A protocol by name, in any case, or by number, 1 to 255; undefined if it is neither. */
export function parseProtocol(text: string): number | undefined {
  const known = Object.hasOwn(protocolNumbers, text.toLowerCase())
    ? protocolNumbers[text.toLowerCase()]
    : undefined;
  if (known !== undefined) return known;
  return /^[1-9][0-9]{0,2}$/.test(text) && Number(text) <= 255 ? Number(text) : undefined;
}
