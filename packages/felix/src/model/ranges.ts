import { formatIPv4, formatPrefix, type IPv4Prefix, isIPv4Prefix, parsePrefix } from '@infra-offload/net';

/** What a text is: a range of IPv4, something of IPv6, or (undefined) neither. */
export type ParsedRange = IPv4Prefix | 'ipv6' | undefined;

/** Reads an address or a CIDR, whose host bits are left out. */
export function parseRange(text: string): ParsedRange {
  const range = parsePrefix(text);
  return range === undefined || isIPv4Prefix(range) ? range : 'ipv6';
}

/** As short as it can be: one address without its length. */
export function formatRange(range: IPv4Prefix): string {
  return range.length === 32 ? formatIPv4(range.address) : formatPrefix(range);
}

export function compareRanges(a: IPv4Prefix, b: IPv4Prefix): number {
  return a.address - b.address || a.length - b.length;
}
