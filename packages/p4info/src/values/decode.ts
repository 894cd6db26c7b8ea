import { P4InfoError } from '../errors.js';
import { stripLeadingZeros } from './bytes.js';

/**
 * The unsigned value of a byte string.
 *
 * @throws P4InfoError `VALUE_SYNTAX` if it is empty, `VALUE_RANGE` from 2^53 on (use {@link decodeBigint}).
 */
export function decodeNumber(bytes: Uint8Array): number {
  if (bytes.length === 0) throw emptyBytes();
  let value = 0;
  for (let i = 0; i < bytes.length; i++) value = value * 256 + (bytes[i] ?? 0);
  if (value > Number.MAX_SAFE_INTEGER) {
    throw new P4InfoError('VALUE_RANGE', `0x${hex(bytes)} is 2^53 or more; decode it as a bigint`);
  }
  return value;
}

/**
 * The unsigned value of a byte string of any length.
 *
 * @throws P4InfoError `VALUE_SYNTAX` if it is empty.
 */
export function decodeBigint(bytes: Uint8Array): bigint {
  if (bytes.length === 0) throw emptyBytes();
  return bytes.length <= 6 ? BigInt(decodeNumber(bytes)) : BigInt(`0x${hex(bytes)}`);
}

/**
 * The text of a value that is translated to `sdn_string`.
 *
 * @throws P4InfoError `VALUE_SYNTAX` if it is not UTF-8.
 */
export function decodeString(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new P4InfoError('VALUE_SYNTAX', `0x${hex(bytes)} is not UTF-8`, { cause });
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * The canonical form of a byte string: no leading zero bytes, one zero byte for 0. Bytes that are canonical already are
 * returned as they are, others as a view of the same memory.
 *
 * @throws P4InfoError `VALUE_SYNTAX` if it is empty, which stands for no value.
 */
export function canonical(bytes: Uint8Array): Uint8Array {
  if (bytes.length === 0) throw emptyBytes();
  return stripLeadingZeros(bytes);
}

function emptyBytes(): P4InfoError {
  return new P4InfoError('VALUE_SYNTAX', 'an empty byte string is no value; 0 is one zero byte');
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
