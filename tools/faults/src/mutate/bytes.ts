import type { Random } from '../random.js';

/** Values at which code that counts goes wrong, as bytes; written over what is there in either byte order. */
const EDGES: readonly (readonly number[])[] = [
  [0x00],
  [0x7f],
  [0x80],
  [0xff],
  [0xff, 0xff],
  [0x7f, 0xff],
  [0x80, 0x00],
  [0xff, 0xff, 0xff, 0xff],
  [0x7f, 0xff, 0xff, 0xff],
  [0x80, 0x00, 0x00, 0x00],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
];

/** The longest piece that is moved, doubled or made up. */
const LONGEST_PIECE = 64;

type Step = (random: Random, bytes: Uint8Array) => Uint8Array;

const STEPS: readonly Step[] = [
  function flipBit(random, bytes) {
    return overwrite(bytes, random.below(bytes.length), (at) => [(bytes[at] ?? 0) ^ (1 << random.below(8))]);
  },
  function changeByte(random, bytes) {
    return overwrite(bytes, random.below(bytes.length), () => [random.below(256)]);
  },
  function addToByte(random, bytes) {
    return overwrite(bytes, random.below(bytes.length), (at) => [(bytes[at] ?? 0) + random.below(33) - 16]);
  },
  function writeEdge(random, bytes) {
    const edge = random.pick(EDGES);
    return overwrite(bytes, random.below(bytes.length), () => (random.chance(50) ? edge : edge.toReversed()));
  },
  function cutOff(random, bytes) {
    return new Uint8Array(bytes.subarray(0, random.below(bytes.length)));
  },
  function remove(random, bytes) {
    const [from, to] = piece(random, bytes);
    return splice(bytes, from, to, new Uint8Array());
  },
  function double(random, bytes) {
    const [from, to] = piece(random, bytes);
    return splice(bytes, to, to, bytes.subarray(from, to));
  },
  function move(random, bytes) {
    const [from, to] = piece(random, bytes);
    const rest = splice(bytes, from, to, new Uint8Array());
    const at = random.below(rest.length + 1);
    return splice(rest, at, at, bytes.subarray(from, to));
  },
  function insert(random, bytes) {
    const at = random.below(bytes.length + 1);
    return splice(bytes, at, at, random.bytes(1 + random.below(LONGEST_PIECE)));
  },
];

/** Bytes that differ from `bytes` by one to four small damages; sometimes by more, when one undoes another. */
export function mutateBytes(random: Random, bytes: Uint8Array): Uint8Array {
  let mutated = bytes;
  for (let left = 1 + random.below(4); left > 0; left--) {
    mutated = mutated.length === 0 ? random.bytes(1 + random.below(8)) : random.pick(STEPS)(random, mutated);
  }
  return mutated;
}

/** The beginning of one and the end of the other. */
export function crossBytes(random: Random, one: Uint8Array, other: Uint8Array): Uint8Array {
  return splice(
    one,
    random.below(one.length + 1),
    one.length,
    other.subarray(random.below(other.length + 1)),
  );
}

/** `bytes` with those from `from` to before `to` replaced. */
export function splice(bytes: Uint8Array, from: number, to: number, piece: Uint8Array): Uint8Array {
  const result = new Uint8Array(bytes.length - (to - from) + piece.length);
  result.set(bytes.subarray(0, from));
  result.set(piece, from);
  result.set(bytes.subarray(to), from + piece.length);
  return result;
}

function overwrite(bytes: Uint8Array, at: number, values: (at: number) => readonly number[]): Uint8Array {
  // A copy even of a Buffer, whose own slice is a view.
  const result = new Uint8Array(bytes);
  for (const [index, value] of values(at).entries())
    if (at + index < result.length) result[at + index] = value;
  return result;
}

function piece(random: Random, bytes: Uint8Array): readonly [from: number, to: number] {
  const from = random.below(bytes.length);
  return [from, Math.min(bytes.length, from + 1 + random.below(LONGEST_PIECE))];
}
