import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { felix } from '@infra-offload/infra-api';
import type { PolicyId } from '../messages.js';

/** A message from its length-delimited fields, for versions that the generated code does not have. */
export function message(...fields: readonly (readonly [number, Uint8Array | string])[]): Uint8Array {
  const writer = new BinaryWriter();
  for (const [field, value] of fields) {
    writer.tag(field, WireType.LengthDelimited);
    if (typeof value === 'string') writer.string(value);
    else writer.bytes(value);
  }
  return writer.finish();
}

/** `PolicyID` as Calico 3.32 has it. */
export function newPolicyId({ name, namespace, kind }: Omit<PolicyId, 'tier'>): Uint8Array {
  return message([2, name], [3, namespace], [4, kind]);
}

/** An envelope of today's generated code, up to Calico 3.31. */
export function envelope(payload: felix.ToDataplane['payload'], sequenceNumber = 0n): Uint8Array {
  return felix.ToDataplane.encode({ sequenceNumber, payload }).finish();
}
