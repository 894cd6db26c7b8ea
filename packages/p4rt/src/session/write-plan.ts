import { BinaryWriter } from '@bufbuild/protobuf/wire';
import { messageOf } from '@infra-offload/base';
import { entityKey } from '../entity-key.js';
import { invalid } from '../errors.js';
import { Update } from '../gen/p4/v1/p4runtime.js';

/** Updates that are sent in one Write. */
export interface Batch {
  /** Index of the first update in the array given to the plan. */
  readonly start: number;
  readonly updates: readonly Update[];
  /** Each update as it goes on the wire, a field of WriteRequest. */
  readonly encoded: readonly Uint8Array[];
  readonly bytes: number;
  /** An update of this batch has the key of an earlier one, so all batches before have to be done first. */
  readonly barrier: boolean;
}

export interface BatchLimits {
  readonly maxUpdates: number;
  readonly maxBytes: number;
}

/** Tag of `WriteRequest.updates` (field 4, length-delimited). */
const UPDATES_TAG = (4 << 3) | 2;

function encodeUpdate(update: Update, index: number, writer: BinaryWriter): Uint8Array {
  try {
    return Update.encode(update, writer.uint32(UPDATES_TAG).fork()).join().finish();
  } catch (error) {
    const reason = messageOf(error);
    throw invalid(`update ${index} cannot be encoded: ${reason}`, { index, update }, error);
  }
}

/**
 * Cuts updates into batches, in order: at most `maxUpdates` and `maxBytes` each (one update alone may have more bytes),
 * and no key twice in one batch, since the order within a Write is not defined.
 * @throws P4rtError INVALID for an update that cannot be encoded
 */
export function planBatches(updates: readonly Update[], limits: BatchLimits): Batch[] {
  const batches: Batch[] = [];
  const writer = new BinaryWriter();
  let start = 0;
  let encoded: Uint8Array[] = [];
  let bytes = 0;
  let barrier = false;
  let inBatch = new Set<string>();
  let sinceBarrier = new Set<string>();

  const cut = (end: number): void => {
    batches.push({ start, updates: updates.slice(start, end), encoded, bytes, barrier });
    start = end;
    encoded = [];
    bytes = 0;
    barrier = false;
    inBatch = new Set();
  };

  for (const [i, update] of updates.entries()) {
    const key = update.entity === undefined ? `nothing:${i}` : entityKey(update.entity);
    const one = encodeUpdate(update, i, writer);
    const full = encoded.length >= limits.maxUpdates || bytes + one.length > limits.maxBytes;
    if (encoded.length > 0 && (full || inBatch.has(key))) cut(i);
    if (sinceBarrier.has(key)) {
      barrier = true;
      sinceBarrier = new Set(inBatch);
    }
    inBatch.add(key);
    sinceBarrier.add(key);
    encoded.push(one);
    bytes += one.length;
  }
  if (encoded.length > 0) cut(updates.length);
  return batches;
}
