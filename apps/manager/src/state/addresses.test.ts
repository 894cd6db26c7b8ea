import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cidrContains,
  formatCidr,
  formatIPv4,
  formatMac,
  isUnicastIPv4,
  isUnicastMac,
  parseCidr,
  parseIPv4,
  parseMac,
} from './addresses.js';

describe('addresses', () => {
  test('property: what is formatted is read back', () => {
    fc.assert(
      fc.property(fc.nat(0xffff_ffff), fc.nat(2 ** 48 - 1), (ip, mac) => {
        expect(parseIPv4(formatIPv4(ip))).toBe(ip);
        expect(parseMac(formatMac(mac))).toBe(mac);
      }),
    );
  });

  test.each([
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
  });

  test.each(['', '02:00:00:00:00', '02:00:00:00:00:0g', '02-00-00-00-00-01', '0200.0000.0001'])(
    '%j is no MAC',
    (text) => {
      expect(parseMac(text)).toBeUndefined();
    },
  );

  test.each(['10.0.0.0', '10.0.0.1/8', '10.0.0.0/33', '10.0.0.0/08', '10.0.0.0/', '/8', '10.0.0.0/-1'])(
    '%j is no CIDR',
    (text) => {
      expect(parseCidr(text)).toBeUndefined();
    },
  );

  test('CIDRs contain what they should', () => {
    for (const text of ['0.0.0.0/0', '10.96.0.0/12', '10.1.2.3/32', '128.0.0.0/1']) {
      const cidr = parseCidr(text);
      expect(cidr && formatCidr(cidr)).toBe(text);
    }
    const cidr = parseCidr('10.96.0.0/12') ?? { address: 0, length: 0 };
    expect(cidrContains(cidr, parseIPv4('10.111.255.255') ?? 0)).toBe(true);
    expect(cidrContains(cidr, parseIPv4('10.112.0.0') ?? 0)).toBe(false);
    expect(cidrContains({ address: 0, length: 0 }, 0xffff_ffff)).toBe(true);
  });

  test('unicast is told from the rest', () => {
    for (const text of ['0.1.2.3', '127.0.0.1', '224.0.0.1', '255.255.255.255']) {
      expect(isUnicastIPv4(parseIPv4(text) ?? 0)).toBe(false);
    }
    expect(isUnicastIPv4(parseIPv4('10.0.0.1') ?? 0)).toBe(true);
    expect(isUnicastMac(parseMac('01:00:5e:00:00:01') ?? 0)).toBe(false);
    expect(isUnicastMac(0)).toBe(false);
    expect(isUnicastMac(parseMac('02:00:00:00:00:01') ?? 0)).toBe(true);
  });
});
