import { ipv4 } from '@infra-offload/net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketSlots, NO_SLOT } from './bucket-slots.js';
import { emptyGroupPlan, planGroup } from './group-plan.js';

const options = { now: 0, drainMs: 0, restMs: 1000, maxActive: 64 };
const plan = (before: ReturnType<typeof emptyGroupPlan>, endpoints: number) =>
  planGroup(
    before,
    {
      key: 'web',
      endpoints: Array.from({ length: endpoints }, (_, i) => ({ address: ipv4(i), port: 80, weight: 1 })),
    },
    options,
  );

describe('bucketSlots', () => {
  it('has no slot without endpoints, and takes up again from there', () => {
    const empty = emptyGroupPlan('web', 128);
    const none = bucketSlots(empty, 64);
    expect(new Set(none)).toEqual(new Set([NO_SLOT]));
    expect(new Set(bucketSlots(plan(empty, 3), 64, none))).toEqual(new Set([1, 2, 3]));
  });

  it('property: as even as can be, and an endpoint that comes or goes moves its own buckets only', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 64 }), { minLength: 1, maxLength: 12 }), (sizes) => {
        let now = emptyGroupPlan('web', 1024);
        let buckets = bucketSlots(now, 64);
        for (const size of sizes) {
          const before = buckets;
          now = plan(now, size);
          buckets = bucketSlots(now, 64, before);
          const active = now.slots.filter((slot) => slot.state === 'active').map((slot) => slot.slot);
          expect(active).toHaveLength(size);
          const shares = active.map((slot) => buckets.filter((other) => other === slot).length);
          if (size > 0) expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
          expect(shares.reduce((sum, share) => sum + share, 0)).toBe(size === 0 ? 0 : 64);
          const again = bucketSlots(now, 64, buckets);
          expect(again).toEqual(buckets);
        }
      }),
      { numRuns: 200 },
    );
  });

  it.each([2, 3, 10, 63, 64])('with %i endpoints, one that goes moves what it had', (size) => {
    const all = plan(emptyGroupPlan('web', 1024), size);
    const before = bucketSlots(all, 64);
    const after = bucketSlots(plan(all, size - 1), 64, before);
    const moved = before.filter((slot, i) => slot !== after[i]);
    expect(new Set(moved)).toEqual(new Set([size]));
    expect(moved.length).toBeLessThanOrEqual(Math.ceil(64 / size));
  });
});
