import { SwxError } from './errors.js';

/** An unsigned value: a number up to 32 bits wide, a bigint when wider. Both are accepted everywhere. */
export type SwxValue = number | bigint;

/** Splits a value into 32-bit words, most significant first. Fails when it does not fit `bits`. */
export function toWords(value: SwxValue, bits: number, what: () => string): Int32Array {
  const words = new Int32Array(Math.ceil(bits / 32));
  if (typeof value === 'number' && bits <= 32) {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** bits) throw misfit(value, bits, what);
    words[0] = value;
    return words;
  }
  const integer = typeof value === 'bigint' || Number.isSafeInteger(value);
  let rest = integer ? BigInt(value) : -1n;
  if (rest < 0n || rest >= 1n << BigInt(bits)) throw misfit(value, bits, what);
  for (let i = words.length - 1; i >= 0; i--) {
    words[i] = Number(rest & 0xffffffffn);
    rest >>= 32n;
  }
  return words;
}

/** The reverse of toWords: a number for widths up to 32 bits, else a bigint. */
export function fromWords(words: ArrayLike<number>, bits: number): SwxValue {
  if (bits <= 32) return (words[words.length - 1] ?? 0) >>> 0;
  let value = 0n;
  for (let i = 0; i < words.length; i++) value = (value << 32n) | BigInt((words[i] ?? 0) >>> 0);
  return value;
}

function misfit(value: SwxValue, bits: number, what: () => string): SwxError {
  const kind =
    typeof value === 'bigint' || Number.isInteger(value) ? 'does not fit' : 'is not an unsigned integer of';
  return new SwxError('INVALID_VALUE', `${what()}: ${value} ${kind} ${bits} bits`, {
    details: { token: String(value) },
  });
}
