import { ipv4 } from '@infra-offload/net';
import { describe, expect, it } from 'vitest';
import type { EndpointSpec, GroupPlan } from './group.js';
import { advanceGroup, emptyGroupPlan, endDrain, nextDeadline, planGroup } from './group-plan.js';

const timing = { drainMs: 100, restMs: 1000 };

function endpoint(address: number, weight = 1, port = 8080): EndpointSpec {
  return { address: ipv4(address), port, weight };
}

function plan(previous: GroupPlan, now: number, ...addresses: (number | EndpointSpec)[]): GroupPlan {
  const endpoints = addresses.map((a) => (typeof a === 'number' ? endpoint(a) : a));
  return planGroup(previous, { key: 'web', endpoints }, { now, ...timing });
}

/** "1:a10 2:d11 3:r12": slot, state, address. */
function show({ slots }: GroupPlan): string {
  return slots.map((slot) => `${slot.slot}:${slot.state[0]}${slot.address}`).join(' ');
}

const empty = emptyGroupPlan('web', 4);

describe('planGroup', () => {
  it('gives slots in the order of addresses, whatever the order of endpoints', () => {
    expect(show(plan(empty, 0, 12, 10, 11))).toBe('1:a10 2:a11 3:a12');
    expect(plan(empty, 0, 12, 10, 11)).toEqual(plan(empty, 0, 11, 12, 10));
  });

  it('keeps the slots of endpoints that stay', () => {
    const first = plan(empty, 0, 10, 11, 12);
    expect(show(plan(first, 1, 12, 5, 10))).toBe('1:a10 2:d11 3:a12 4:a5');
  });

  it('tells ports of one address apart', () => {
    expect(show(plan(empty, 0, endpoint(10, 1, 80), endpoint(10, 1, 81)))).toBe('1:a10 2:a10');
  });

  it('counts an endpoint that is named twice once, with the larger weight', () => {
    expect(plan(empty, 0, endpoint(10, 2), endpoint(10, 5), endpoint(10, 1)).slots).toEqual([
      { state: 'active', slot: 1, address: 10, port: 8080, weight: 5, since: 0 },
    ]);
  });

  it('lets an endpoint drain, then rest, then forgets it', () => {
    let current = plan(empty, 0, 10, 11);
    current = plan(current, 5, 10);
    expect(show(current)).toBe('1:a10 2:d11');
    expect(nextDeadline(current)).toBe(105);
    expect(advanceGroup(current, { now: 104, ...timing })).toBe(current);
    // Ended late: the rest counts from when the entry really goes.
    current = advanceGroup(current, { now: 110, ...timing });
    expect(show(current)).toBe('1:a10 2:r11');
    expect(nextDeadline(current)).toBe(1110);
    current = advanceGroup(current, { now: 1110, ...timing });
    expect(show(current)).toBe('1:a10');
    expect(current.rested).toEqual([2]);
    expect(nextDeadline(current)).toBeUndefined();
  });

  it.each([
    ['drains', 50],
    ['rests', 500],
    ['has just rested, unnoticed', 5000],
  ])('gives an endpoint its slot back while that %s', (_, back) => {
    let current = plan(empty, 0, 10, 11);
    current = plan(current, 1, 11);
    if (back > 100) current = advanceGroup(current, { now: 150, ...timing });
    expect(show(plan(current, back, 9, 10, 11))).toBe('1:a10 2:a11 3:a9');
  });

  it('without draining or rest, frees the slot at once', () => {
    const first = plan(empty, 0, 10, 11);
    const second = planGroup(first, { key: 'web', endpoints: [] }, { now: 1, drainMs: 0, restMs: 0 });
    expect(second).toMatchObject({ slots: [], rested: [1, 2], highestUsed: 2 });
    expect(show(planGroup(first, { key: 'web', endpoints: [] }, { now: 1, drainMs: 0, restMs: 9 }))).toBe(
      '1:r10 2:r11',
    );
  });

  it('prefers unused slots, then the one that is free longest', () => {
    let current = plan(empty, 0, 10, 11, 12);
    current = plan(current, 0, 10, 12);
    current = advanceGroup(current, { now: 200, ...timing });
    current = plan(current, 210, 12);
    current = advanceGroup(current, { now: 400, ...timing });
    current = advanceGroup(current, { now: 5000, ...timing });
    current = plan(current, 5000, 12, 20);
    expect(show(current)).toBe('3:a12 4:a20');
    // Slot 2 was left before slot 1, though the end of both rests was seen at the same moment.
    expect(current.rested).toEqual([2, 1]);
    expect(show(plan(current, 5000, 12, 20, 21))).toBe('2:a21 3:a12 4:a20');
  });

  it('under pressure takes the oldest resting slot, then the oldest draining one, and tells', () => {
    let current = plan(empty, 0, 10, 11, 12, 13);
    current = plan(current, 1, 11, 12, 13);
    current = plan(current, 60, 12, 13);
    current = advanceGroup(current, { now: 102, ...timing });
    current = plan(current, 110, 12);
    expect(show(current)).toBe('1:r10 2:d11 3:a12 4:d13');
    const pressed = plan(current, 111, 12, 20, 21);
    expect(show(pressed)).toBe('1:a20 2:a21 3:a12 4:d13');
    expect(pressed.evicted.map((slot) => slot.address)).toEqual([10, 11]);
    expect(pressed.overflow).toEqual([]);
    const later = plan(pressed, 112, 12, 20, 21);
    expect(later.evicted).toEqual([]);
    expect(plan(later, 113, 12, 20, 21)).toBe(later);
  });

  it('tells which endpoints find no slot; who is in stays in', () => {
    const first = plan(empty, 0, 14, 13, 12, 11);
    const second = plan(first, 1, 10, 11, 12, 13, 14, 9);
    expect(show(second)).toBe('1:a11 2:a12 3:a13 4:a14');
    expect(second.overflow).toEqual([endpoint(9), endpoint(10)]);
    expect(plan(second, 2, 9, 10, 11, 12, 13, 14)).toBe(second);
    const third = plan(second, 3, 9, 10, 11, 12, 13);
    expect(show(third)).toBe('1:a11 2:a12 3:a13 4:a9');
    expect(third.overflow).toEqual([endpoint(10)]);
  });

  it('changes a weight in place', () => {
    const first = plan(empty, 0, 10, 11);
    const second = plan(first, 7, endpoint(10, 3), 11);
    expect(second.slots[0]).toEqual({ ...first.slots[0], weight: 3 });
    expect(second.slots[1]).toBe(first.slots[1]);
  });

  it('returns the same plan if nothing changes', () => {
    const first = plan(empty, 0, 10, 11);
    expect(plan(first, 99, 11, 10)).toBe(first);
    expect(plan(empty, 0)).toBe(empty);
  });

  it('ends the draining of an address on all its ports on demand', () => {
    const first = plan(empty, 0, endpoint(10, 1, 80), endpoint(10, 1, 81), 11);
    const draining = plan(first, 1);
    expect(show(endDrain(draining, ipv4(10), { now: 2, ...timing }))).toBe('1:r10 2:r10 3:d11');
    expect(endDrain(draining, ipv4(99), { now: 2, ...timing })).toBe(draining);
    expect(endDrain(first, ipv4(10), { now: 2, ...timing })).toBe(first);
  });

  it.each([
    [endpoint(1, 1, 0), 'port 0 is not in 1 to 65535'],
    [endpoint(1, 1, 65536), 'port 65536 is not in 1 to 65535'],
    [endpoint(1, 0, 1), 'weight 0 is not an integer from 1 to 2147483647'],
    [endpoint(1, 1.5, 1), 'weight 1.5 is not an integer from 1 to 2147483647'],
  ])('refuses %j', (bad, message) => {
    expect(() => plan(empty, 0, bad)).toThrow(`service 'web': ${message}`);
  });

  it('refuses a group without slots and the plan of another service', () => {
    expect(() => emptyGroupPlan('web', 0)).toThrow('not a number of slots: 0');
    expect(() => planGroup(empty, { key: 'db', endpoints: [] }, { now: 0, ...timing })).toThrow(
      "service 'db' planned into group 'web'",
    );
  });
});

describe('maxActive', () => {
  const limits = { drainMs: 0, restMs: 100, maxActive: 2 };
  const at = (now: number, before: GroupPlan, ...addresses: number[]) =>
    planGroup(
      before,
      {
        key: 'web',
        endpoints: addresses.map((address) => ({ address: ipv4(address), port: 80, weight: 1 })),
      },
      { ...limits, now },
    );
  const active = (plan: GroupPlan) =>
    plan.slots.filter((slot) => slot.state === 'active').map(({ slot, address }) => [slot, address]);

  it('leaves the other slots for rest, and those who are in stay in', () => {
    const first = at(0, empty, 5, 6);
    const full = at(1, first, 1, 5, 6);
    expect(active(full)).toEqual([
      [1, 5],
      [2, 6],
    ]);
    expect(full.overflow.map(({ address }) => address)).toEqual([1]);
    const moved = at(2, full, 1, 6);
    expect(active(moved)).toEqual([
      [2, 6],
      [3, 1],
    ]);
    // 5 has a resting slot to come back to, but no room.
    const back = at(3, moved, 1, 5, 6);
    expect(back.overflow.map(({ address }) => address)).toEqual([5]);
    expect(active(back)).toEqual(active(moved));
  });
});
