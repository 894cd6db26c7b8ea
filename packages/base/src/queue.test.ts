import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Queue } from './queue.js';

it('a queue gives back what it was given, in that order, whatever comes between', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.integer(), { nil: undefined }), { maxLength: 200 }), (steps) => {
      const queue = new Queue<number>();
      const model: number[] = [];
      for (const step of steps) {
        if (step === undefined) expect(queue.shift()).toBe(model.shift());
        else {
          queue.push(step);
          model.push(step);
        }
        expect(queue.size).toBe(model.length);
        expect(queue.peek()).toBe(model[0]);
      }
    }),
  );
});

it('a queue through which much has gone keeps nothing of it', () => {
  const queue = new Queue<number>();
  for (let i = 0; i < 10_000; i++) {
    queue.push(i);
    queue.push(-i);
    expect(queue.shift()).toBe(i % 2 === 0 ? i / 2 : -(i - 1) / 2);
  }
  expect(queue.size).toBe(10_000);
});

it('a queue goes on where it was when it has let go of what is through', () => {
  const queue = new Queue<number>();
  for (let i = 0; i < 3_000; i++) queue.push(i);
  for (let i = 0; i < 2_900; i++) expect(queue.shift()).toBe(i);
  queue.push(3_000);
  expect([queue.size, queue.peek()]).toEqual([101, 2_900]);
  for (let i = 2_900; i <= 3_000; i++) expect(queue.shift()).toBe(i);
  expect([queue.size, queue.shift()]).toEqual([0, undefined]);
});
