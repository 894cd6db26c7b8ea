import { expect, it } from 'vitest';
import { RunningTotal } from './running-total.js';

it('adds up counters that come, go and start anew', () => {
  const total = new RunningTotal();
  const after = (readings: Record<number, number>) =>
    total.after(new Map(Object.entries(readings).map(([index, value]) => [BigInt(index), BigInt(value)])));

  expect(after({})).toBe(0n);
  expect(after({ 1: 5, 2: 7 })).toBe(12n);
  expect(after({ 1: 6, 2: 7 })).toBe(13n);
  expect(after({ 1: 8 })).toBe(15n);
  // The number of the one that had gone belongs to another one, which counts from 0.
  expect(after({ 1: 8, 2: 3 })).toBe(18n);
  expect(after({ 1: 2, 2: 1 })).toBe(21n);
});
