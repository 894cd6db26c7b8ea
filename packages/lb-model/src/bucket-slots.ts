import { maglevBuckets, rebalanceBuckets } from './buckets.js';
import type { GroupPlan } from './group.js';

/** What a bucket holds whose group has no active slot. */
export const NO_SLOT = 0;

/**
 * The slot that each of `size` hash buckets leads to: a Maglev table over the active slots of a plan. With the buckets
 * of before, the fewest of them change; see {@link rebalanceBuckets}. Plain data, to be kept beside the plan: without
 * the past, another assignment of the same quality results.
 * @throws LbModelError INVALID_ARGUMENT (size)
 */
export function bucketSlots(plan: GroupPlan, size: number, previous?: readonly number[]): readonly number[] {
  const slots = new Map<string, number>();
  const names = new Map<number, string>();
  const endpoints: { id: string; weight: number }[] = [];
  for (const slot of plan.slots) {
    if (slot.state !== 'active') continue;
    const id = `${slot.address}:${slot.port}`;
    slots.set(id, slot.slot);
    names.set(slot.slot, id);
    endpoints.push({ id, weight: slot.weight });
  }
  const table =
    previous?.length === size
      ? rebalanceBuckets({ size, buckets: previous.map((slot) => names.get(slot)), overflow: [] }, endpoints)
      : maglevBuckets(endpoints, size);
  return table.buckets.map((id) => (id === undefined ? NO_SLOT : (slots.get(id) ?? NO_SLOT)));
}
