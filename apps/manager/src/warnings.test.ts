import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ReasonCount } from './drivers/driver.js';
import { createLoggers } from './log.js';
import { Warnings } from './warnings.js';

const NOW = Date.parse('2026-01-02T03:04:05Z');
const { manager: logger } = createLoggers({ level: 'silent', modules: {} });

let full: number;
let denied: number;
let isAway: boolean;
let warnings: Warnings;
beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  [full, denied, isAway] = [100, 0, false];
  const drops = async (): Promise<ReasonCount[]> =>
    isAway
      ? []
      : [
          { reason: 5, text: 'denied by egress policy', packets: denied },
          { reason: 10, text: 'flow table full', warning: 'FlowTableFull', packets: full },
        ];
  warnings = new Warnings({ drops, logger });
});
afterEach(() => {
  warnings.stop();
  vi.restoreAllMocks();
  vi.useRealTimers();
});

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);

it('what was dropped before, or as it should be, is no warning', async () => {
  await pass(10_000);
  denied = 5;
  await pass(10_000);
  expect(warnings.current()).toEqual([]);
});

it('begins with what is dropped right after the target was ready', async () => {
  isAway = true;
  await pass(5_000);
  isAway = false;
  warnings.look();
  await pass(1);
  full += 3;
  await pass(5_000);
  expect(warnings.current()).toMatchObject([{ message: 'flow table full: 3 packets dropped' }]);
});

it('begins with the first packet, and ends a minute after the last; one line tells of each', async () => {
  const [warn, info] = [vi.spyOn(logger, 'warn'), vi.spyOn(logger, 'info')];
  await pass(5_000);
  full += 3;
  await pass(5_000);
  const [message, since] = ['flow table full: 3 packets dropped', NOW + 10_000];
  expect(warnings.current()).toEqual([{ reason: 'FlowTableFull', message, since }]);
  await pass(55_000);
  full += 4;
  await pass(60_000);
  expect(warnings.current()).toMatchObject([{ message: 'flow table full: 7 packets dropped', since }]);
  expect(info).not.toHaveBeenCalled();
  await pass(5_000);
  expect(warnings.current()).toEqual([]);
  const reason = 'FlowTableFull';
  expect(warn.mock.calls).toEqual([[{ reason, packets: 3 }, 'packets are dropped: flow table full']]);
  expect(info.mock.calls).toEqual([
    [{ reason, packets: 7 }, 'packets are no longer dropped: flow table full'],
  ]);
});

it('counts on when the program was begun anew, and waits for a target that is away', async () => {
  await pass(5_000);
  full = 2;
  await pass(5_000);
  expect(warnings.current()).toMatchObject([{ message: 'flow table full: 2 packets dropped' }]);
  isAway = true;
  await pass(300_000);
  expect(warnings.current()).toHaveLength(1);
  isAway = false;
  await pass(5_000);
  expect(warnings.current()).toEqual([]);
});

it('is also what others tell, until they have not told it for a minute', async () => {
  const info = vi.spyOn(logger, 'info');
  const tell = (pod: string, message: string) =>
    warnings.tell('PodFlowsExceeded', pod, 'too many flows', message);
  tell('pod a', '5 flows');
  tell('pod b', '6 flows');
  await pass(30_000);
  tell('pod a', '7 flows');
  const of = { reason: 'PodFlowsExceeded', since: NOW };
  expect(warnings.current()).toEqual([
    { ...of, message: '7 flows' },
    { ...of, message: '6 flows' },
  ]);
  await pass(30_000);
  expect(warnings.current()).toEqual([{ ...of, message: '7 flows' }]);
  expect(info.mock.calls).toEqual([[{ reason: 'PodFlowsExceeded' }, 'no longer: pod b: too many flows']]);
  await pass(30_000);
  expect(warnings.current()).toEqual([]);
});
