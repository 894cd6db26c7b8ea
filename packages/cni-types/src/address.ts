import { isIP } from 'node:net';

/** An address with its prefix length, as CNI's `ips[].address` has it. */
export interface AddressPrefix {
  readonly address: string;
  readonly prefixLength: number;
  readonly family: 4 | 6;
}

/** Reads `10.1.2.3/24` or `fd00::3/64`; undefined if `text` is not of that form. */
export function parseAddressPrefix(text: string): AddressPrefix | undefined {
  const match = /^([^/]+)\/(0|[1-9][0-9]{0,2})$/.exec(text);
  const address = match?.[1];
  if (address === undefined) return undefined;
  const family = isIP(address);
  const prefixLength = Number(match?.[2]);
  if ((family !== 4 && family !== 6) || address.includes('%')) return undefined;
  return prefixLength <= (family === 4 ? 32 : 128) ? { address, prefixLength, family } : undefined;
}

/** Whether `text` is an IPv4 or IPv6 address without prefix length and zone. */
export function isAddress(text: string): boolean {
  return isIP(text) !== 0 && !text.includes('%');
}
