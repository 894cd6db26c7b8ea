import { invalid } from '../errors.js';
import type { CounterData, Index } from '../gen/p4/v1/p4runtime.js';
import type { CounterValue } from './types.js';

/** To the wire. @throws P4rtError INVALID for counts that are negative or over 2^63 - 1 */
export function counterData({ packets, bytes }: CounterValue): CounterData {
  for (const count of [packets, bytes]) {
    if (count < 0n || count >= 1n << 63n) throw invalid(`count ${count} is not within 0..2^63-1`, { count });
  }
  return { packetCount: packets, byteCount: bytes };
}

/** From the wire; missing data counts as zero. */
export function counterValue(data: CounterData | undefined): CounterValue {
  return { packets: data?.packetCount ?? 0n, bytes: data?.byteCount ?? 0n };
}

/** Index of a cell in an array of `size` (0 if the program does not say). @throws P4rtError INVALID */
export function cellIndex(index: number | bigint, size: number, where: string): Index {
  const value = typeof index === 'bigint' || Number.isInteger(index) ? BigInt(index) : -1n;
  if (value < 0n || (size > 0 && value >= BigInt(size)) || value >= 1n << 63n) {
    throw invalid(`${where}: index ${index} is not within 0..${size > 0 ? size - 1 : '2^63-1'}`, { index });
  }
  return { index: value };
}
