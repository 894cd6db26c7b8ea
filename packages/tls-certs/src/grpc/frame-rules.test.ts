import { describe, expect, it } from 'vitest';
import { Flag, type FrameHeader, FrameType } from './frame-reader.js';
import { FrameRules } from './frame-rules.js';

const frame = (type: keyof typeof FrameType, more: Partial<FrameHeader> = {}): FrameHeader => ({
  type: FrameType[type],
  length: 0,
  flags: 0,
  stream: 0,
  ...more,
});
const SETTINGS = frame('settings');
const call = (stream: number, flags: number = Flag.endHeaders) => frame('headers', { stream, flags });

/** What is wrong with the last of these frames, if those before it are right. */
function check(...frames: FrameHeader[]): string | undefined {
  const rules = new FrameRules();
  const last = frames.pop();
  for (const one of frames) expect(rules.check(one)).toBeUndefined();
  return last && rules.check(last);
}

describe('the first frame', () => {
  it('is SETTINGS of the client', () => {
    expect(check(SETTINGS)).toBeUndefined();
    expect(check(frame('settings', { flags: Flag.ack }))).toBe('no SETTINGS at the beginning');
    expect(check(call(1))).toBe('no SETTINGS at the beginning');
    expect(check(SETTINGS, frame('settings', { flags: Flag.ack }))).toBeUndefined();
  });
});

describe('header fields', () => {
  it('are of a stream of the client', () => {
    expect(check(SETTINGS, call(1))).toBeUndefined();
    expect(check(SETTINGS, call(0))).toMatch(/not the client's/);
    expect(check(SETTINGS, call(2))).toMatch(/not the client's/);
  });

  it('go on with nothing in between', () => {
    const begun = call(3, 0);
    const more = (stream: number, flags = 0) => frame('continuation', { stream, flags });
    expect(check(SETTINGS, begun, more(3), more(3, Flag.endHeaders))).toBeUndefined();
    expect(check(SETTINGS, begun, more(5))).toBe('CONTINUATION of nothing');
    expect(check(SETTINGS, begun, call(5))).toBe('a frame amid header fields');
    expect(check(SETTINGS, begun, more(3, Flag.endHeaders), more(3))).toBe('CONTINUATION of nothing');
    expect(check(SETTINGS, begun, more(3, Flag.endHeaders), call(5))).toBeUndefined();
  });
});

it.each<[string, FrameHeader, string | undefined]>([
  ['of the largest size', frame('data', { stream: 3, length: 16_384 }), undefined],
  ['that is too long', frame('data', { stream: 3, length: 16_385 }), 'a frame that is too long'],
  ['of a call before the last one', frame('data', { stream: 1 }), undefined],
  [
    'of a call that is not there yet',
    frame('data', { stream: 5 }),
    'a frame of a stream that does not exist',
  ],
  ['of a stream of the server', frame('data', { stream: 2 }), 'a frame of a stream that does not exist'],
  ['of data on no stream', frame('data'), 'a frame of a stream that does not exist'],
  ['that resets a call', frame('rstStream', { stream: 3, length: 4 }), undefined],
  [
    'that resets nothing',
    frame('rstStream', { stream: 7, length: 4 }),
    'a frame of a stream that does not exist',
  ],
  ['that resets in 5 bytes', frame('rstStream', { stream: 3, length: 5 }), 'a frame of the wrong size'],
  ['with a window for all', frame('windowUpdate', { length: 4 }), undefined],
  ['with a window for a call', frame('windowUpdate', { stream: 3, length: 4 }), undefined],
  [
    'with a window for nothing',
    frame('windowUpdate', { stream: 5, length: 4 }),
    'WINDOW_UPDATE of a stream that does not exist',
  ],
  ['with a window of 3 bytes', frame('windowUpdate', { length: 3 }), 'a frame of the wrong size'],
  ['with two settings', frame('settings', { length: 12 }), undefined],
  ['with half a setting', frame('settings', { length: 9 }), 'a frame of the wrong size'],
  ['that acknowledges', frame('settings', { flags: Flag.ack }), undefined],
  [
    'that acknowledges too much',
    frame('settings', { flags: Flag.ack, length: 6 }),
    'a frame of the wrong size',
  ],
  ['with settings of a call', frame('settings', { stream: 3 }), 'a frame of the connection on a stream'],
  ['that pings', frame('ping', { length: 8 }), undefined],
  ['that pings in 7 bytes', frame('ping', { length: 7 }), 'a frame of the wrong size'],
  ['that pings a call', frame('ping', { stream: 3, length: 8 }), 'a frame of the connection on a stream'],
  ['that says good-bye', frame('goaway', { length: 8 }), undefined],
  ['that says more', frame('goaway', { length: 9 }), undefined],
  ['that says less', frame('goaway', { length: 7 }), 'a frame of the wrong size'],
  [
    'that says good-bye to a call',
    frame('goaway', { stream: 3, length: 8 }),
    'a frame of the connection on a stream',
  ],
  ['with a priority', frame('priority', { stream: 9, length: 5 }), undefined],
  ['with half a priority', frame('priority', { stream: 9, length: 4 }), 'a frame of the wrong size'],
  ['that promises', frame('pushPromise', { stream: 3 }), 'PUSH_PROMISE from a client'],
  // Unknown types are to be ignored (RFC 9113, 4.1).
  ['of an unknown type', { type: 0x20, flags: 0, length: 1, stream: 8 }, undefined],
])('a frame %s', (_, last, expected) => expect(check(SETTINGS, call(1), call(3), last)).toBe(expected));
