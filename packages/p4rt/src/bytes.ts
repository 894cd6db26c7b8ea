import { messageOf } from '@infra-offload/base';
import { encode } from '@infra-offload/p4info';
import { invalid } from './errors.js';

/** Index of the first significant byte: leading zero bytes are skipped, but not the last byte. */
function firstSignificant(bytes: Uint8Array): number {
  const last = bytes.length - 1;
  let i = 0;
  while (i < last && bytes[i] === 0) i++;
  return i;
}

const HEX: readonly string[] = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'));

/** Canonical hexadecimal: the same for every byte string of the same value; empty bytes stay empty. */
export function hex(bytes: Uint8Array): string {
  let out = '';
  for (let i = firstSignificant(bytes); i < bytes.length; i++) out += HEX[bytes[i] ?? 0];
  return out;
}

/** Value equality: leading zero bytes do not count (P4Runtime 1.5, "Bytestrings"). */
export function sameValue(a: Uint8Array, b: Uint8Array): boolean {
  let i = firstSignificant(a);
  let j = firstSignificant(b);
  if (a.length - i !== b.length - j) return false;
  for (; i < a.length; i++, j++) if (a[i] !== b[j]) return false;
  return true;
}

/** Equality byte by byte. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export function isZero(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0);
}

/**
 * The bytes of a port, which is given as such or as its number. A number is written in as few bytes as it takes.
 * @throws P4rtError INVALID
 */
export function portBytes(where: string, port: PortInput): Uint8Array {
  try {
    if (port instanceof Uint8Array) return port;
    return encode(MAX_PORT_BITS, port);
  } catch (error) {
    throw invalid(`${where}: port: ${messageOf(error)}`, { port }, error);
  }
}

/** A port: its number, or its bytes as the device defines them (P4Runtime 1.5, "Translation of Port Numbers"). */
export type PortInput = number | bigint | Uint8Array;

const MAX_PORT_BITS = 64;

const NO_BYTES = new Uint8Array(0);

/** The bytes of a field that is not set. Shared: never write to it (it has no bytes to write to). */
export function noBytes(): Uint8Array {
  return NO_BYTES;
}
