import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  familyOf,
  formatIPAddress,
  formatIPv4,
  formatIPv6,
  formatMac,
  formatPrefix,
  ipv4,
  ipv4Bytes,
  ipv4Prefix,
  ipv6,
  ipv6Bytes,
  ipv6FromBytes,
  ipv6Prefix,
  isUnicastIPv4,
  isUnicastMac,
  mac,
  NetError,
  POD_GATEWAY,
  POD_GATEWAY_MAC,
  PROTOCOL_NUMBERS,
  parseIPAddress,
  parseIPv4,
  parseIPv4Prefix,
  parseIPv6,
  parseMac,
  parsePrefix,
  parseProtocol,
  prefixContains,
  protocolName,
  transportProtocol,
} from './index.js';

const anyIPv4 = fc.nat(0xffff_ffff).map(ipv4);
const anyIPv6 = fc.bigInt(0n, 2n ** 128n - 1n).map(ipv6);
const anyMac = fc.nat(2 ** 48 - 1).map(mac);

/** The bits of an address, as text. */
const bitsOf = (address: number | bigint) =>
  address.toString(2).padStart(typeof address === 'number' ? 32 : 128, '0');

describe('addresses', () => {
  it('are read as they are written', () => {
    fc.assert(
      fc.property(anyIPv4, anyIPv6, anyMac, (four, six, hardware) => {
        expect(parseIPv4(formatIPv4(four))).toBe(four);
        expect(parseIPv6(formatIPv6(six))).toBe(six);
        expect(parseMac(formatMac(hardware))).toBe(hardware);
        for (const address of [four, six]) expect(parseIPAddress(formatIPAddress(address))).toBe(address);
      }),
    );
  });

  it('are read in every form that others write', () => {
    fc.assert(
      fc.property(fc.ipV4(), fc.ipV6(), (four, six) => {
        expect(formatIPv4(ipv4(four))).toBe(four);
        expect(ipv6FromBytes(ipv6Bytes(ipv6(six)))).toBe(ipv6(six));
      }),
    );
  });

  it.each([
    '',
    '1.2.3',
    '1.2.3.4.5',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.',
    '.1.2.3',
    '1..2.3',
    ' 1.2.3.4',
    '1.2.3.4/32',
    '::1',
    '1.2.3.a',
    '1.2.3.-1',
  ])('%j is no IPv4 address', (text) => {
    expect(parseIPv4(text)).toBeUndefined();
    expect(() => ipv4(text)).toThrow(NetError);
  });

  it.each(['', ':', '1.2.3.4', '::1::', 'fe80::1%eth0', '1:2:3:4:5:6:7', '::1/64', '::10000'])(
    '%j is no IPv6 address',
    (text) => {
      expect(parseIPv6(text)).toBeUndefined();
      expect(() => ipv6(text)).toThrow(NetError);
    },
  );

  it.each(['', '02:00:00:00:00', '02:00:00:00:00:0g', '02-00-00-00-00-01', '0200.0000.0001'])(
    '%j is no MAC address',
    (text) => {
      expect(parseMac(text)).toBeUndefined();
      expect(() => mac(text)).toThrow(`'${text}' is not a MAC address`);
    },
  );

  it.each([-1, 0.5, 2 ** 32, Number.NaN])('%d is no IPv4 address', (number) => {
    expect(() => ipv4(number)).toThrow(
      expect.objectContaining({ code: 'RANGE', details: { value: number } }),
    );
  });

  it('of other families have their own limits', () => {
    for (const number of [-1n, 1n << 128n]) expect(() => ipv6(number)).toThrow(NetError);
    for (const number of [-1, 0.5, 2 ** 48, -1n, 1n << 48n]) expect(() => mac(number)).toThrow(NetError);
    expect(mac(0x0200_0000_0001n)).toBe(mac('02:00:00:00:00:01'));
    expect(() => ipv6FromBytes(new Uint8Array(17).fill(1))).toThrow(NetError);
  });

  it.each([
    ['0:0:0:0:0:0:0:1', '::1'],
    ['2001:DB8::1:0:0:1', '2001:db8::1:0:0:1'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
    ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
  ])('%s is written as %s', (text, canonical) => {
    expect(formatIPv6(ipv6(text))).toBe(canonical);
  });

  it('have bytes', () => {
    expect([...ipv4Bytes(ipv4('10.244.1.200'))]).toEqual([10, 244, 1, 200]);
    expect([...ipv6Bytes(ipv6('fd00::2'))]).toEqual([0xfd, ...new Array<number>(14).fill(0), 2]);
  });

  it('have a family', () => {
    expect(familyOf(ipv4('10.0.0.1'))).toBe('IPv4');
    expect(familyOf(ipv6('::1'))).toBe('IPv6');
  });

  it('of one host are told from the rest', () => {
    for (const text of ['0.1.2.3', '127.0.0.1', '224.0.0.1', '255.255.255.255'])
      expect(isUnicastIPv4(ipv4(text))).toBe(false);
    expect(isUnicastIPv4(ipv4('10.0.0.1'))).toBe(true);
    expect(isUnicastMac(mac('01:00:5e:00:00:01'))).toBe(false);
    expect(isUnicastMac(mac(0))).toBe(false);
    expect(isUnicastMac(mac('02:00:00:00:00:01'))).toBe(true);
  });
});

describe('prefixes', () => {
  it.each([
    ['10.1.2.3/8', '10.0.0.0/8'],
    ['10.1.2.3', '10.1.2.3/32'],
    ['255.255.255.255/0', '0.0.0.0/0'],
    ['128.0.0.0/1', '128.0.0.0/1'],
    ['fd00:1:2::3/32', 'fd00:1::/32'],
    ['fd00::1', 'fd00::1/128'],
    ['ffff::/0', '::/0'],
  ])('%s is %s', (text, canonical) => {
    const prefix = parsePrefix(text);
    expect(prefix && formatPrefix(prefix)).toBe(canonical);
  });

  it.each([
    '',
    '/8',
    '10.0.0.0/',
    '10.0.0.0/33',
    '10.0.0.0/08',
    '10.0.0.0/-1',
    '10.0.0.0/8/8',
    '::/129',
    '10.0.0/8',
  ])('%j is none', (text) => expect(parsePrefix(text)).toBeUndefined());

  it('of IPv4 are told from those of IPv6', () => {
    expect(parseIPv4Prefix('10.0.0.0/8')).toEqual(ipv4Prefix(ipv4('10.0.0.0'), 8));
    expect(parseIPv4Prefix('fd00::/8')).toBeUndefined();
  });

  it('have a length that fits', () => {
    expect(() => ipv4Prefix(ipv4(0), 33)).toThrow('33 is not a prefix length, 0 to 32');
    expect(() => ipv6Prefix(ipv6(0n), -1)).toThrow(NetError);
  });

  it('contain the addresses that begin with their bits', () => {
    fc.assert(
      fc.property(anyIPv4, fc.nat(32), anyIPv4, (address, length, other) => {
        const prefix = ipv4Prefix(address, length);
        const bits = bitsOf(address).slice(0, length);
        expect(prefixContains(prefix, other)).toBe(bitsOf(other).startsWith(bits));
        expect(prefixContains(prefix, address)).toBe(true);
        expect(prefixContains(prefix, ipv6(BigInt(address)))).toBe(false);
      }),
    );
    fc.assert(
      fc.property(anyIPv6, fc.nat(128), anyIPv6, (address, length, other) => {
        const prefix = ipv6Prefix(address, length);
        const bits = bitsOf(address).slice(0, length);
        expect(prefixContains(prefix, other)).toBe(bitsOf(other).startsWith(bits));
        expect(prefixContains(prefix, address)).toBe(true);
        expect(prefixContains(prefix, ipv4(1))).toBe(false);
      }),
    );
  });

  it('contain those that are longer', () => {
    const inside = (whole: string, part: string) => {
      const [outer, inner] = [parsePrefix(whole), parsePrefix(part)];
      return outer !== undefined && inner !== undefined && prefixContains(outer, inner);
    };
    expect(inside('10.0.0.0/8', '10.1.0.0/16')).toBe(true);
    expect(inside('10.1.0.0/16', '10.0.0.0/8')).toBe(false);
    expect(inside('10.0.0.0/8', '10.0.0.0/8')).toBe(true);
    expect(inside('10.0.0.0/8', '11.0.0.0/16')).toBe(false);
    expect(inside('::/0', '10.0.0.0/8')).toBe(false);
  });
});

it('protocols have numbers', () => {
  expect([1, 6, 47].map(protocolName)).toEqual(['ICMP', 'TCP', undefined]);
  expect(transportProtocol(PROTOCOL_NUMBERS.SCTP)).toBe('SCTP');
  expect(transportProtocol(PROTOCOL_NUMBERS.ICMP)).toBeUndefined();
  expect(['tcp', 'ICMPv6', 'udplite', '47', '0', '256', '06', 'x', 'toString'].map(parseProtocol)).toEqual([
    ...[6, 58, 136, 47],
    ...new Array<undefined>(5).fill(undefined),
  ]);
});

it('the gateway of pods has an address and a MAC address', () => {
  expect(formatIPv4(POD_GATEWAY)).toBe('169.254.1.1');
  expect(formatMac(POD_GATEWAY_MAC)).toBe('02:00:a9:fe:01:01');
});
