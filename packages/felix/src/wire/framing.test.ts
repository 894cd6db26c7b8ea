import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FelixError } from '../errors.js';
import { encodeFrame, FrameDecoder } from './framing.js';

const bytes = (...values: number[]) => Uint8Array.from(values);

describe('frames', () => {
  it('are a length of 8 bytes, little-endian, and the message', () => {
    expect(encodeFrame(bytes(7, 8))).toEqual(bytes(2, 0, 0, 0, 0, 0, 0, 0, 7, 8));
    expect(encodeFrame(bytes())).toEqual(new Uint8Array(8));
  });

  it('come out as they went in, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 40 })),
        fc.array(fc.integer({ min: 0, max: 30 })),
        (messages, cuts) => {
          const stream = Buffer.concat(messages.map(encodeFrame));
          const decoder = new FrameDecoder();
          const received: Uint8Array[] = [];
          let position = 0;
          for (const size of cuts) {
            received.push(...decoder.push(stream.subarray(position, position + size)));
            position += size;
          }
          received.push(...decoder.push(stream.subarray(position)));
          expect(received.map((message) => [...message])).toEqual(messages.map((message) => [...message]));
          expect(() => decoder.end()).not.toThrow();
        },
      ),
    );
  });

  it('of many small chunks cost no more than their bytes', () => {
    const message = new Uint8Array(200_000).fill(5);
    const stream = encodeFrame(message);
    const decoder = new FrameDecoder();
    const received: Uint8Array[] = [];
    for (let i = 0; i < stream.length; i += 10) received.push(...decoder.push(stream.subarray(i, i + 10)));
    expect(received.map((one) => Buffer.compare(one, message))).toEqual([0]);
  });

  it('over the limit are refused before they have come, those before them are not', () => {
    const decoder = new FrameDecoder(4);
    const received: Uint8Array[] = [];
    const stream = Buffer.concat([encodeFrame(bytes(1, 2, 3, 4)), bytes(5, 0, 0, 0, 0, 0, 0, 0)]);
    const receive = (chunk: Uint8Array) => () => {
      for (const message of decoder.push(chunk)) received.push(message);
    };
    expect(receive(stream)).toThrow(/a frame of 5 bytes is larger than the limit of 4/);
    expect(received).toHaveLength(1);
    expect(receive(encodeFrame(bytes(1)))).toThrow(
      expect.objectContaining({ name: 'FelixError', code: 'FRAME_TOO_LARGE' }),
    );
  });

  it('may not promise more than any number can say', () => {
    const decoder = new FrameDecoder();
    expect(() => [...decoder.push(new Uint8Array(8).fill(0xff))]).toThrow(/18446744073709551615 bytes/);
  });

  it.each([
    ['header', bytes(1, 0)],
    ['message', bytes(3, 0, 0, 0, 0, 0, 0, 0, 1)],
  ])('must not end within the %s', (_, chunk) => {
    const decoder = new FrameDecoder();
    expect([...decoder.push(chunk)]).toEqual([]);
    const end = () => decoder.end();
    expect(end).toThrow(expect.objectContaining({ code: 'TRUNCATED_FRAME' }));
    try {
      end();
    } catch (error) {
      expect(FelixError.is(error)).toBe(true);
    }
  });
});
