import { expect, it } from 'vitest';
import { Allowance } from './allowance.js';

it('an allowance is used up, and comes back with time, but never beyond what it was', () => {
  const allowance = new Allowance(2, 1, 0);
  expect([allowance.take(0), allowance.take(0), allowance.take(0)]).toEqual([true, true, false]);
  expect([allowance.take(999), allowance.take(1_000), allowance.take(1_000)]).toEqual([false, true, false]);
  expect([1, 2, 3].map(() => allowance.take(100_000))).toEqual([true, true, false]);
});

it('what is given back counts, up to what it was; more may be spent than there is', () => {
  const allowance = new Allowance(10, 0, 0);
  allowance.spend(12, 0);
  expect(allowance.left(0)).toBe(-2);
  allowance.earn(3);
  expect(allowance.left(0)).toBe(1);
  allowance.earn(100);
  expect(allowance.left(0)).toBe(10);
});
