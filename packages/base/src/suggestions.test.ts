import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { didYouMean, listNames, nearestNames, suggestion } from './suggestions.js';

describe('nearestNames', () => {
  it.each([
    ['a letter too few', 'servce', ['service', 'port'], ['service']],
    ['a letter too many', 'fixeed', ['fixed'], ['fixed']],
    ['another letter', 'selectir', ['selector'], ['selector']],
    ['swapped letters', 'dts', ['dst', 'src'], ['dst']],
    ['another case', 'dstaddr', ['dstAddr', 'dstAddx'], ['dstAddr', 'dstAddx']],
    ['another qualifier', 'service', ['ingress.service'], ['ingress.service']],
    ['the beginning', 'managerAddr', ['managerAddress'], ['managerAddress']],
    ['more than the name', 'managerAddresses', ['managerAddress'], ['managerAddress']],
    ['a short name', 'ab', ['a', 'xy', 'abcdef'], ['a']],
    ['one letter', 'q', ['r', 's'], []],
    ['nothing near', 'drop', ['service', 'forward'], []],
    ['many that are near', 'port1', ['port5', 'port4', 'port3', 'port2'], ['port2', 'port3', 'port4']],
    ['one that is there twice', 'prt', ['port', 'port'], ['port']],
  ])('finds what was meant: %s', (_, wanted, names, nearest) => {
    expect(nearestNames(wanted, names)).toEqual(nearest);
  });

  it('finds a name with one slip in it', () => {
    const name = fc.stringMatching(/^[a-z_]{6,30}$/);
    fc.assert(
      fc.property(name, fc.nat(), fc.constantFrom('', 'x', '__'), (meant, place, slip) => {
        const at = place % meant.length;
        const wanted = meant.slice(0, at) + slip + meant.slice(at + 1);
        expect(nearestNames(wanted, [meant])).toEqual([meant]);
      }),
    );
  });

  it('does not compare what is longer than any name', () => {
    expect(nearestNames('a'.repeat(100_000), ['b'.repeat(100_000)])).toEqual([]);
  });
});

it('says what may have been meant, or what there is', () => {
  expect(didYouMean('servce', ['service', 'port'])).toBe("did you mean 'service'?");
  expect(didYouMean('port1', ['port2', 'port3'])).toBe("did you mean 'port2' or 'port3'?");
  expect(didYouMean('drop', new Set(['service', 'port']))).toBe("there are 'service', 'port'");
  expect(suggestion('drop', ['service'])).toBeUndefined();
  expect(listNames([])).toBe('there are none');
  expect(listNames(['a'])).toBe("there is 'a'");
  expect(listNames(Array.from({ length: 14 }, (_, i) => `${i}`))).toMatch(/'11' and 2 more$/);
});
