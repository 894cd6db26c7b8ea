import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { DEFAULT_TIMING } from './timing.js';

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8').replaceAll(/\s+/g, ' ');

it('the README tells how long things may take', () => {
  const { answerMs, listSilenceMs, watchSeconds, watchSilenceMs, healthyMs, absentMs, refusalMs, backoff } =
    DEFAULT_TIMING;
  const seconds = (ms: number) => `${ms / 1000} s`;
  const minutes = (ms: number) => `${ms / 60_000} minutes`;
  for (const text of [
    `with bookmarks, for ${watchSeconds / 60} to ${(2 * watchSeconds) / 60} minutes`,
    `no bytes for ${seconds(watchSilenceMs)}, although bookmarks come every minute`,
    `An answer must begin within ${seconds(answerMs)}`,
    `a random time of up to ${seconds(backoff.initialMs)}, doubling up to ${seconds(backoff.maxMs)}`,
    `are reported only after ${seconds(refusalMs)}`,
    `it is requested again every ${minutes(absentMs)}`,
  ])
    expect(readme).toContain(text);
  // A list is sent at once: as long as until it begins.
  expect(listSilenceMs).toBe(answerMs);
  expect(healthyMs).toBeGreaterThanOrEqual(backoff.maxMs);
});
