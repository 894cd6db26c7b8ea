import { emptyGroupPlan, type GroupPlan } from '@infra-offload/lb-model';
import { ipv4 } from '@infra-offload/net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ObjectKey } from '../model/objects.js';
import { Drains } from './drains.js';

let due: (readonly ObjectKey[])[];
let drains: Drains;
beforeEach(() => {
  vi.useFakeTimers({ now: 1_000 });
  due = [];
  drains = new Drains(Date.now, (services) => void due.push(services));
});
afterEach(() => {
  drains.stop();
  vi.useRealTimers();
});

/** A plan with draining slots until then. */
function plan(...until: readonly number[]): GroupPlan {
  const slot = (number: number) => ({ slot: number, address: ipv4(`10.0.0.${number}`), port: 80, since: 0 });
  const draining = until.map((at, i) => ({ ...slot(i + 2), state: 'draining' as const, until: at }));
  return { ...emptyGroupPlan('a', 255), slots: [{ ...slot(1), state: 'active', weight: 1 }, ...draining] };
}

describe('drains', () => {
  it('are due when the first of a service is over', () => {
    drains.note('service/a', plan(1_500, 1_200, 1_900));
    drains.note('service/b', plan(1_700));
    expect(drains.keys()).toEqual(['service/a', 'service/b']);
    vi.advanceTimersByTime(199);
    expect(due).toEqual([]);
    vi.advanceTimersByTime(1);
    expect(due).toEqual([['service/a']]);
    // Whoever is told notes what is left.
    drains.note('service/a', plan(1_500, 1_900));
    vi.advanceTimersByTime(300);
    expect(due).toEqual([['service/a'], ['service/a']]);
    drains.note('service/a', undefined);
    vi.advanceTimersByTime(200);
    expect(due.at(-1)).toEqual(['service/b']);
  });

  it('that are over at the same time are told together, and a sooner one comes first', () => {
    drains.note('service/a', plan(3_000));
    drains.note('service/b', plan(2_000));
    drains.note('service/c', plan(2_000));
    vi.advanceTimersByTime(1_000);
    expect(due).toEqual([['service/b', 'service/c']]);
  });

  it('of a service without draining slots are none', () => {
    drains.note('service/a', plan(2_000));
    drains.note('service/a', plan());
    expect(drains.keys()).toEqual([]);
    vi.advanceTimersByTime(10_000);
    expect(due.flat()).toEqual([]);
  });

  it('that are over already are due at once, and those of next month are not due now', () => {
    drains.note('service/late', plan(1_000 + 40 * 86_400_000));
    drains.note('service/a', plan(500));
    vi.advanceTimersByTime(1);
    expect(due).toEqual([['service/a']]);
    drains.note('service/a', undefined);
    vi.advanceTimersByTime(39 * 86_400_000);
    expect(due.flat()).not.toContain('service/late');
    vi.advanceTimersByTime(86_400_000);
    expect(due.flat()).toContain('service/late');
  });

  it('are over with the end of the manager', () => {
    drains.note('service/a', plan(2_000));
    drains.stop();
    vi.advanceTimersByTime(10_000);
    expect(due).toEqual([]);
    expect(drains.keys()).toEqual([]);
  });

  it('do not keep a process alive', () => {
    vi.useRealTimers();
    const unref = vi.spyOn(Object.getPrototypeOf(setTimeout(() => undefined, 0)), 'unref');
    const real = new Drains(Date.now, () => undefined);
    real.note('service/a', plan(Date.now() + 60_000));
    expect(unref).toHaveBeenCalled();
    real.stop();
    unref.mockRestore();
  });
});
