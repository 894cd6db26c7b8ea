import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';

/** Takes the value of a length-delimited field from `reader`. @returns false to have it skipped. */
export type FieldVisitor = (field: number, reader: BinaryReader) => boolean;

/**
 * Visits the length-delimited fields of a message and skips all others.
 *
 * @throws what the reader throws if `message` is no protobuf message.
 */
export function visitFields(message: Uint8Array, visit: FieldVisitor): void {
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (wireType !== WireType.LengthDelimited || !visit(field, reader)) reader.skip(wireType, field);
  }
}

/** The numbers of all fields that a message has. */
export function fieldNumbers(message: Uint8Array): Set<number> {
  const reader = new BinaryReader(message);
  const numbers = new Set<number>();
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    numbers.add(field);
    reader.skip(wireType, field);
  }
  return numbers;
}
