import { ipv4, ipv4Prefix, parseIPv4Prefix, prefixContains } from '@infra-offload/net';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { outermost } from './outermost.js';

const address = fc.integer({ min: 0, max: 0xffff_ffff }).map((value) => ipv4(value));
const cidr = fc
  .tuple(fc.integer({ min: 0, max: 0xff }), fc.integer({ min: 0, max: 32 }))
  .map(([first, length]) => `${first}.0.0.0/${length}`);

it('the outermost ranges have the same addresses, and none twice', () => {
  fc.assert(
    fc.property(fc.array(cidr, { maxLength: 8 }), address, (ranges, inner) => {
      const having = (texts: readonly string[]) =>
        texts.filter((text) => prefixContains(parseIPv4Prefix(text) ?? ipv4Prefix(ipv4(0), 32), inner));
      expect(having(outermost(ranges))).toHaveLength(having(ranges).length > 0 ? 1 : 0);
    }),
  );
});

it('other ranges than those of IPv4 are left out', () => {
  expect(outermost(['fd00::/8', '10.1.0.0/16', 'x', '10.0.0.0/8'])).toEqual(['10.0.0.0/8']);
});
