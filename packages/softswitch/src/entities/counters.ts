import type { CounterData } from '@infra-offload/p4rt/proto';
import type { Pipeline } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import type { BoundCounter } from '../pipeline/bound.js';
import type { Journal } from './journal.js';

export function readCounter(pipeline: Pipeline, counter: BoundCounter, index: number): CounterData {
  return {
    packetCount: counter.packets === undefined ? 0n : asInt64(pipeline.registerRead(counter.packets, index)),
    byteCount: counter.bytes === undefined ? 0n : asInt64(pipeline.registerRead(counter.bytes, index)),
  };
}

/** Sets a cell. A unit that the counter does not count is ignored, as P4Runtime asks. */
export function writeCounter(
  pipeline: Pipeline,
  counter: BoundCounter,
  index: number,
  data: CounterData,
  journal: Journal | undefined,
): void {
  if (data.packetCount < 0n || data.byteCount < 0n) {
    fail('INVALID_ARGUMENT', `counter ${counter.p4.alias}: counts cannot be negative`);
  }
  if (journal !== undefined) {
    const before = readCounter(pipeline, counter, index);
    journal.push(() => writeCounter(pipeline, counter, index, before, undefined));
  }
  if (counter.packets !== undefined) pipeline.registerWrite(counter.packets, index, data.packetCount);
  if (counter.bytes !== undefined) pipeline.registerWrite(counter.bytes, index, data.byteCount);
}

/**
 * The cells that an index names: one, or all of them when it is left out. INVALID_ARGUMENT below 0, OUT_OF_RANGE
 * beyond the end.
 */
export function cellRange(
  what: string,
  index: { index: bigint } | undefined,
  size: number,
): { first: number; end: number } {
  if (index === undefined) return { first: 0, end: size };
  if (index.index < 0n) fail('INVALID_ARGUMENT', `${what}: index ${index.index} is negative`);
  if (index.index >= BigInt(size))
    fail('OUT_OF_RANGE', `${what}: index ${index.index} is beyond its ${size} cells`);
  const first = Number(index.index);
  return { first, end: first + 1 };
}

/** The wire has signed counts; the data plane counts to 2^64 and wraps. */
function asInt64(value: bigint): bigint {
  return BigInt.asUintN(63, value);
}
