import type { Value } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';

/**
 * The number that a P4Runtime byte string holds ("Bytestrings"): big endian, leading zero bytes allowed.
 * OUT_OF_RANGE if it is empty or does not fit `width` bits; `what` names it in the message.
 */
export function readValue(bytes: Uint8Array, width: number, what: () => string): Value {
  return parseValue(bytes, width) ?? refuseValue(bytes, width, what());
}

/** As {@link readValue}; undefined if the value is none or does not fit. */
export function parseValue(bytes: Uint8Array, width: number): Value | undefined {
  const { length } = bytes;
  if (length === 0) return undefined;
  let start = 0;
  while (start < length - 1 && bytes[start] === 0) start++;
  if (length - start > Math.ceil(width / 8)) return undefined;
  if (width <= 32) {
    let value = 0;
    for (let i = start; i < length; i++) value = value * 256 + (bytes[i] ?? 0);
    return value < 2 ** width ? value : undefined;
  }
  let value = 0n;
  for (let i = start; i < length; i++) value = (value << 8n) | BigInt(bytes[i] ?? 0);
  return value >> BigInt(width) === 0n ? value : undefined;
}

/** The error for what {@link parseValue} does not take. */
export function refuseValue(bytes: Uint8Array, width: number, what: string): never {
  if (bytes.length === 0) fail('OUT_OF_RANGE', `${what}: the value is empty; zero is one zero byte`);
  const shown = hex(bytes.subarray(0, 20)) + (bytes.length > 20 ? '…' : '');
  fail('OUT_OF_RANGE', `${what}: 0x${shown} does not fit ${width} bits`);
}

/** The shortest byte string of a number: no leading zero bytes, zero is one zero byte. */
export function writeValue(value: Value): Uint8Array {
  if (typeof value === 'number') {
    if (value < 0x100) return Uint8Array.of(value);
    if (value < 0x1_0000) return Uint8Array.of(value >>> 8, value & 0xff);
    if (value < 0x100_0000) return Uint8Array.of(value >>> 16, (value >>> 8) & 0xff, value & 0xff);
    return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
  }
  const digits = value.toString(16);
  const bytes = new Uint8Array((digits.length + 1) >> 1);
  for (let i = bytes.length - 1, end = digits.length; i >= 0; i--, end -= 2) {
    bytes[i] = Number.parseInt(digits.slice(Math.max(0, end - 2), end), 16);
  }
  return bytes;
}

/** All ones in `width` bits. */
export function allOnes(width: number): Value {
  return width <= 32 ? 2 ** width - 1 : (1n << BigInt(width)) - 1n;
}

/** The `prefix` highest of `width` bits. */
export function prefixMask(width: number, prefix: number): Value {
  if (width > 32) return ((1n << BigInt(prefix)) - 1n) << BigInt(width - prefix);
  return 2 ** width - 2 ** (width - prefix);
}

/** How many bits are set in the prefix mask `mask` of a field of `width` bits. */
export function prefixLength(mask: Value, width: number): number {
  let zeros = 0;
  for (let rest = BigInt(mask); zeros < width && (rest & 1n) === 0n; rest >>= 1n) zeros++;
  return width - zeros;
}

/** Whether `value` has bits outside `mask`; both of one width. */
export function exceedsMask(value: Value, mask: Value): boolean {
  if (typeof value === 'number' && typeof mask === 'number') return (value & ~mask) !== 0;
  return (BigInt(value) & ~BigInt(mask)) !== 0n;
}

/** `value` as the type that a field of `width` bits has. */
export function ofWidth(value: Value, width: number): Value {
  return width <= 32 ? Number(value) : BigInt(value);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
