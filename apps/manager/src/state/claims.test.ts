import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { ObjectKey } from '../model/objects.js';
import { Claims } from './claims.js';

const claim = (key: string) => ({ key, what: key, reason: 'AddressConflict' as const });
const a: ObjectKey = 'pod/a';
const b: ObjectKey = 'pod/b';
const c: ObjectKey = 'pod/c';

it('the first claimant holds, the next inherits', () => {
  const claims = new Claims();
  claims.set(a, [claim('x'), claim('y')]);
  expect(claims.set(b, [claim('x')])).toEqual(new Set());
  claims.set(c, [claim('x')]);
  expect(claims.holder('x', b)).toBe(a);
  expect(claims.holder('x', a)).toBeUndefined();
  expect(claims.set(a, [claim('y')])).toEqual(new Set([b]));
  expect(claims.holder('x', c)).toBe(b);
  expect(claims.set(c, [])).toEqual(new Set());
  expect(claims.set(b, [])).toEqual(new Set());
  expect(claims.holder('x', a)).toBeUndefined();
});

it('property: what is claimed is held by exactly one claimant, who keeps it until letting go', () => {
  const objects: readonly ObjectKey[] = [a, b, c];
  const step = fc.record({ who: fc.nat(2), keys: fc.uniqueArray(fc.constantFrom('x', 'y', 'z')) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const claims = new Claims();
      const wanted = new Map<ObjectKey, readonly string[]>();
      const holders = new Map<string, ObjectKey>();
      for (const { who, keys } of steps) {
        const object = objects[who] ?? a;
        const promoted = claims.set(object, keys.map(claim));
        wanted.set(object, keys);
        for (const key of ['x', 'y', 'z']) {
          const claimants = objects.filter((one) => wanted.get(one)?.includes(key));
          const holding = claimants.filter((one) => claims.holder(key, one) === undefined);
          expect(holding.length).toBe(Math.min(claimants.length, 1));
          const before = holders.get(key);
          const [now] = holding;
          if (before !== undefined && claimants.includes(before)) expect(now).toBe(before);
          else if (before !== undefined && now !== undefined && now !== object)
            expect(promoted).toContain(now);
          if (now === undefined) holders.delete(key);
          else holders.set(key, now);
        }
      }
    }),
  );
});
