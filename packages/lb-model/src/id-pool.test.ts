import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LbModelError } from './errors.js';
import { IdPool } from './id-pool.js';

const options = { min: 1, max: 4, restMs: 100 };

function ids(pool: IdPool, count: number, now = 0): number[] {
  return Array.from({ length: count }, () => {
    const allocation = pool.allocate({ now });
    if (!allocation.ok) throw new Error('exhausted');
    return allocation.id;
  });
}

describe('IdPool', () => {
  it('hands out unused ids in ascending order, then the one that has rested longest', () => {
    const pool = new IdPool(options);
    expect(ids(pool, 3)).toEqual([1, 2, 3]);
    pool.release(2, 10);
    pool.release(1, 20);
    expect(ids(pool, 3, 500)).toEqual([4, 2, 1]);
  });

  it('says when an id will be ready instead of handing out one that has not rested', () => {
    const pool = new IdPool(options);
    ids(pool, 4);
    expect(pool.allocate({ now: 0 })).toEqual({ ok: false, reason: 'exhausted', retryAt: undefined });
    pool.release(3, 1000);
    expect(pool.allocate({ now: 1099 })).toEqual({ ok: false, reason: 'exhausted', retryAt: 1100 });
    expect(pool.allocate({ now: 1100 })).toEqual({ ok: true, id: 3, rested: true });
  });

  it('hands out the longest resting id before its time only if allowed, and says so', () => {
    const pool = new IdPool(options);
    ids(pool, 4);
    pool.release(4, 1000);
    pool.release(2, 1001);
    expect(pool.allocate({ now: 1002, allowUnrested: true })).toEqual({ ok: true, id: 4, rested: false });
  });

  it('gives the preferred id if it is free and rested, else another', () => {
    const pool = new IdPool(options);
    expect(pool.allocate({ now: 0, prefer: 3 })).toMatchObject({ id: 3 });
    expect(pool.allocate({ now: 0, prefer: 3 })).toMatchObject({ id: 1 });
    pool.release(3, 0);
    expect(pool.allocate({ now: 99, prefer: 3 })).toMatchObject({ id: 2 });
    expect(pool.allocate({ now: 100, prefer: 3 })).toMatchObject({ id: 3 });
    expect(pool.allocate({ now: 100, prefer: 77 })).toMatchObject({ id: 4 });
  });

  it('reserves exactly the id that is asked for, also while it rests, but never twice', () => {
    const pool = new IdPool(options);
    expect(pool.reserve(2)).toBe(true);
    expect(pool.reserve(2)).toBe(false);
    pool.release(2, 0);
    expect(pool.reserve(2)).toBe(true);
    expect(ids(pool, 3)).toEqual([1, 3, 4]);
    expect(pool.available).toBe(0);
  });

  it('starts the rest anew when the clock was set back, rather than waiting for the old time', () => {
    const pool = new IdPool({ min: 1, max: 1, restMs: 100 });
    ids(pool, 1, 1_000_000);
    pool.release(1, 1_000_000);
    expect(pool.allocate({ now: 5 })).toEqual({ ok: false, reason: 'exhausted', retryAt: 105 });
    expect(pool.allocate({ now: 105 })).toMatchObject({ ok: true, id: 1 });
  });

  it('after a restart, lets an id rest from now at the latest', () => {
    const pool = IdPool.restore(options, { inUse: [], resting: [[3, 1_000_000]] }, 50);
    expect(pool.allocate({ now: 149, prefer: 3 })).toMatchObject({ id: 1 });
    expect(pool.allocate({ now: 150, prefer: 3 })).toMatchObject({ id: 3 });
  });

  it('stores ids in use as ranges', () => {
    const pool = new IdPool({ min: 0, max: 99, restMs: 100 });
    ids(pool, 10);
    pool.release(4, 7);
    expect(pool.state()).toEqual({
      inUse: [
        [0, 3],
        [5, 9],
      ],
      resting: [[4, 7]],
    });
  });

  it.each([
    ['a range upside down', { inUse: [[3, 2]], resting: [] }],
    ['an id outside', { inUse: [[4, 5]], resting: [] }],
    [
      'an id twice in use',
      {
        inUse: [
          [1, 2],
          [2, 3],
        ],
        resting: [],
      },
    ],
    ['an id in use and resting', { inUse: [[1, 2]], resting: [[2, 0]] }],
    [
      'a resting id twice',
      {
        inUse: [],
        resting: [
          [2, 0],
          [2, 1],
        ],
      },
    ],
    ['something else than an id', { inUse: [[1.5, 2.5]], resting: [] }],
  ] as const)('refuses stored state with %s', (_, state) => {
    expect(() => IdPool.restore(options, state, 0)).toThrow(
      expect.objectContaining({ name: 'LbModelError', code: 'INVALID_STATE' }),
    );
  });

  it('refuses nonsense', () => {
    expect(() => new IdPool({ min: 5, max: 4, restMs: 0 })).toThrow(LbModelError);
    expect(() => new IdPool({ min: 0, max: 4, restMs: Number.NaN })).toThrow(LbModelError);
    expect(() => new IdPool(options).release(1, 0)).toThrow('id 1 was released but is not in use');
    expect(() => new IdPool(options).reserve(5)).toThrow('id 5 is not in 1 to 4');
  });

  it('never has an id in use twice, never hands one out before its rest, and survives being stored', () => {
    const command = fc.oneof(
      fc.record({
        type: fc.constant('allocate' as const),
        prefer: fc.option(fc.integer({ min: 1, max: 4 }), { nil: undefined }),
      }),
      fc.record({ type: fc.constant('release' as const), pick: fc.nat() }),
      fc.record({ type: fc.constant('reserve' as const), id: fc.integer({ min: 1, max: 4 }) }),
      fc.record({ type: fc.constant('wait' as const), ms: fc.integer({ min: 0, max: 80 }) }),
      fc.record({ type: fc.constant('restart' as const) }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const limits = { min: 1, max: 4, restMs: 100 };
        let pool = new IdPool(limits);
        let now = 0;
        const inUse = new Set<number>();
        const releasedAt = new Map<number, number>();
        for (const step of commands) {
          if (step.type === 'wait') now += step.ms;
          else if (step.type === 'restart') {
            pool = IdPool.restore(limits, JSON.parse(JSON.stringify(pool.state())), now);
          } else if (step.type === 'reserve') {
            expect(pool.reserve(step.id)).toBe(!inUse.has(step.id));
            inUse.add(step.id);
          } else if (step.type === 'release') {
            const id = [...inUse][step.pick % Math.max(inUse.size, 1)];
            if (id === undefined) continue;
            pool.release(id, now);
            inUse.delete(id);
            releasedAt.delete(id);
            releasedAt.set(id, now);
          } else {
            const allocation = pool.allocate({ now, ...(step.prefer ? { prefer: step.prefer } : {}) });
            const ready = [1, 2, 3, 4].filter(
              (id) => !inUse.has(id) && (releasedAt.get(id) ?? -100) + 100 <= now,
            );
            expect(allocation.ok).toBe(ready.length > 0);
            if (!allocation.ok) continue;
            expect(ready).toContain(allocation.id);
            if (step.prefer !== undefined && ready.includes(step.prefer))
              expect(allocation.id).toBe(step.prefer);
            inUse.add(allocation.id);
          }
          expect(pool.state().resting).toEqual([...releasedAt].filter(([id]) => !inUse.has(id)));
          expect(pool.used).toBe(inUse.size);
          for (const id of inUse) expect(pool.isInUse(id)).toBe(true);
        }
      }),
    );
  });
});
