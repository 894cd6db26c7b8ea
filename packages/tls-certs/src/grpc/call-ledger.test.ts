import {
  Flag,
  FrameType,
  frame,
  grpcHeaders,
  headers,
  message,
  PREFACE,
  ping,
  rstStream,
  settings,
  windowUpdate,
} from '@infra-offload/faults/http2';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CallLedger } from './call-ledger.js';
import { PEER_LIMITS } from './limits.js';

const BEGIN = Buffer.concat([PREFACE, settings()]);
const call = (stream: number) => headers(stream, grpcHeaders('/a/b'));
const response = (stream: number, endStream = false) => headers(stream, [[':status', '200']], endStream);
const data = (stream: number, length: number) => frame(FrameType.data, 0, stream, Buffer.alloc(length));

function ledger(limits = {}) {
  const clock = { now: 0 };
  const books = new CallLedger({ ...PEER_LIMITS, ...limits }, () => clock.now);
  const receive = (...frames: Buffer[]) => {
    const bytes = Buffer.concat(frames);
    for (let at = 0; at < bytes.length; ) at = books.received(bytes, at);
    return books;
  };
  return { books, clock, receive };
}

describe('CallLedger', () => {
  it('stops behind the header fields of each call, however the bytes come', () => {
    const { books } = ledger();
    const bytes = Buffer.concat([BEGIN, call(1), rstStream(1), call(3)]);
    const first = BEGIN.length + call(1).length;
    expect(books.received(bytes, 0)).toBe(first);
    expect(books.calls).toBe(1);
    expect(books.received(bytes, first)).toBe(bytes.length);
    expect(books.calls).toBe(1);
  });

  it('counts calls until they are ended by either side', () => {
    const { books, receive } = ledger();
    receive(BEGIN, call(1), call(3), call(5));
    books.sent(Buffer.concat([response(1), response(1, true), rstStream(3)]));
    expect(books.calls).toBe(1);
    receive(rstStream(5));
    expect(books.calls).toBe(0);
  });

  it('counts the bytes of requests that are not answered, and of messages that are not complete', () => {
    const { books, receive } = ledger();
    receive(BEGIN, call(1), message(1, Buffer.alloc(95), false), call(3));
    expect(books.heldBytes).toBe(100);
    // A stream that has been answered: what is complete has gone to whoever reads it.
    books.sent(response(1));
    expect(books.heldBytes).toBe(0);
    const half = frame(FrameType.data, 0, 1, Buffer.from([0, 0, 0, 1, 0, 7, 7]));
    receive(half);
    expect(books.heldBytes).toBe(7);
    receive(data(1, 254));
    expect(books.heldBytes).toBe(0);
    receive(half, rstStream(1));
    expect(books.heldBytes).toBe(0);
  });

  it('knows which calls wait for the peer to read', () => {
    const { books, clock, receive } = ledger();
    receive(BEGIN, settings([0x4, 100]), call(1), call(3));
    books.sent(Buffer.concat([response(1), data(1, 100), response(3), data(3, 99)]));
    clock.now = 999;
    expect(books.unread(1_000)).toBe(0);
    clock.now = 1_000;
    expect(books.unread(1_000)).toBe(1);
    receive(windowUpdate(1, 1));
    expect(books.unread(0)).toBe(0);
    // The connection has a window of its own, for all of them.
    receive(settings([0x4, 1 << 20]));
    for (let left = 65_535 - 199; left > 0; left -= 16_000) books.sent(data(1, Math.min(left, 16_000)));
    expect(books.unread(0)).toBe(2);
    receive(windowUpdate(0, 10));
    expect(books.unread(0)).toBe(0);
  });

  it.each([
    ['PING', ping()],
    ['SETTINGS', settings()],
    ['resets', rstStream(1)],
    ['empty DATA', data(1, 0)],
  ])('has enough of %s at some time, and gives some back with time and with traffic', (_, empty) => {
    const { books, clock, receive } = ledger({ controlFrames: 50, controlFramesPerSecond: 10 });
    receive(BEGIN, call(1));
    for (let i = 0; i < 9; i++) receive(empty);
    expect(books.violation).toBeUndefined();
    clock.now = 10_000;
    books.sent(Buffer.concat([response(1), data(1, 10_000)]));
    for (let i = 0; i < 9; i++) receive(empty);
    expect(books.violation).toBeUndefined();
    for (let i = 0; i < 50; i++) receive(empty);
    expect(books.violation).toMatch(/too many frames that carry nothing/);
  });

  it('has a peer slowed down whose calls come to nothing, for a while', () => {
    const { books, clock, receive } = ledger({ failedCalls: 2, failedCallsPerSecond: 1 });
    receive(BEGIN, call(1), call(3), call(5), call(7));
    books.sent(Buffer.concat([response(1), data(1, 1), response(1, true)]));
    books.sent(Buffer.concat([response(3, true), response(5, true)]));
    expect(books.isSlowed).toBe(false);
    books.sent(response(7, true));
    expect(books.isSlowed).toBe(true);
    clock.now = 1_001;
    expect(books.isSlowed).toBe(false);
  });

  it.each([
    ['no preface', [Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')]],
    ['no SETTINGS at the beginning', [PREFACE, ping()]],
    ['DATA of no stream', [BEGIN, data(1, 1)]],
    ['a stream of the server', [BEGIN, call(2)]],
    ['CONTINUATION of nothing', [BEGIN, frame(FrameType.continuation, Flag.endHeaders, 1)]],
    ['a frame amid header fields', [BEGIN, frame(FrameType.headers, 0, 1), ping()]],
    ['a frame that is too long', [BEGIN, frame(FrameType.ping, 0, 0, Buffer.alloc(8), 16_385)]],
    ['a PING of a wrong size', [BEGIN, frame(FrameType.ping, 0, 0, Buffer.alloc(7))]],
    ['SETTINGS on a stream', [BEGIN, frame(FrameType.settings, 0, 1)]],
    ['WINDOW_UPDATE by nothing', [BEGIN, windowUpdate(0, 0)]],
    ['too many header fields', [BEGIN, headers(1, grpcHeaders('/a', [['x', 'x'.repeat(9_000)]]))]],
  ])('does not let %s pass', (_, frames) => {
    expect(ledger().receive(...frames).violation).toBeDefined();
  });

  it('makes the same of the same bytes, however they are cut, and throws for none', () => {
    const pieces = fc.array(
      fc.oneof(
        fc.constantFrom(call(1), call(3), ping(), settings(), rstStream(1), message(1, Buffer.alloc(9))),
        fc.uint8Array({ maxLength: 40 }),
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(pieces, fc.integer({ min: 1, max: 60 }), (parts, size) => {
        const bytes = Buffer.concat([BEGIN, ...parts]);
        const whole = ledger().receive(bytes);
        const { books, receive } = ledger();
        for (let at = 0; at < bytes.length; at += size) receive(bytes.subarray(at, at + size));
        expect([books.calls, books.heldBytes, books.violation]).toEqual([
          whole.calls,
          whole.heldBytes,
          whole.violation,
        ]);
      }),
    );
  });
});
