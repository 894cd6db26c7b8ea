import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodedLength, statusText } from './status-text.js';

const anyText = fc.string({
  unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
});

describe('statusText', () => {
  it('gives what encodeURI takes, within its limit, whatever comes', () => {
    fc.assert(
      fc.property(fc.oneof(anyText, fc.string()), fc.nat(60), (text, most) => {
        const short = statusText(text, most);
        expect(encodeURI(short).length).toBeLessThanOrEqual(most);
        expect(encodeURI(short)).toHaveLength(encodedLength(short));
        if (encodedLength(text) <= most) expect(encodeURI(short)).toHaveLength(encodedLength(text));
      }),
    );
  });

  it('cuts at a character', () => {
    expect(statusText('table é is full', 20)).toBe('table …');
    expect(statusText('ab😀😀', 14)).toBe('ab…');
    expect(statusText('short', 100)).toBe('short');
  });

  it('replaces half a surrogate pair', () => {
    expect(statusText('name \ud800', 100)).toBe('name \ufffd');
  });
});
