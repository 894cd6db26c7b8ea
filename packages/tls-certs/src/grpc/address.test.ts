import { lookup } from 'node:dns/promises';
import { Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { addressOf, clientOf, isAddressInfo, placesOf, withPort } from './address.js';

describe('the address of a peer', () => {
  it.each([
    [undefined, 'unix'],
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['2001:db8:1:2:3::', '2001:db8:1:2::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['1::4:5:6:7:8', '1:0:0:4::/64'],
  ])('%s counts as %s', (remoteAddress, expected) => {
    expect(addressOf({ remoteAddress: remoteAddress as string })).toBe(expected);
  });

  it.each([
    [{ remoteAddress: '192.0.2.7', remotePort: 7, remoteFamily: 'IPv4' }, '192.0.2.7:7'],
    [{ remoteAddress: '2001:db8::1', remotePort: 7, remoteFamily: 'IPv6' }, '[2001:db8::1]:7'],
    [{ remoteAddress: undefined }, undefined],
  ])('is called in messages with its port: %j', (properties, expected) => {
    const socket = new Socket();
    for (const [name, value] of Object.entries(properties)) Object.defineProperty(socket, name, { value });
    expect(clientOf(socket)).toBe(expected);
  });
});

describe('where to listen', () => {
  it.each([
    ['unix:/run/x.sock', [{ path: '/run/x.sock' }]],
    ['unix:///run/x.sock', [{ path: '/run/x.sock' }]],
    ['unix:x.sock', [{ path: 'x.sock' }]],
    ['0.0.0.0:9559', [{ host: '0.0.0.0', port: 9559 }]],
    ['[::]:9559', [{ host: '::', port: 9559 }]],
    ['[2001:db8::1]:0', [{ host: '2001:db8::1', port: 0 }]],
  ])('for %s', async (address, places) => expect(await placesOf(address)).toEqual(places));

  it('is every address of a name, each once', async () => {
    const found = await lookup('localhost', { all: true });
    const hosts = [...new Set(found.map(({ address }) => address))];
    expect(await placesOf('localhost:7')).toEqual(hosts.map((host) => ({ host, port: 7 })));
    await expect(placesOf('no-such-host.invalid:7')).rejects.toThrow(/no-such-host\.invalid/);
  });

  it.each([
    ['localhost:0', 'localhost:7'],
    ['[::1]:0', '[::1]:7'],
    ['unix:/run/x:0', 'unix:/run/x:0'],
  ])('is told with the port that was taken: %s', (address, expected) => {
    expect(withPort(address, 7)).toBe(expected);
  });

  it('is an address and a port, but for unix sockets', () => {
    expect(isAddressInfo({ address: '::', family: 'IPv6', port: 7 })).toBe(true);
    expect([isAddressInfo('/run/x.sock'), isAddressInfo(null)]).toEqual([false, false]);
  });
});
