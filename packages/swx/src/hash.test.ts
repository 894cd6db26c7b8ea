import { describe, expect, it } from 'vitest';
import { crc32c, jhash, selectorHash, toeplitz } from './runtime/hash.js';
import { aField, aPacket, Bench, miniSpec, run } from './testing/mini.js';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

describe('hash functions', () => {
  it('crc32c gives the check value of CRC-32/ISCSI', () => {
    expect((~crc32c(text('123456789'), 0, 9, -1) >>> 0).toString(16)).toBe('e3069283');
  });

  it("jhash gives lookup3's published values", () => {
    // lookup3.c's driver5 seeds with the length only, as rte_jhash does with initval 0.
    const sentence = text('Four score and seven years ago');
    expect((jhash(sentence, 0, sentence.length) >>> 0).toString(16)).toBe('17770551');
    expect((jhash(sentence, 0, 0) >>> 0).toString(16)).toBe('deadbeef');
  });

  it("toeplitz gives the values of Microsoft's verification suite", () => {
    const key = Uint8Array.from(
      '6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa'.match(/../g) ?? [],
      (byte) => Number.parseInt(byte, 16),
    );
    const input = new Uint8Array([
      66,
      9,
      149,
      187,
      161,
      142,
      100,
      80,
      2794 >> 8,
      2794 & 255,
      1766 >> 8,
      1766 & 255,
    ]);
    expect((toeplitz(key, input, 0, 8) >>> 0).toString(16)).toBe('323e8fc2');
    expect((toeplitz(key, input, 0, 12) >>> 0).toString(16)).toBe('51ccc178');
  });

  it('selectorHash of 8 bytes is the CRC of those bytes', () => {
    const key = text('abcdefgh');
    expect(selectorHash(new DataView(key.buffer), 8)).toBe(crc32c(key, 0, 8, 0));
  });
});

describe('the hash instruction', () => {
  it('hashes header bytes in network order', () => {
    const packet = aPacket({ f8: 1n, f16: 0x0203n, f24: 0x040506n });
    const bench = new Bench(miniSpec('hash crc32 m.m32 h.a.f8 h.a.f24\nmov h.a.f32 m.m32'));
    const expected = BigInt(crc32c(new Uint8Array([1, 2, 3, 4, 5, 6]), 0, 6, 0) >>> 0);
    expect(aField(bench.one(packet).packet, 'f32')).toBe(expected);
  });

  it('hashes metadata in the host order of little-endian machines', () => {
    const body =
      'mov m.m8 0x11\nmov m.m16 0x2233\nmov m.m24 0x445566\nhash jhash m.m32 m.m8 m.m24\nmov h.a.f32 m.m32';
    const expected = BigInt(jhash(new Uint8Array([0x11, 0x33, 0x22, 0x66, 0x55, 0x44]), 0, 6) >>> 0);
    expect(run(body, 'f32')).toBe(expected);
  });

  it('rss uses the key of its object', () => {
    const bench = new Bench(miniSpec('rss x m.m32 h.a.f8 h.a.f24\nmov h.a.f32 m.m32', 'rss x'));
    const packet = aPacket({ f8: 1n, f16: 2n });
    expect(aField(bench.one(packet).packet, 'f32')).toBe(0n);
    const key = new Uint8Array(40).fill(0x5a);
    bench.pipeline.rssSetKey('x', key);
    expect(aField(bench.one(packet).packet, 'f32')).toBe(BigInt(toeplitz(key, packet, 0, 6) >>> 0));
    expect(() => bench.pipeline.rssSetKey('y', key)).toThrow(/no rss object 'y'; there is 'x'/);
  });
});
