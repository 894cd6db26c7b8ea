import fc from 'fast-check';
import { expect, it } from 'vitest';
import { contains, outermost } from './ipv4.js';

const address = fc
  .integer({ min: 0, max: 0xffff_ffff })
  .map((bits) => [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.'));
const cidr = fc.tuple(address, fc.integer({ min: 0, max: 32 })).map(([text, length]) => `${text}/${length}`);

it.each([
  ['10.96.0.0/12', '10.96.0.0', true],
  ['10.96.0.0/12', '10.111.255.255', true],
  ['10.96.0.0/12', '10.112.0.0', false],
  ['10.96.5.7/24', '10.96.5.1', true],
  ['0.0.0.0/0', '255.255.255.255', true],
  ['192.0.2.1/32', '192.0.2.1', true],
  ['192.0.2.1/32', '192.0.2.2', false],
  ['fd00::/8', '10.0.0.1', false],
  ['10.0.0.0', '10.0.0.0', false],
])('%s has %s: %s', (range, text, expected) => {
  expect(contains(range, text)).toBe(expected);
});

it('the outermost ranges have the same addresses, and none twice', () => {
  fc.assert(
    fc.property(fc.array(cidr, { maxLength: 8 }), address, (ranges, text) => {
      const outer = outermost(ranges);
      expect(outer.filter((range) => contains(range, text)).length).toBe(
        ranges.some((range) => contains(range, text)) ? 1 : 0,
      );
    }),
  );
});
