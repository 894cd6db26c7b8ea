/** CRC-32C (Castagnoli), reflected: the polynomial of x86's crc32 instruction. */
const CRC32C = new Int32Array(256);
for (let i = 0; i < 256; i++) {
  let c = i;
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0x82f63b78 : c >>> 1;
  CRC32C[i] = c;
}

/** CRC-32C without inversions, as rte_hash_crc() computes it. Returns an int32. */
export function crc32c(bytes: Uint8Array, from: number, count: number, start: number): number {
  let crc = start;
  for (let i = from; i < from + count; i++) {
    crc = (crc >>> 8) ^ (CRC32C[(crc ^ (bytes[i] ?? 0)) & 0xff] ?? 0);
  }
  return crc | 0;
}

const rotate = (value: number, count: number): number => (value << count) | (value >>> (32 - count));

/** Bob Jenkins' lookup3 on bytes in little-endian order with start value 0, as rte_jhash(). Returns an int32. */
export function jhash(bytes: Uint8Array, from: number, count: number): number {
  const byte = (i: number): number => (i < count ? (bytes[from + i] ?? 0) : 0);
  const word = (i: number): number =>
    byte(i) | (byte(i + 1) << 8) | (byte(i + 2) << 16) | (byte(i + 3) << 24);
  let a = (0xdeadbeef + count) | 0;
  let b = a;
  let c = a;
  let at = 0;
  for (; count - at > 12; at += 12) {
    a = (a + word(at)) | 0;
    b = (b + word(at + 4)) | 0;
    c = (c + word(at + 8)) | 0;
    a = (a - c) ^ rotate(c, 4);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 6);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 8);
    b = (b + a) | 0;
    a = (a - c) ^ rotate(c, 16);
    c = (c + b) | 0;
    b = (b - a) ^ rotate(a, 19);
    a = (a + c) | 0;
    c = (c - b) ^ rotate(b, 4);
    b = (b + a) | 0;
  }
  if (at === count) return c;
  a = (a + word(at)) | 0;
  b = (b + word(at + 4)) | 0;
  c = (c + word(at + 8)) | 0;
  c = ((c ^ b) - rotate(b, 14)) | 0;
  a = ((a ^ c) - rotate(c, 11)) | 0;
  b = ((b ^ a) - rotate(a, 25)) | 0;
  c = ((c ^ b) - rotate(b, 16)) | 0;
  a = ((a ^ c) - rotate(c, 4)) | 0;
  b = ((b ^ a) - rotate(a, 14)) | 0;
  return ((c ^ b) - rotate(b, 24)) | 0;
}

/** Toeplitz hash (RSS) of bytes in the order given, with a key at least 4 bytes longer than the input is useful. */
export function toeplitz(key: Uint8Array, bytes: Uint8Array, from: number, count: number): number {
  let hash = 0;
  for (let i = 0; i < count; i++) {
    const byte = bytes[from + i] ?? 0;
    const at = (k: number): number => key[(i + k) % key.length] ?? 0;
    let window = (at(0) << 24) | (at(1) << 16) | (at(2) << 8) | at(3);
    const next = at(4);
    for (let bit = 7; bit >= 0; bit--) {
      if (byte & (1 << bit)) hash ^= window;
      window = (window << 1) | ((next >> bit) & 1);
    }
  }
  return hash;
}

const masked = (bytes: DataView, offset: number): number => bytes.getInt32(offset, true);

const crcWord = (crc: number, low: number, high: number, scratch: DataView, bytes: Uint8Array): number => {
  scratch.setInt32(0, low, true);
  scratch.setInt32(4, high, true);
  return crc32c(bytes, 0, 8, crc);
};

const SCRATCH = new Uint8Array(8);
const SCRATCH_VIEW = new DataView(SCRATCH.buffer);

/**
 * The hash with which DPDK 22.11 picks a selector's slot: the CRC-32C instruction on 64-bit words in its own order,
 * for keys padded to 8, 16, 32 or 64 bytes. Keys are little-endian words on every machine that DPDK supports.
 */
export function selectorHash(key: DataView, size: number): number {
  const low = (i: number): number => masked(key, i * 8);
  const high = (i: number): number => masked(key, i * 8 + 4);
  const crc = (start: number, lo: number, hi: number): number =>
    crcWord(start, lo, hi, SCRATCH_VIEW, SCRATCH);
  const first = size === 8 ? crc(0, low(0), high(0)) : crc(low(0), 0, 0);
  if (size === 8) return first;
  const second = crc(high(0), low(1), high(1));
  if (size === 16) return first ^ second;
  const third = crc(low(2), low(3), high(3));
  if (size === 32) return crc(first, second, 0) ^ crc(third, high(2), 0);
  const fourth = crc(high(2), low(4), high(4));
  const fifth = crc(low(5), low(6), high(6));
  const sixth = crc(high(5), low(7), high(7));
  return crc(first, third, second) ^ crc(fourth, sixth, fifth);
}
