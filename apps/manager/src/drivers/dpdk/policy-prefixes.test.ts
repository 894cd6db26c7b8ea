import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fewestPrefixes, type Prefix, type Step } from './policy-prefixes.js';

const steps: fc.Arbitrary<Step[]> = fc
  .uniqueArray(fc.oneof(fc.nat(65_535), fc.constantFrom(1, 1024, 32_768, 65_535)), { maxLength: 8 })
  .chain((firsts) =>
    fc.tuple(
      fc.constant([0, ...firsts.filter((first) => first !== 0).sort((a, b) => a - b)]),
      fc.array(fc.bigInt(0n, 3n), { minLength: 9, maxLength: 9 }),
    ),
  )
  .map(([firsts, masks]) => firsts.map((first, i) => ({ first, mask: masks[i] ?? 0n })));

function lookUp(prefixes: readonly Prefix[], port: number, around: bigint): bigint {
  const found = prefixes.find(({ bits, length }) => port >>> (16 - length) === bits >>> (16 - length));
  return found === undefined ? around : lookUp(found.children, port, found.mask);
}

function count(prefixes: readonly Prefix[]): number {
  return prefixes.reduce((sum, { children }) => sum + 1 + count(children), 0);
}

describe('prefixes of ports', () => {
  it('property: their longest match is the function', () => {
    fc.assert(
      fc.property(steps, fc.bigInt(0n, 3n), (wanted, around) => {
        const prefixes = fewestPrefixes(wanted, around);
        for (const port of wanted.flatMap(({ first }) => [first - 1, first, first + 1])) {
          if (port < 0 || port > 65_535) continue;
          expect(lookUp(prefixes, port, around)).toBe(wanted.findLast(({ first }) => first <= port)?.mask);
        }
      }),
    );
  });

  it.each([
    ['nothing to say', [[0, 0n]], 0],
    ['everything', [[0, 1n]], 1],
    [
      'one port',
      [
        [0, 0n],
        [80, 1n],
        [81, 0n],
      ],
      1,
    ],
    [
      'all but one port',
      [
        [0, 1n],
        [80, 0n],
        [81, 1n],
      ],
      2,
    ],
    [
      '1024 and above: all but one prefix',
      [
        [0, 0n],
        [1024, 1n],
      ],
      2,
    ],
    [
      '1 to 65534, which is 30 prefixes without exceptions',
      [
        [0, 0n],
        [1, 1n],
        [65_535, 0n],
      ],
      3,
    ],
  ] as const)('%s', (_, wanted, size) => {
    const prefixes = fewestPrefixes(
      wanted.map(([first, mask]) => ({ first, mask })),
      0n,
    );
    expect(count(prefixes)).toBe(size);
  });
});
