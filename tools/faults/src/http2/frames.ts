/** Types of HTTP/2 frames (RFC 9113, 6). */
export const FrameType = {
  data: 0x0,
  headers: 0x1,
  priority: 0x2,
  rstStream: 0x3,
  settings: 0x4,
  pushPromise: 0x5,
  ping: 0x6,
  goaway: 0x7,
  windowUpdate: 0x8,
  continuation: 0x9,
} as const;

/** Flags of frames; what a bit means depends on the type. */
export const Flag = { endStream: 0x1, ack: 0x1, endHeaders: 0x4 } as const;

/** What a client says first (RFC 9113, 3.4), before its SETTINGS. */
export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** One frame, whether or not it makes sense: nothing is checked. `length` lies about the payload's, if given. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
  length = payload.length,
): Buffer {
  const header = Buffer.alloc(9);
  header.writeUIntBE(length, 0, 3);
  header.writeUInt8(type, 3);
  header.writeUInt8(flags, 4);
  header.writeUInt32BE(stream, 5);
  return Buffer.concat([header, payload]);
}

/** SETTINGS with pairs of identifier and value (RFC 9113, 6.5.2). */
export function settings(...pairs: readonly (readonly [identifier: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  for (const [i, [identifier, value]] of pairs.entries()) {
    payload.writeUInt16BE(identifier, i * 6);
    payload.writeUInt32BE(value, i * 6 + 2);
  }
  return frame(FrameType.settings, 0, 0, payload);
}

export const settingsAck = (): Buffer => frame(FrameType.settings, Flag.ack, 0);
export const ping = (): Buffer => frame(FrameType.ping, 0, 0, Buffer.alloc(8));

/** @param code of RFC 9113, 7; default CANCEL */
export function rstStream(stream: number, code = 0x8): Buffer {
  return frame(FrameType.rstStream, 0, stream, uint32(code));
}

export function windowUpdate(stream: number, increment: number): Buffer {
  return frame(FrameType.windowUpdate, 0, stream, uint32(increment));
}

/** Headers in the plainest form of HPACK: literals that nobody remembers, without Huffman codes (RFC 7541, 6.2.2). */
export function headerBlock(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), literal(name), literal(value)]));
}

/** The header fields of a gRPC call. */
export function grpcHeaders(
  path: string,
  more: readonly (readonly [string, string])[] = [],
): readonly (readonly [name: string, value: string])[] {
  return [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', path],
    [':authority', 'localhost'],
    ['content-type', 'application/grpc'],
    ['te', 'trailers'],
    ...more,
  ];
}

/** HEADERS that hold the whole block. */
export function headers(
  stream: number,
  fields: readonly (readonly [name: string, value: string])[],
  endStream = false,
): Buffer {
  const flags = Flag.endHeaders | (endStream ? Flag.endStream : 0);
  return frame(FrameType.headers, flags, stream, headerBlock(fields));
}

/** DATA that holds one gRPC message, and is the client's last. */
export function message(stream: number, payload: Uint8Array, endStream = true): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(payload.length, 1);
  const flags = endStream ? Flag.endStream : 0;
  return frame(FrameType.data, flags, stream, Buffer.concat([prefix, payload]));
}

function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([integer(bytes.length), bytes]);
}

/** An integer with a prefix of 7 bits (RFC 7541, 5.1). */
function integer(value: number): Buffer {
  if (value < 127) return Buffer.from([value]);
  const bytes = [127];
  let rest = value - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
