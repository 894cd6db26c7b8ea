import { messageOf } from '@infra-offload/base';
import { canonical, decodeBigint, decodeString, encode } from '@infra-offload/p4info';
import { invalid, malformed, type P4rtError } from '../errors.js';
import type { Value } from './types.js';

const small = new Array<Uint8Array | undefined>(0x1_0000);

/**
 * The bytes of a number below 2^16, one array for each number: most values of tables are small (protocols, ports, flags,
 * ids), and an array takes over 100 bytes of memory, several times all the rest of a match.
 */
function smallBytes(value: number): Uint8Array {
  let bytes = small[value];
  if (bytes === undefined) {
    bytes = value < 0x100 ? Uint8Array.of(value) : Uint8Array.of(value >>> 8, value & 0xff);
    small[value] = bytes;
  }
  return bytes;
}

/** Encodes and decodes the values of one match field or action parameter. */
export class ValueCodec {
  /** Bits; 0 for `sdn_string`, whose bytes are UTF-8 text. */
  readonly bitwidth: number;
  /** Where the value belongs, for error messages: "table 'service' match field 'dst_ip'". */
  readonly where: string;
  readonly #limit: number;
  /** Numbers below this are within the width and small; 0 for `sdn_string`, which takes no numbers. */
  readonly #smallLimit: number;

  constructor(bitwidth: number, where: string) {
    this.bitwidth = bitwidth;
    this.where = where;
    this.#limit = 2 ** bitwidth;
    this.#smallLimit = bitwidth === 0 ? 0 : Math.min(this.#limit, 0x1_0000);
  }

  /** The canonical byte string of a value, perhaps shared: never write into it. @throws P4rtError INVALID */
  encode(value: Value): Uint8Array {
    if (typeof value === 'number' && value < this.#smallLimit && value >>> 0 === value)
      return smallBytes(value);
    try {
      return encode(this.bitwidth, value);
    } catch (error) {
      const reason = messageOf(error);
      throw invalid(`${this.where}: ${reason}`, { value, bitwidth: this.bitwidth }, error);
    }
  }

  /** Number up to 32 bits, bigint above, string for `sdn_string`. @throws P4rtError MALFORMED when it is too wide */
  decode(bytes: Uint8Array): number | bigint | string {
    if (bytes.length === 0) throw malformed(`${this.where}: the value is empty`);
    if (this.bitwidth === 0) return decodeText(bytes, this.where);
    if (this.bitwidth <= 32) {
      let value = 0;
      for (const byte of bytes) {
        value = value * 256 + byte;
        if (value >= this.#limit) throw this.#tooWide(bytes);
      }
      return value;
    }
    const value = decodeBigint(bytes);
    if (value >> BigInt(this.bitwidth) !== 0n) throw this.#tooWide(bytes);
    return value;
  }

  /** The value with all bits set. */
  ones(): Uint8Array {
    const bytes = new Uint8Array(Math.ceil(this.bitwidth / 8)).fill(0xff);
    const spare = bytes.length * 8 - this.bitwidth;
    if (bytes.length > 0) bytes[0] = 0xff >> spare;
    return bytes;
  }

  #tooWide(bytes: Uint8Array): P4rtError<'MALFORMED'> {
    const text = Buffer.from(bytes).toString('hex');
    return malformed(`${this.where}: 0x${text} does not fit ${this.bitwidth} bits`);
  }
}

function decodeText(bytes: Uint8Array, where: string): string {
  try {
    return decodeString(bytes);
  } catch (error) {
    throw malformed(`${where}: the string is not UTF-8`, error);
  }
}

/** Clears the lowest `bits` bits of a byte string. */
export function clearLowBits(bytes: Uint8Array, bits: number): Uint8Array {
  const out = bytes.slice();
  let left = bits;
  for (let i = out.length - 1; i >= 0 && left > 0; i--, left -= 8) {
    out[i] = left >= 8 ? 0 : (out[i] ?? 0) & (0xff << left);
  }
  return canonical(out);
}

/** Bitwise and of two byte strings, aligned at their ends. */
export function and(a: Uint8Array, b: Uint8Array): Uint8Array {
  const length = Math.min(a.length, b.length);
  const out = new Uint8Array(length);
  for (let i = 1; i <= length; i++) out[length - i] = (a[a.length - i] ?? 0) & (b[b.length - i] ?? 0);
  return canonical(out);
}

/** Compares two canonical byte strings as numbers: negative, zero or positive. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return a.length - b.length;
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
