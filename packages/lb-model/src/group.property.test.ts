import { ipv4 } from '@infra-offload/net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GroupPlan } from './group.js';
import { applyGroupSteps, diffGroupPlans } from './group-diff.js';
import { advanceGroup, emptyGroupPlan, endDrain, planGroup } from './group-plan.js';
import { groupView, restoreGroupPlan } from './group-view.js';

const SIZE = 5;
const endpoint = fc.record({
  address: fc.integer({ min: 1, max: 9 }).map(ipv4),
  port: fc.constantFrom(80, 81),
  weight: fc.integer({ min: 1, max: 3 }),
});
const event = fc.record({
  wait: fc.integer({ min: 0, max: 120 }),
  drainMs: fc.constantFrom(0, 100),
  action: fc.oneof(
    fc.record({ type: fc.constant('plan' as const), endpoints: fc.array(endpoint, { maxLength: 8 }) }),
    fc.record({ type: fc.constant('advance' as const) }),
    fc.record({ type: fc.constant('endDrain' as const), address: fc.integer({ min: 1, max: 9 }).map(ipv4) }),
  ),
});
type Event = (typeof event)['generate'] extends (...args: never[]) => { value: infer Value } ? Value : never;

const id = (e: { address: number; port: number }) => `${e.address}:${e.port}`;

/** Every plan that comes out of a random history. */
function history(
  events: readonly Event[],
): { before: GroupPlan; after: GroupPlan; event: Event; now: number }[] {
  let now = 0;
  let plan = emptyGroupPlan('web', SIZE);
  return events.map((event) => {
    now += event.wait;
    const options = { now, drainMs: event.drainMs, restMs: 150 };
    const before = plan;
    const { action } = event;
    if (action.type === 'plan') plan = planGroup(plan, { key: 'web', endpoints: action.endpoints }, options);
    else if (action.type === 'advance') plan = advanceGroup(plan, options);
    else plan = endDrain(plan, action.address, options);
    return { before, after: plan, event, now };
  });
}

const histories = fc.array(event, { maxLength: 25 }).map(history);

describe('group plans, over random histories', () => {
  it('have each slot and each endpoint at most once, and account for every slot', () => {
    fc.assert(
      fc.property(histories, (steps) => {
        for (const { after } of steps) {
          const used = [...after.slots.map(({ slot }) => slot), ...after.rested];
          expect([...used].sort((a, b) => a - b)).toEqual(
            Array.from({ length: after.highestUsed }, (_, i) => i + 1),
          );
          expect(after.highestUsed).toBeLessThanOrEqual(SIZE);
          expect(new Set(after.slots.map(id)).size).toBe(after.slots.length);
        }
      }),
    );
  });

  it('have every wanted endpoint active with its weight, or in the overflow of a full group', () => {
    fc.assert(
      fc.property(histories, (steps) => {
        for (const { after, event } of steps) {
          if (event.action.type !== 'plan') continue;
          const wanted = new Map<string, number>();
          for (const e of event.action.endpoints)
            wanted.set(id(e), Math.max(e.weight, wanted.get(id(e)) ?? 0));
          const active = after.slots.flatMap((slot) => (slot.state === 'active' ? [slot] : []));
          const placed = [...active, ...after.overflow].map((e): [string, number] => [id(e), e.weight]);
          expect(new Map(placed)).toEqual(wanted);
          expect(placed.length).toBe(wanted.size);
          if (after.overflow.length > 0) expect(active.length).toBe(SIZE);
        }
      }),
    );
  });

  it('never move an endpoint to another slot, nor let a number change hands in its rest without telling', () => {
    fc.assert(
      fc.property(histories, (steps) => {
        for (const { before, after, now } of steps) {
          for (const slot of before.slots) {
            const same = after.slots.find((other) => id(other) === id(slot));
            const gone = slot.state !== 'active' && slot.until <= now;
            if (same && !gone) {
              const evicted = after.evicted.some((other) => id(other) === id(slot));
              expect(evicted || same.slot === slot.slot).toBe(true);
            }
            const heir = after.slots.find((other) => other.slot === slot.slot);
            if (heir && id(heir) !== id(slot) && !gone) {
              expect(after.evicted.map((other) => other.slot)).toContain(slot.slot);
            }
          }
        }
      }),
    );
  });

  it('diff into steps that turn the old view into the new one', () => {
    fc.assert(
      fc.property(histories, fc.nat(), fc.nat(), (steps, i, j) => {
        const plans = [emptyGroupPlan('web', SIZE), ...steps.map(({ after }) => after)];
        const from = plans[i % plans.length];
        const to = plans[j % plans.length];
        if (from === undefined || to === undefined) return;
        const diff = diffGroupPlans(from, to);
        expect(applyGroupSteps(groupView(from), diff)).toEqual(groupView(to));
        expect(diffGroupPlans(to, structuredClone(to))).toEqual([]);
      }),
    );
  });

  it('diff into steps during which every member has an endpoint', () => {
    fc.assert(
      fc.property(histories, (steps) => {
        for (const { before, after } of steps) {
          let view = groupView(before);
          for (const step of diffGroupPlans(before, after)) {
            view = applyGroupSteps(view, [step]);
            const slots = new Set(view.endpoints.map(({ slot }) => slot));
            for (const member of view.members) expect(slots).toContain(member.slot);
          }
        }
      }),
    );
  });

  it('come back from what a data plane holds', () => {
    fc.assert(
      fc.property(histories, (steps) => {
        const last = steps.at(-1);
        if (last === undefined) return;
        const view = groupView(last.after);
        const options = { now: last.now, drainMs: 100, restMs: 150 };
        const restored = restoreGroupPlan('web', SIZE, view, options);
        expect(groupView(restored)).toEqual(view);
        expect(diffGroupPlans(last.after, restored)).toEqual([]);
      }),
    );
  });
});
