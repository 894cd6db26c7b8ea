import { parseSpec } from '../parser/parse.js';
import { SwxPipeline } from '../pipeline.js';

/**
 * A small spec around some instructions: header `a` (one field of each width), header `n` of 16 bytes that is never
 * extracted, metadata of each width. The instructions stand between `extract h.a` and `emit h.a`.
 */
export function miniSpec(body: string, declarations = '', tail = ''): string {
  return `
struct a_t {
	bit<8> f8
	bit<16> f16
	bit<24> f24
	bit<32> f32
	bit<40> f40
	bit<48> f48
	bit<64> f64
	bit<128> f128
}
struct n_t {
	bit<16> x
	bit<16> y
	bit<32> z
	bit<64> w
}
struct meta_t {
	bit<32> port
	bit<8> m8
	bit<16> m16
	bit<24> m24
	bit<32> m32
	bit<48> m48
	bit<64> m64
	bit<64> n64
	bit<128> m128
	bit<32> out
}
header a instanceof a_t
header n instanceof n_t
metadata instanceof meta_t
${declarations}
apply {
	rx m.port
	extract h.a
	mov m.out m.port
${body}
	emit h.n
	emit h.a
	tx m.out
${tail}
}
`;
}

export const A_BYTES = 1 + 2 + 3 + 4 + 5 + 6 + 8 + 16;
const A_FIELDS = { f8: 1, f16: 2, f24: 3, f32: 4, f40: 5, f48: 6, f64: 8, f128: 16 } as const;
export type AField = keyof typeof A_FIELDS;

/** Header `a` with some values, the others zero, and a payload. */
export function aPacket(
  values: Partial<Record<AField, bigint>> = {},
  payload: readonly number[] = [0xde, 0xad],
): Uint8Array {
  const bytes: number[] = [];
  for (const [name, size] of Object.entries(A_FIELDS)) {
    const value = Object.entries(values).find(([key]) => key === name)?.[1] ?? 0n;
    for (let i = size - 1; i >= 0; i--) bytes.push(Number((value >> BigInt(8 * i)) & 255n));
  }
  return Uint8Array.from([...bytes, ...payload]);
}

/** A field of a header `a` that starts at `at`. */
export function aField(bytes: Uint8Array, name: AField, at = 0): bigint {
  let offset = at;
  for (const [key, size] of Object.entries(A_FIELDS)) {
    if (key === name)
      return bytes.subarray(offset, offset + size).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
    offset += size;
  }
  throw new Error(`no field ${name}`);
}

export interface Output {
  readonly port: number;
  readonly packet: Uint8Array;
}

/** A pipeline that keeps what comes out. */
export class Bench {
  readonly out: Output[] = [];
  now = 0;
  readonly pipeline: SwxPipeline;

  constructor(text: string) {
    this.pipeline = new SwxPipeline(parseSpec(text), {
      now: () => this.now,
      onTransmit: (port, packet) => this.out.push({ port, packet: packet.slice() }),
    });
  }

  send(packet: Uint8Array, port = 7): Output[] {
    this.out.length = 0;
    this.pipeline.process(port, packet);
    return [...this.out];
  }

  /** Sends a packet that must come out once. */
  one(packet: Uint8Array, port = 7): Output {
    const [first, ...others] = this.send(packet, port);
    if (first === undefined || others.length > 0) throw new Error(`${this.out.length} packets came out`);
    return first;
  }
}

/** Runs instructions on one packet, and gives a field of header `a` afterwards. */
export function run(
  body: string,
  field: AField,
  values: Partial<Record<AField, bigint>> = {},
  declarations = '',
): bigint {
  return aField(new Bench(miniSpec(body, declarations)).one(aPacket(values)).packet, field);
}
