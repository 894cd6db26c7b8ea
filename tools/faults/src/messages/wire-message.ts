import { mutateBytes, mutateWire, varint, wireField } from '../mutate/index.js';
import type { Random } from '../random.js';

const FIELDS = 12;
const DEEPEST = 6;

/**
 * Bytes for whoever expects a protobuf message of which nothing is known: fields of every wire type, nested, of any number;
 * some of them damaged.
 *
 * @param maxBytes about how long a field may get
 */
export function wireMessage(random: Random, maxBytes = 512): Uint8Array {
  const message = Buffer.concat(fields(random, 0, maxBytes));
  if (random.chance(20)) return mutateWire(random, message);
  return random.chance(20) ? mutateBytes(random, message) : message;
}

function fields(random: Random, depth: number, maxBytes: number): Uint8Array[] {
  return Array.from({ length: random.below(5) }, () => field(random, depth, maxBytes));
}

function field(random: Random, depth: number, maxBytes: number): Uint8Array {
  const number = 1 + random.below(FIELDS);
  const fixed = (wireType: number, value: Uint8Array) =>
    Buffer.concat([varint(BigInt((number << 3) | wireType)), value]);
  switch (random.below(6)) {
    case 0:
      return fixed(0, varint(BigInt(random.below(2 ** 32)) << BigInt(random.below(33))));
    case 1:
      return fixed(1, random.bytes(8));
    case 2:
      return fixed(5, random.bytes(4));
    case 3:
      return wireField(
        number,
        Buffer.from(random.pick(['', 'eth0', '10.96.0.10', '::1', 'ü\u0000', '../..'])),
      );
    case 4:
      return wireField(number, random.bytes(random.below(maxBytes)));
    default:
      return wireField(
        number,
        depth < DEEPEST ? Buffer.concat(fields(random, depth + 1, maxBytes)) : Buffer.alloc(0),
      );
  }
}
