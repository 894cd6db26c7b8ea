import { syncBuiltinESMExports } from 'node:module';
import timers from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Backoff } from './backoff.js';

const sleep = vi.fn((_ms?: number) => Promise.resolve());

beforeEach(() => {
  sleep.mockClear();
  vi.spyOn(timers, 'setTimeout').mockImplementation(sleep as typeof timers.setTimeout);
  syncBuiltinESMExports();
  vi.spyOn(Math, 'random').mockReturnValue(0.5);
});
afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

const waits = () => sleep.mock.calls.map(([ms]) => ms);
const { signal } = new AbortController();

describe('Backoff', () => {
  it('comes back at once, then doubles its limit until the largest, and begins again after a success', async () => {
    const backoff = new Backoff({ baseMs: 100, maxMs: 500 });
    for (let i = 0; i < 6; i++) await backoff.wait(signal);
    backoff.reset();
    await backoff.wait(signal);
    expect(waits()).toEqual([0, 50, 100, 200, 250, 250, 0]);
  });

  it('adds to what the server asks for, up to five minutes', async () => {
    const backoff = new Backoff({ baseMs: 100, maxMs: 100 });
    await backoff.wait(signal, 7000);
    await backoff.wait(signal, 1e9);
    expect(waits()).toEqual([7000, 300_050]);
  });
});
