import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { printable } from './printable.js';

describe('printable', () => {
  it('leaves what can be seen', () => {
    expect(printable('CN=infra-agent, O=Ünïcode 節点')).toBe('CN=infra-agent, O=Ünïcode 節点');
  });

  it('writes out what cannot, and cuts', () => {
    expect(printable('a\n\u001b[2J\u202eb')).toBe('a\\u{a}\\u{1b}[2J\\u{202e}b');
    expect(printable('x'.repeat(1_000_000), 10)).toBe('xxxxxxxxxx… (1000000 characters)');
  });

  it('gives one line of bounded length, whatever it is given', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
        const shown = printable(text, 100);
        expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
        expect(shown.length).toBeLessThan(1_000);
        expect(() => encodeURI(shown)).not.toThrow();
      }),
      { numRuns: 50 },
    );
  });
});
