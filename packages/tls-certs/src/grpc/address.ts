import { lookup } from 'node:dns/promises';
import { type AddressInfo, isIP, isIPv6, type ListenOptions, type Socket } from 'node:net';

/** All peers of unix sockets count as one. */
const UNIX = 'unix';

/** By what peers are told apart: their address; for IPv6 the first 64 bits, since a host has all of the others. */
export function addressOf({ remoteAddress }: Pick<Socket, 'remoteAddress'>): string {
  if (remoteAddress === undefined) return UNIX;
  const address = remoteAddress.replace(/^::ffff:(?=\d+\.)/, '').replace(/%.*$/, '');
  return isIPv6(address) ? `${network64(address)}::/64` : address;
}

/** Address and port, as messages have them; undefined once a peer is gone, and for unix sockets. */
export function clientOf({ remoteAddress, remotePort, remoteFamily }: Socket): string | undefined {
  if (remoteAddress === undefined) return undefined;
  return remoteFamily === 'IPv6' ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}

export type Place = ListenOptions & { readonly port?: number };

/** Where to listen for `host:port`, `[IPv6]:port` or `unix:path`: every address of a name. */
export async function placesOf(address: string): Promise<Place[]> {
  const path = /^unix:(?:\/\/)?(.+)$/.exec(address)?.[1];
  if (path !== undefined) return [{ path }];
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[|\]$/g, '');
  const port = Number(address.slice(colon + 1));
  if (isIP(host) !== 0) return [{ host, port }];
  const found = await lookup(host, { all: true });
  return [...new Set(found.map((entry) => entry.address))].map((host) => ({ host, port }));
}

/** An address to listen on, with the port that was taken. */
export function withPort(address: string, port: number): string {
  return address.startsWith('unix:') ? address : `${address.slice(0, address.lastIndexOf(':'))}:${port}`;
}

export function isAddressInfo(bound: string | AddressInfo | null): bound is AddressInfo {
  return typeof bound === 'object' && bound !== null;
}

/** The first four groups of an IPv6 address. */
function network64(address: string): string {
  const [left = '', right] = address.split('::');
  const groups = left === '' ? [] : left.split(':');
  if (right !== undefined) {
    const tail = right === '' ? [] : right.split(':');
    while (groups.length + tail.length < 8) groups.push('0');
    groups.push(...tail);
  }
  return groups.slice(0, 4).join(':');
}
