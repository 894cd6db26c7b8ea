import { expect, it } from 'vitest';
import { Epochs } from './epochs.js';

it('epochs grow, with the time where they can', () => {
  let now = 10_900;
  const epochs = new Epochs(() => now);
  expect(epochs.next()).toBe(10);
  expect(epochs.next()).toBe(11);
  now = 20_000;
  expect(epochs.next()).toBe(20);
  epochs.seen(15);
  expect(epochs.next()).toBe(21);
  epochs.seen(1_000);
  expect(epochs.next()).toBe(1_001);
});

it('epochs begin at 1: 0 is that of a device that has never had one', () => {
  expect(new Epochs(() => 0).next()).toBe(1);
});
