import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLoggers } from '../log.js';
import { FlowCutter } from './flow-cutter.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('many changes are one cut, and cuts keep their distance', () => {
  const cuts: number[] = [];
  const start = performance.now();
  const { target } = createLoggers({ level: 'silent', modules: {} });
  const cutter = new FlowCutter(() => cuts.push(performance.now() - start), target);
  for (let i = 0; i < 10; i++) cutter.request();
  vi.advanceTimersByTime(499);
  expect(cuts).toEqual([]);
  vi.advanceTimersByTime(101);
  cutter.request();
  vi.advanceTimersByTime(60_000);
  expect(cuts).toEqual([500, 5500]);
  cutter.request();
  cutter.stop();
  vi.advanceTimersByTime(60_000);
  expect(cuts.length).toBe(2);
});
