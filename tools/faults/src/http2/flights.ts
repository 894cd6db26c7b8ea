import type { Random } from '../random.js';
import {
  Flag,
  FrameType,
  frame,
  grpcHeaders,
  headerBlock,
  headers,
  message,
  PREFACE,
  ping,
  rstStream,
  settings,
  settingsAck,
  windowUpdate,
} from './frames.js';

/** Timeouts, encodings and paths that a server has to take apart. */
const ODD_FIELDS: readonly (readonly [string, string])[] = [
  ['grpc-timeout', '0n'],
  ['grpc-timeout', '99999999H'],
  ['grpc-timeout', '-1S'],
  ['grpc-timeout', ''],
  ['grpc-encoding', 'gzip'],
  ['grpc-encoding', '\u00ff'],
  ['grpc-accept-encoding', ','],
  ['x-bin', '!!!'],
  ['x-trace-bin', 'AAAA'],
  ['te', 'gzip'],
  ['content-length', '-1'],
  ['connection', 'close'],
  ['host', ''],
];
const ODD_PATHS = ['', '/', '*', '/a', '//', '/a/b/c', '/%', '/\u00ff', `/${'x'.repeat(9_000)}`];

/**
 * A connection's bytes from a client that gets some of HTTP/2 and gRPC right: frames in an order that makes sense up to a
 * point, then some that make none, some damaged; all of it, or cut somewhere.
 *
 * @param paths of methods that there are
 */
export function flight(random: Random, paths: readonly string[]): Uint8Array {
  const frames: Uint8Array[] = [];
  if (!random.chance(3)) frames.push(PREFACE);
  if (!random.chance(5)) frames.push(settings());
  let stream = 1;
  for (let left = 1 + random.below(8); left > 0; left--) {
    frames.push(step(random, stream, paths));
    if (random.chance(60)) stream += 2;
  }
  const bytes = Buffer.concat(frames);
  if (random.chance(15)) {
    // After the preface, where there is anything.
    const from = Math.min(PREFACE.length, bytes.length - 1);
    for (let left = 1 + random.below(3); left > 0; left--) {
      bytes.writeUInt8(random.below(256), from + random.below(bytes.length - from));
    }
  }
  return random.chance(10) ? bytes.subarray(0, random.below(bytes.length)) : bytes;
}

function step(random: Random, stream: number, paths: readonly string[]): Uint8Array {
  const path = random.chance(70) ? random.pick(paths) : random.pick(ODD_PATHS);
  const fields = grpcHeaders(path, random.chance(30) ? [random.pick(ODD_FIELDS)] : []);
  switch (random.below(14)) {
    case 0:
    case 1:
    case 2:
      return Buffer.concat([headers(stream, fields), message(stream, random.bytes(random.below(100)))]);
    case 3:
      return Buffer.concat([headers(stream, fields), rstStream(stream, random.below(20))]);
    case 4:
      return headers(stream, fields, random.chance(50));
    case 5: {
      // Without some of the fields, or with some twice.
      const some = fields.filter(() => random.chance(80));
      return headers(stream, random.chance(30) ? [...some, ...fields] : some, random.chance(50));
    }
    case 6:
      return message(stream, random.bytes(random.below(50)), random.chance(50));
    case 7: {
      // A message whose prefix lies.
      const payload = Buffer.from([random.below(256), ...random.bytes(4 + random.below(20))]);
      return Buffer.concat([
        headers(stream, fields),
        frame(FrameType.data, random.below(2), stream, payload),
      ]);
    }
    case 8:
      return settings(
        [random.below(8), random.below(2 ** 31)],
        [random.below(65_536), random.below(2 ** 31)],
      );
    case 9:
      return random.pick([ping(), settingsAck(), frame(FrameType.ping, Flag.ack, 0, Buffer.alloc(8))]);
    case 10:
      return windowUpdate(random.pick([0, stream]), random.pick([0, 1, 65_535, 2 ** 31 - 1]));
    case 11:
      return frame(FrameType.goaway, 0, 0, Buffer.from(random.bytes(8)));
    case 12: {
      const block = headerBlock(fields);
      const half = random.below(block.length);
      return Buffer.concat([
        frame(FrameType.headers, random.below(2), stream, block.subarray(0, half)),
        frame(FrameType.continuation, Flag.endHeaders, stream, block.subarray(half)),
      ]);
    }
    default: {
      const payload = random.bytes(random.below(64));
      const length = random.chance(20) ? random.below(2 ** 24) : payload.length;
      return frame(random.below(16), random.below(256), random.below(stream + 4), payload, length);
    }
  }
}
