import { expect, it } from 'vitest';
import { Backoff, type BackoffOptions, longestDelayMs } from './backoff.js';

function delays(options: Partial<BackoffOptions>, count = 6): readonly number[] {
  const backoff = new Backoff({ initialMs: 100, maxMs: 500, random: () => 0, ...options });
  return Array.from({ length: count }, () => backoff.next());
}

it('doubles up to the limit', () => {
  expect(delays({})).toEqual([100, 200, 400, 500, 500, 500]);
  expect(delays({}, 2_000).at(-1)).toBe(500);
  expect(longestDelayMs({ initialMs: 100, maxMs: 500 }, 3)).toBe(400);
});

it('leaves half of each delay to chance, or as much as is asked for', () => {
  const random = () => 0.5;
  expect(delays({ random }, 3)).toEqual([75, 150, 300]);
  expect(delays({ random, jitter: 1 }, 3)).toEqual([50, 100, 200]);
  expect(delays({ random, jitter: 0 }, 3)).toEqual([100, 200, 400]);
});

it('comes back at once the first time, if so asked', () => {
  expect(delays({ firstAtOnce: true }, 4)).toEqual([0, 100, 200, 400]);
});

it('begins anew after a success', () => {
  const backoff = new Backoff({ initialMs: 100, maxMs: 500, jitter: 0 });
  expect([backoff.next(), backoff.next()]).toEqual([100, 200]);
  backoff.reset();
  expect(backoff.next()).toBe(100);
});

it('waits, and longer if the server asks for it', async () => {
  const backoff = new Backoff({ initialMs: 1, maxMs: 1, jitter: 0 });
  const begun = performance.now();
  await backoff.wait(new AbortController().signal, { addMs: 30 });
  expect(performance.now() - begun).toBeGreaterThanOrEqual(29);
});

it('stops waiting when aborted', async () => {
  const stop = new AbortController();
  const waiting = new Backoff({ initialMs: 1e9, maxMs: 1e9 }).wait(stop.signal, { ref: false });
  stop.abort();
  await waiting;
  await new Backoff({ initialMs: 1e9, maxMs: 1e9 }).wait(stop.signal);
});
