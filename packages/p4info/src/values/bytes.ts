/** Unsigned integers as the shortest big-endian byte string (P4Runtime 1.5, "Bytestrings"). */

/** `value` must be an integer from 0 to 2^32 - 1. */
export function uint32Bytes(value: number): Uint8Array {
  let bytes: Uint8Array;
  if (value < 0x100) {
    bytes = new Uint8Array(1);
    bytes[0] = value;
  } else if (value < 0x10000) {
    bytes = new Uint8Array(2);
    bytes[0] = value >>> 8;
    bytes[1] = value;
  } else if (value < 0x1000000) {
    bytes = new Uint8Array(3);
    bytes[0] = value >>> 16;
    bytes[1] = value >>> 8;
    bytes[2] = value;
  } else {
    bytes = new Uint8Array(4);
    bytes[0] = value >>> 24;
    bytes[1] = value >>> 16;
    bytes[2] = value >>> 8;
    bytes[3] = value;
  }
  return bytes;
}

/** `value` must be a safe integer, not negative. */
export function safeIntegerBytes(value: number): Uint8Array {
  const high = Math.floor(value / 0x1_0000_0000);
  return high === 0 ? uint32Bytes(value >>> 0) : highLowBytes(high, value >>> 0);
}

/** The number `high * 2^32 + low`; `high` from 1 to 2^32 - 1. */
export function highLowBytes(high: number, low: number): Uint8Array {
  const length = high < 0x100 ? 5 : high < 0x10000 ? 6 : high < 0x1000000 ? 7 : 8;
  const bytes = new Uint8Array(length);
  let rest = high;
  for (let i = length - 5; i >= 0; i--) {
    bytes[i] = rest;
    rest >>>= 8;
  }
  bytes[length - 4] = low >>> 24;
  bytes[length - 3] = low >>> 16;
  bytes[length - 2] = low >>> 8;
  bytes[length - 1] = low;
  return bytes;
}

/** `value` must not be negative. */
export function bigintBytes(value: bigint): Uint8Array {
  if (value <= 0xffff_ffff_ffff_ffffn) {
    const high = Number(value >> 32n);
    const low = Number(value & 0xffff_ffffn);
    return high === 0 ? uint32Bytes(low) : highLowBytes(high, low);
  }
  return hexBytes(value.toString(16));
}

/** `digits` must be hexadecimal digits only, at least one. Leading zeros are dropped. */
export function hexBytes(digits: string): Uint8Array {
  let start = 0;
  while (start < digits.length - 1 && digits.charCodeAt(start) === 0x30) start++;
  const significant = digits.slice(start);
  const even = significant.length % 2 === 0 ? significant : `0${significant}`;
  const bytes = new Uint8Array(even.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(even.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}

/** Number of bits from the highest 1 bit on. */
export function bitLength(bytes: Uint8Array): number {
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    if (byte !== 0) return (bytes.length - i) * 8 - (Math.clz32(byte) - 24);
  }
  return 0;
}

/** `bytes` without leading zero bytes, but for the last. A view if there were any, else `bytes` itself. */
export function stripLeadingZeros(bytes: Uint8Array): Uint8Array {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  return start === 0 ? bytes : bytes.subarray(start);
}
