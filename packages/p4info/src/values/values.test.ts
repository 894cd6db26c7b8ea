import { thrown } from '@infra-offload/base/testing';
import { formatIPv4, formatIPv6, formatMac, ipv4, ipv6FromBytes, mac } from '@infra-offload/net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { P4InfoError } from '../errors.js';
import { canonical, decodeBigint, decodeNumber, decodeString } from './decode.js';
import { encode, type P4Value } from './encode.js';
import { formatValue, guessFormat, type ValueFormat } from './format.js';
import { decodeSigned, encodeSigned } from './signed.js';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

const fault = (action: () => unknown) => thrown(P4InfoError, action);

describe('encode', () => {
  it.each<[number, P4Value, string]>([
    [1, 0, '00'],
    [1, 1, '01'],
    [8, 255, 'ff'],
    [9, 256, '0100'],
    [16, -0, '00'],
    [24, 0x10000, '010000'],
    [32, 0xffffffff, 'ffffffff'],
    [33, 0x1_0000_0000, '0100000000'],
    [48, 0xffff_ffff_ffff, 'ffffffffffff'],
    [64, 2 ** 53 - 1, '1fffffffffffff'],
    [128, 7, '07'],
    [64, 0xffff_ffff_ffff_ffffn, 'ffffffffffffffff'],
    [65, 0x1_0000_0000_0000_0000n, '010000000000000000'],
    [200, 1n << 199n, `80${'00'.repeat(24)}`],
    [32, '0', '00'],
    [32, '4294967295', 'ffffffff'],
    [16, '0x00000ffff', 'ffff'],
    [16, '0Xab', 'ab'],
    [64, '18446744073709551615', 'ffffffffffffffff'],
    [32, '0.0.0.0', '00'],
    [32, '0.1.2.3', '010203'],
    [32, '255.255.255.255', 'ffffffff'],
    [48, '02:00:00:aB:Cd:ef', '020000abcdef'],
    [48, '00-00-00-00-00-07', '07'],
    [48, '1', '01'],
    [128, '::', '00'],
    [128, '::1', '01'],
    [128, '1::', `01${'00'.repeat(14)}`],
    [128, '2001:db8::8a2e:370:7334', '20010db80000000000008a2e03707334'],
    [128, '2001:DB8:0:0:0:8A2E:370:7334', '20010db80000000000008a2e03707334'],
    [128, '::ffff:10.0.0.1', 'ffff0a000001'],
    [128, '64:ff9b::192.0.2.33', '64ff9b0000000000000000c0000221'],
    [128, '1:2:3:4:5:6:7::', '010002000300040005000600070000'],
    [128, '1:2:3:4:5:6:1.2.3.4', '010002000300040005000601020304'],
    [8, Uint8Array.of(0, 0, 0), '00'],
    [8, Uint8Array.of(0, 0, 9), '09'],
    [0, 'Ethernet0/é', hex(Buffer.from('Ethernet0/é'))],
    [0, '7', '37'],
    [0, Uint8Array.of(0, 1), '0001'],
  ])('%i bits, %s', (bitwidth, value, expected) => {
    const bytes = encode(bitwidth, value);
    expect(hex(bytes)).toBe(expected);
  });

  it.each<[number, P4Value, string]>([
    [16, 65536, 'VALUE_RANGE 65536 does not fit 16 bits (0 to 65535)'],
    [1, 2, 'VALUE_RANGE 2 does not fit 1 bits (0 to 1)'],
    [32, 2 ** 32, 'VALUE_RANGE 4294967296 does not fit 32 bits (0 to 4294967295)'],
    [33, 2 ** 33, 'VALUE_RANGE 8589934592 does not fit 33 bits (0 to 2^33 - 1)'],
    [32, -1, 'VALUE_RANGE -1 is negative; bit<32> is unsigned'],
    [32, -1n, 'VALUE_RANGE -1 is negative; bit<32> is unsigned'],
    [
      64,
      2 ** 53,
      'VALUE_RANGE 9007199254740992 is beyond 2^53, where numbers lose digits; give it as a bigint',
    ],
    [32, 1.5, 'VALUE_SYNTAX 1.5 is not an integer'],
    [32, Number.NaN, 'VALUE_SYNTAX NaN is not an integer'],
    [32, Number.POSITIVE_INFINITY, 'VALUE_SYNTAX Infinity is not an integer'],
    [64, 1n << 64n, 'VALUE_RANGE 18446744073709551616 does not fit 64 bits (0 to 2^64 - 1)'],
    [16, '65536', 'VALUE_RANGE 65536 does not fit 16 bits (0 to 65535)'],
    [16, '0x10000', 'VALUE_RANGE 0x10000 does not fit 16 bits (0 to 65535)'],
    [8, Uint8Array.of(1, 0), 'VALUE_RANGE 0x0100 does not fit 8 bits (0 to 255)'],
    [8, Uint8Array.of(), 'VALUE_SYNTAX an empty byte string is no value; 0 is one zero byte'],
    [0, 5, 'VALUE_TYPE the field is translated to sdn_string: give a string, not 5'],
    [0, 5n, 'VALUE_TYPE the field is translated to sdn_string: give a string, not 5'],
    [0, '', "VALUE_SYNTAX '' is no value"],
    [16, '10.0.0.1', "VALUE_TYPE '10.0.0.1' is an IPv4 address, 32 bits wide, not 16"],
    [32, '02:00:00:00:00:01', "VALUE_TYPE '02:00:00:00:00:01' is a MAC address, 48 bits wide, not 32"],
    [32, '::1', "VALUE_TYPE '::1' is an IPv6 address, 128 bits wide, not 32"],
    [128, '10.0.0.1', "VALUE_TYPE '10.0.0.1' is an IPv4 address, 32 bits wide, not 128"],
    [-1, 5, 'VALUE_TYPE a bit width is a whole number, not -1'],
    [Number.NaN, '5', 'VALUE_TYPE a bit width is a whole number, not NaN'],
  ])('%d bits refuse %s', (bitwidth, value, expected) => {
    const error = fault(() => encode(bitwidth, value));
    expect(`${error.code} ${error.message}`).toBe(expected);
  });

  const malformed: readonly [number, readonly string[]][] = [
    [
      32,
      ['', ' ', '10.1', '10.0.0', '10.0.0.', '.10.0.0', '10.0.0.300', '10.0.0.1.2', '10..0.1', '10.0.0.01'],
    ],
    [
      32,
      [
        '10.0.0.1 ',
        ' 10.0.0.1',
        '10.0.0.-1',
        '10.0.0.1/24',
        '0x',
        '0xg',
        '0b1',
        '-1',
        '+1',
        '1e3',
        '1.5',
        '1_000',
      ],
    ],
    [32, ['007', '00', 'NaN', 'null', '１', '0x1.8', '1n']],
    [
      48,
      [
        '02:00:00:00:00',
        '02:00:00:00:00:01:02',
        '02:00:00-00:00:01',
        '2:0:0:0:0:1',
        '020000000001z',
        '02:00:00:00:00:0g',
      ],
    ],
    [48, ['02:00:00:00:00:1', '02.00.00.00.00.01']],
    [
      128,
      [
        '',
        ':',
        ':::',
        '1',
        '::g',
        '1::2::3',
        '1:2:3:4:5:6:7',
        '1:2:3:4:5:6:7:8:9',
        '1:2:3:4:5:6:7:8::',
        ':1:2:3:4:5:6:7',
      ],
    ],
    [
      128,
      [
        '1:2:3:4:5:6:7:',
        '::12345',
        '::1%eth0',
        '::1/64',
        '::10.0.0',
        '::10.0.0.300',
        '1.2.3.4::',
        '[::1]',
        '::1 ',
      ],
    ],
  ];
  it.each(malformed.flatMap(([bitwidth, texts]) => texts.map((text) => [bitwidth, text] as const)))(
    '%i bits refuse %j',
    (bitwidth, text) => {
      // For 128 bits, '1' alone is a good number.
      if (bitwidth === 128 && text === '1') return expect(hex(encode(128, text))).toBe('01');
      expect(fault(() => encode(bitwidth, text)).code).toBe('VALUE_SYNTAX');
    },
  );

  it('refuses what is no value at all, however it came', () => {
    for (const value of [null, undefined, true, {}, [1]]) {
      const error = fault(() => Reflect.apply(encode, undefined, [32, value]));
      expect(error.code).toBe('VALUE_TYPE');
    }
  });

  it('is quick to refuse a number of a million digits', () => {
    expect(fault(() => encode(64, '9'.repeat(1_000_000))).message.length).toBeLessThan(150);
  });

  it('gives back what it was given, at every width', () => {
    const widthAndValue = fc
      .integer({ min: 1, max: 300 })
      .chain((bitwidth) =>
        fc.tuple(fc.constant(bitwidth), fc.bigInt({ min: 0n, max: (1n << BigInt(bitwidth)) - 1n })),
      );
    fc.assert(
      fc.property(widthAndValue, ([bitwidth, value]) => {
        const bytes = encode(bitwidth, value);
        expect(decodeBigint(bytes)).toBe(value);
        expect(canonical(bytes)).toBe(bytes);
        expect(bytes.length).toBe(Math.max(1, Math.ceil(value.toString(2).length / 8)));
        expect(encode(bitwidth, `0x${value.toString(16)}`)).toEqual(bytes);
        expect(encode(bitwidth, value.toString())).toEqual(bytes);
        expect(encode(bitwidth, Uint8Array.from([0, 0, ...bytes]))).toEqual(bytes);
        if (value <= Number.MAX_SAFE_INTEGER) {
          expect(encode(bitwidth, Number(value))).toEqual(bytes);
          expect(decodeNumber(bytes)).toBe(Number(value));
        }
        expect(fault(() => encode(bitwidth, value + (1n << BigInt(bitwidth)))).code).toBe('VALUE_RANGE');
      }),
      { numRuns: 500 },
    );
  });
});

describe('addresses', () => {
  it('are written and read back', () => {
    fc.assert(
      fc.property(
        fc.nat(0xffffffff),
        fc.maxSafeNat(),
        fc.uint8Array({ minLength: 16, maxLength: 16 }),
        (ip, hardware, ip6) => {
          expect(decodeNumber(encode(32, formatIPv4(ipv4(ip))))).toBe(ip);
          expect(decodeNumber(encode(48, formatMac(mac(hardware % 2 ** 48))))).toBe(hardware % 2 ** 48);
          expect(encode(128, formatIPv6(ipv6FromBytes(ip6)))).toEqual(canonical(ip6));
        },
      ),
    );
    fc.assert(fc.property(fc.ipV6(), (text) => decodeBigint(encode(128, text)) >= 0n));
    fc.assert(fc.property(fc.ipV4(), (text) => formatIPv4(ipv4(decodeNumber(encode(32, text)))) === text));
  });

  it.each([
    ['::', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['::ffff:10.0.0.1', '::ffff:10.0.0.1'],
  ])('IPv6 %s is written %s', (text, written) => {
    expect(formatValue(128, encode(128, text))).toBe(written);
  });
});

describe('decode', () => {
  it('refuses what numbers cannot hold, and nothing', () => {
    expect(decodeNumber(Uint8Array.of(0, 0, 0, 0x1f, 255, 255, 255, 255, 255, 255))).toBe(
      Number.MAX_SAFE_INTEGER,
    );
    expect(fault(() => decodeNumber(Uint8Array.of(0x20, 0, 0, 0, 0, 0, 0))).code).toBe('VALUE_RANGE');
    for (const decode of [decodeNumber, decodeBigint, canonical, decodeSigned]) {
      expect(fault(() => decode(Uint8Array.of())).code).toBe('VALUE_SYNTAX');
    }
    expect(decodeString(encode(0, 'eth0'))).toBe('eth0');
    expect(fault(() => decodeString(Uint8Array.of(255))).code).toBe('VALUE_SYNTAX');
  });

  it('makes byte strings canonical, once and for all', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 20 }), (bytes) => {
        const once = canonical(bytes);
        expect(canonical(once)).toBe(once);
        expect(decodeBigint(once)).toBe(decodeBigint(bytes));
        expect(once.length === 1 || once[0] !== 0).toBe(true);
      }),
    );
  });
});

describe('signed values', () => {
  it.each([
    [8, 99, '63'],
    [8, -99, '9d'],
    [8, -128, '80'],
    [12, -739, 'fd1d'],
    [16, 128, '0080'],
    [16, -128, '80'],
    [16, 0, '00'],
    [16, -1, 'ff'],
    [64, -(2n ** 63n), '8000000000000000'],
  ])('int<%i> %s', (bitwidth, value, expected) => {
    const bytes = encodeSigned(bitwidth, value);
    expect(hex(bytes)).toBe(expected);
    expect(decodeSigned(bytes)).toBe(BigInt(value));
  });

  it('come back at every width', () => {
    const widthAndValue = fc.integer({ min: 1, max: 130 }).chain((bitwidth) => {
      const limit = 1n << BigInt(bitwidth - 1);
      return fc.tuple(fc.constant(bitwidth), fc.bigInt({ min: -limit, max: limit - 1n }));
    });
    fc.assert(fc.property(widthAndValue, ([w, value]) => decodeSigned(encodeSigned(w, value)) === value));
  });

  it('must fit', () => {
    expect(fault(() => encodeSigned(8, 128)).message).toBe('128 does not fit int<8>');
    expect(fault(() => encodeSigned(8, -129n)).code).toBe('VALUE_RANGE');
    expect(fault(() => encodeSigned(8, 0.5)).code).toBe('VALUE_SYNTAX');
  });
});

describe('formatValue', () => {
  it.each<[number, string, ValueFormat | undefined, string]>([
    [16, '0050', undefined, '80'],
    [32, '0a60000a', undefined, '174063626'],
    [32, '0a60000a', 'ipv4', '10.96.0.10'],
    [48, '0200000000ff', undefined, '02:00:00:00:00:ff'],
    [48, '07', undefined, '00:00:00:00:00:07'],
    [64, 'ffffffffffffffff', undefined, '0xffffffffffffffff'],
    [0, '65746830', undefined, 'eth0'],
    [0, '0007', undefined, '0x7'],
    [32, '0100000000', 'ipv4', '0x100000000'],
    [48, '01000000000000', 'mac', '0x1000000000000'],
    [128, `01${'00'.repeat(16)}`, 'ipv6', `0x1${'0'.repeat(32)}`],
    [128, `${'00'.repeat(16)}07`, 'ipv6', '::7'],
    [8, '', undefined, "''"],
    [9, '01ff', 'hex', '0x1ff'],
  ])('%i bits %s as %s', (bitwidth, bytes, format, expected) => {
    expect(formatValue(bitwidth, Uint8Array.from(Buffer.from(bytes, 'hex')), format)).toBe(expected);
  });

  it.each([
    ['dst_ip', 32, 'ipv4'],
    ['hdr.ipv4.dstAddr', 32, 'ipv4'],
    ['nexthop', 32, 'ipv4'],
    ['hdrs.arp.tpa', 32, 'ipv4'],
    ['dst', 32, 'ipv4'],
    ['ip', 32, 'ipv4'],
    ['recipient', 32, 'decimal'],
    ['service_id', 32, 'decimal'],
    ['dst_ip', 16, 'decimal'],
    ['src_mac', 48, 'mac'],
    ['ipv6_dst', 128, 'ipv6'],
  ])('takes %s of %i bits for %s', (name, bitwidth, format) => {
    expect(guessFormat({ name, bitwidth })).toBe(format);
  });
});
