import { invalid } from '../errors.js';
import type { Uint128 } from '../gen/p4/v1/p4runtime.js';

const MASK_64 = (1n << 64n) - 1n;
/** The highest election id. */
export const MAX_ELECTION_ID = (1n << 128n) - 1n;

/** @throws P4rtError INVALID outside of 0..2^128-1 */
export function toUint128(value: bigint): Uint128 {
  if (value < 0n || value >> 128n !== 0n) throw invalid(`${value} is not within 0..2^128-1`, { value });
  return { high: value >> 64n, low: value & MASK_64 };
}

export function fromUint128({ high, low }: Uint128): bigint {
  return (high << 64n) | low;
}
