import { invalid } from './errors.js';

/** Checks an option that counts something. @throws P4rtError INVALID */
export function atLeast(min: number, value: number, name: string): number {
  if (Number.isFinite(value) && value >= min) return value;
  throw invalid(`option ${name}: ${value} is not at least ${min}`, { [name]: value });
}

/** Checks an unsigned 64-bit number. @throws P4rtError INVALID */
export function uint64(value: bigint | number, name: string): bigint {
  const whole = typeof value === 'bigint' || Number.isSafeInteger(value) ? BigInt(value) : -1n;
  if (whole >= 0n && whole < 1n << 64n) return whole;
  throw invalid(`${name} ${value} is not within 0..2^64-1`, { [name]: value });
}
