import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLoggers } from './log.js';
import { Readiness, type ReadinessSources } from './readiness.js';
import type { StorageProblem } from './state/log-file.js';
import type { TargetState } from './target/connection.js';

const NOW = Date.parse('2026-01-02T03:04:05Z');

let target: TargetState;
let storage: StorageProblem | undefined;
let awaitsSnapshot: boolean;
let certificate: { problem: string | undefined; isValid: boolean };
let readiness: Readiness;
let serving: boolean[];
beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  target = { kind: 'ready', lacks: [] };
  storage = undefined;
  awaitsSnapshot = false;
  certificate = { problem: undefined, isValid: true };
  serving = [];
  const sources: ReadinessSources = {
    targetAddress: 'localhost:9559',
    targetState: () => target,
    certificates: [certificate],
    storage: () => storage,
    recovery: {
      get awaitsSnapshot() {
        return awaitsSnapshot;
      },
    },
    logger: createLoggers({ level: 'silent', modules: {} }).manager,
  };
  readiness = new Readiness(sources, (isServing) => serving.push(isServing));
});
afterEach(() => {
  readiness.stop();
  vi.useRealTimers();
});

describe('Readiness', () => {
  it('is ready when nothing is wrong', () => {
    expect(readiness.describe()).toBeUndefined();
    expect(serving).toEqual([true]);
  });

  it('says since when the target is away, also while the reason changes', () => {
    target = { kind: 'connecting', lastError: 'refused' };
    readiness.refresh();
    vi.advanceTimersByTime(5_000);
    target = { kind: 'connecting', lastError: 'timed out' };
    expect(readiness.describe()).toBe(
      'target localhost:9559 is away: timed out (since 2026-01-02T03:04:05.000Z)',
    );
    target = { kind: 'ready', lacks: [] };
    expect(readiness.describe()).toBeUndefined();
    vi.advanceTimersByTime(1_000);
    target = { kind: 'connecting', lastError: 'refused' };
    expect(readiness.problems()).toMatchObject([{ reason: 'TargetAway', since: NOW + 6_000 }]);
    readiness.refresh();
    expect(serving).toEqual([true, false, true, false]);
  });

  it('state that cannot be stored, or was lost, concerns no calls', () => {
    storage = { since: NOW - 60_000, reason: 'ENOSPC: no space left on device, write' };
    awaitsSnapshot = true;
    readiness.refresh();
    expect(readiness.problems()).toMatchObject([
      { reason: 'StateNotStorable', since: NOW - 60_000, message: expect.stringContaining('ENOSPC') },
      { reason: 'SnapshotAwaited' },
    ]);
    expect(serving).toEqual([true]);
  });

  it('a certificate that is not valid now ends the service; files that cannot be used do not', () => {
    certificate.problem = 'tls.crt: the key is another one; the last good certificate stays in use';
    readiness.refresh();
    expect(readiness.problems()).toMatchObject([{ reason: 'CertificateInvalid' }]);
    expect(serving).toEqual([true]);
    certificate.problem = 'tls.crt: the certificate in use expired on 2026-01-02T03:04:04Z';
    certificate.isValid = false;
    // Nobody tells: it is looked at.
    vi.advanceTimersByTime(1_000);
    expect(serving).toEqual([true, false]);
  });
});
