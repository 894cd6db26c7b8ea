import { expect, it } from 'vitest';
import { Random } from '../random.js';
import { wireMessage } from './wire-message.js';

it('gives the same bytes for the same seed, of every kind and not too long', () => {
  const of = (seed: number) => {
    const random = new Random(seed);
    return Array.from({ length: 200 }, () => wireMessage(random, 64));
  };
  expect(of(1)).toEqual(of(1));
  expect(of(1)).not.toEqual(of(2));
  const lengths = new Set(of(3).map(({ length }) => length));
  expect(lengths.size).toBeGreaterThan(20);
  expect(lengths).toContain(0);
});
