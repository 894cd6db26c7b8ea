import { P4InfoError } from '../errors.js';
import { decodeBigint } from './decode.js';

/**
 * The canonical byte string of a value of type `int<W>`: two's complement, big-endian, as short as still shows the sign
 * (P4Runtime 1.5, "Bytestrings").
 *
 * @param bitwidth W, at least 1.
 * @throws P4InfoError `VALUE_RANGE` unless -2^(W-1) <= value < 2^(W-1), `VALUE_SYNTAX` if not a safe integer.
 */
export function encodeSigned(bitwidth: number, value: number | bigint): Uint8Array {
  if (typeof value === 'number' && !Number.isSafeInteger(value)) {
    throw new P4InfoError('VALUE_SYNTAX', `${value} is not a safe integer; give large values as a bigint`, {
      details: {
        bitwidth,
      },
    });
  }
  const integer = BigInt(value);
  if (BigInt.asIntN(bitwidth, integer) !== integer) {
    throw new P4InfoError('VALUE_RANGE', `${value} does not fit int<${bitwidth}>`, { details: { bitwidth } });
  }
  const length = byteLength(integer);
  const digits = BigInt.asUintN(8 * length, integer)
    .toString(16)
    .padStart(2 * length, '0');
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}

/** Bytes needed for `integer` and its sign bit. */
function byteLength(integer: bigint): number {
  const magnitude = integer < 0n ? ~integer : integer;
  const bits = magnitude === 0n ? 0 : magnitude.toString(2).length;
  return Math.floor(bits / 8) + 1;
}

/**
 * The value of a two's complement byte string.
 *
 * @throws P4InfoError `VALUE_SYNTAX` if it is empty.
 */
export function decodeSigned(bytes: Uint8Array): bigint {
  return BigInt.asIntN(8 * bytes.length, decodeBigint(bytes));
}
