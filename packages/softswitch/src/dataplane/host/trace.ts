import { deserialize, serialize } from 'node:v8';
import type { Trace } from '@infra-offload/swx';
import type { ByteReader } from './wire.js';

/** A trace as V8 serializes it: only engines, which run on it, have traces. */
export function writeTrace(trace: Trace): Uint8Array {
  return serialize(trace);
}

export function readTrace(reader: ByteReader): Trace {
  const trace: Trace = deserialize(reader.bytes(reader.rest));
  return trace;
}
