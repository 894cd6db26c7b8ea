import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LineSplitter } from './json-lines.js';

describe('LineSplitter', () => {
  it('gives the lines of a text, however its bytes are cut', () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => JSON.stringify(text));
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.integer({ min: 1, max: 9 })), (lines, sizes) => {
        const bytes = Buffer.from(lines.map((text) => `${text}\n`).join(''));
        const splitter = new LineSplitter(1000);
        const got: string[] = [];
        for (let start = 0, i = 0; start < bytes.length; i++) {
          const size = sizes[i] ?? 3;
          got.push(...splitter.push(bytes.subarray(start, start + size)));
          start += size;
        }
        expect(got).toEqual(lines);
        expect(splitter.pending).toBe(0);
      }),
    );
  });

  it('tells what is there of a line without an end, and leaves out empty lines', () => {
    const splitter = new LineSplitter(10);
    expect([...splitter.push(Buffer.from('\r\n\n12\r\n345'))]).toEqual(['12']);
    expect(splitter.pending).toBe(3);
  });

  it('refuses a line that is too long, in one piece or in several', () => {
    expect(() => [...new LineSplitter(3).push(Buffer.from('1234\n'))]).toThrow('more than 3 bytes');
    const splitter = new LineSplitter(3);
    expect([...splitter.push(Buffer.from('123\n12'))]).toEqual(['123']);
    expect(() => [...splitter.push(Buffer.from('34'))]).toThrow(RangeError);
  });
});
