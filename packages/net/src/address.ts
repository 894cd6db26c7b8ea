import { formatIPv4, type IPv4, parseIPv4 } from './ipv4.js';
import { formatIPv6, type IPv6, parseIPv6 } from './ipv6.js';

/** An address of either family; `typeof` tells them apart: IPv4 is a number, IPv6 a bigint. */
export type IPAddress = IPv4 | IPv6;

export type Family = 'IPv4' | 'IPv6';

export function familyOf(address: IPAddress): Family {
  return typeof address === 'number' ? 'IPv4' : 'IPv6';
}

/** Reads an address of either family as {@link parseIPv4} and {@link parseIPv6} do. */
export function parseIPAddress(text: string): IPAddress | undefined {
  return text.includes(':') ? parseIPv6(text) : parseIPv4(text);
}

export function formatIPAddress(address: IPAddress): string {
  return typeof address === 'number' ? formatIPv4(address) : formatIPv6(address);
}
