import { describe, expect, it } from 'vitest';
import type { Remark } from '../model/condition.js';
import { aPod } from '../testing/core.js';
import { Entry, sameStatus, statusOf } from './entry.js';

const condition = (severity: Remark['severity'], i = 1): Remark => ({
  severity,
  reason: `Reason${i}`,
  message: `message ${i}`,
});

function statusWith(
  conditions: readonly Remark[],
  change: (entry: Entry<unknown>) => void = () => undefined,
) {
  const entry = new Entry<unknown>('pod/a');
  entry.object = aPod(1);
  entry.conditions = conditions;
  change(entry);
  return statusOf(entry, true, () => undefined);
}

describe('a status', () => {
  it('begins as pending', () => {
    expect(new Entry('pod/a').status).toEqual({ state: 'pending', reason: '', message: '' });
  });

  it('is of the gravest condition, with the messages of all that are as grave', () => {
    const all = [
      condition('note', 1),
      condition('pending', 2),
      condition('degraded', 3),
      condition('degraded', 4),
    ];
    expect(statusWith(all)).toEqual({
      state: 'degraded',
      reason: 'Reason3',
      message: 'message 3; message 4',
    });
    expect(statusWith(all.slice(0, 2))).toEqual({
      state: 'pending',
      reason: 'Reason2',
      message: 'message 2',
    });
    expect(statusWith(all.slice(0, 1))).toEqual({
      state: 'programmed',
      reason: 'Reason1',
      message: 'message 1',
    });
    expect(statusWith([])).toEqual({ state: 'programmed', reason: '', message: '' });
  });

  it('spells out three, and counts the others', () => {
    const conditions = (count: number) => Array.from({ length: count }, (_, i) => condition('degraded', i));
    expect(statusWith(conditions(3)).message).toBe('message 0; message 1; message 2');
    expect(statusWith(conditions(5)).message).toBe('message 0; message 1; message 2; and 2 more');
  });

  it('of what was refused says whether an older version stays', () => {
    const refused = (entry: Entry<unknown>) => {
      entry.invalid = 'no sense';
    };
    expect(statusWith([], refused).message).toBe('no sense; the version before it stays in force');
    const never = (entry: Entry<unknown>) => {
      refused(entry);
      entry.object = undefined;
    };
    expect(statusWith([], never)).toEqual({
      state: 'degraded',
      reason: 'ObjectInvalid',
      message: 'no sense',
    });
  });

  it('waits for what moves, also if something else has failed', () => {
    const moving = (entry: Entry<unknown>) => {
      entry.owner.moving = 1;
      entry.owner.failed = 1;
    };
    expect(statusWith([condition('degraded')], moving)).toMatchObject({ state: 'pending', reason: '' });
  });

  it('is the same if it says the same', () => {
    const status = statusWith([condition('note')]);
    expect(sameStatus(status, { ...status })).toBe(true);
    expect(sameStatus(status, { ...status, state: 'pending' })).toBe(false);
    expect(sameStatus(status, { ...status, reason: '' })).toBe(false);
    expect(sameStatus(status, { ...status, message: '' })).toBe(false);
  });
});
