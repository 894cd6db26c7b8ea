import { Cell } from '@infra-offload/reconciler';
import type { ToyRow } from '@infra-offload/reconciler/testing';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { RetrySchedule } from './retry.js';

let due: (readonly (readonly [number, string | number])[])[];
let retries: RetrySchedule<ToyRow>;
let started: number;
beforeEach(() => {
  vi.useFakeTimers();
  due = [];
  started = performance.now();
  retries = new RetrySchedule(1_000, (cells) =>
    due.push(cells.map(({ key }) => [performance.now() - started, key] as const)),
  );
});
afterEach(() => {
  retries.clear();
  vi.useRealTimers();
});

function failed(key: string, attempts?: number): Cell<ToyRow> {
  const cell = new Cell<ToyRow>(key);
  if (attempts !== undefined) cell.failure = { reason: 'WriteFailed', message: '', attempts };
  return cell;
}

describe('retries', () => {
  it('come after 100 ms, and twice as long each time up to the limit', () => {
    retries.add(failed('first'));
    for (const attempts of [1, 2, 3, 4, 5, 50, 2_000]) retries.add(failed(`${attempts}`, attempts));
    vi.advanceTimersByTime(60_000);
    expect(due).toEqual([
      [
        [100, 'first'],
        [100, '1'],
      ],
      [[200, '2']],
      [[400, '3']],
      [[800, '4']],
      [
        [1_000, '5'],
        [1_000, '50'],
        [1_000, '2000'],
      ],
    ]);
  });

  it('of one delay come in order, each when it is time, also those that were added meanwhile', () => {
    retries.add(failed('a'));
    vi.advanceTimersByTime(60);
    retries.add(failed('b'));
    retries.add(failed('c', 2));
    vi.advanceTimersByTime(39);
    expect(due).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(due).toEqual([[[100, 'a']]]);
    vi.advanceTimersByTime(160);
    expect(due.slice(1)).toEqual([[[160, 'b']], [[260, 'c']]]);
    vi.advanceTimersByTime(10_000);
    expect(due).toHaveLength(3);
  });

  it('that are cleared do not come, and others do afterwards', () => {
    retries.add(failed('a'));
    retries.clear();
    vi.advanceTimersByTime(10_000);
    expect(due).toEqual([]);
    retries.add(failed('b'));
    vi.advanceTimersByTime(100);
    expect(due.flat().map(([, key]) => key)).toEqual(['b']);
  });
});
