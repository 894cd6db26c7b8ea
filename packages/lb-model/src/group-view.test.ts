import { ipv4 } from '@infra-offload/net';
import { describe, expect, it } from 'vitest';
import { diffGroupPlans } from './group-diff.js';
import { emptyGroupPlan, planGroup } from './group-plan.js';
import { groupView, restoreGroupPlan } from './group-view.js';

const options = { now: 10, drainMs: 100, restMs: 1000 };
const endpoints = [
  { address: ipv4(10), port: 80, weight: 2 },
  { address: ipv4(11), port: 80, weight: 1 },
];
const two = planGroup(emptyGroupPlan('web', 4), { key: 'web', endpoints }, options);
const one = planGroup(two, { key: 'web', endpoints: endpoints.slice(1) }, { ...options, now: 20 });

describe('groupView', () => {
  it('has draining endpoints, but not as members', () => {
    expect(groupView(one)).toEqual({
      endpoints: [
        { slot: 1, address: ipv4(10), port: 80 },
        { slot: 2, address: ipv4(11), port: 80 },
      ],
      members: [{ slot: 2, weight: 1 }],
    });
  });
});

describe('diffGroupPlans', () => {
  it('makes endpoints before members', () => {
    expect(diffGroupPlans(undefined, two).map(({ kind }) => kind)).toEqual([
      'setEndpoint',
      'setEndpoint',
      'setMembers',
    ]);
  });

  it('only takes the member out when an endpoint begins to drain', () => {
    expect(diffGroupPlans(two, one)).toEqual([{ kind: 'setMembers', members: [{ slot: 2, weight: 1 }] }]);
  });

  it('empties the group before its endpoints go', () => {
    expect(diffGroupPlans(one, undefined)).toEqual([
      { kind: 'setMembers', members: [] },
      { kind: 'removeEndpoint', slot: 1 },
      { kind: 'removeEndpoint', slot: 2 },
    ]);
  });
});

describe('restoreGroupPlan', () => {
  it('drains what is not a member, leaves gaps free, and drops members without an endpoint', () => {
    const view = {
      endpoints: [
        { slot: 4, address: ipv4(12), port: 80 },
        { slot: 2, address: ipv4(11), port: 80 },
      ],
      members: [
        { slot: 2, weight: 7 },
        { slot: 3, weight: 1 },
      ],
    };
    expect(restoreGroupPlan('web', 4, view, options)).toEqual({
      key: 'web',
      size: 4,
      slots: [
        { state: 'active', slot: 2, address: ipv4(11), port: 80, weight: 7, since: 10 },
        { state: 'draining', slot: 4, address: ipv4(12), port: 80, since: 10, until: 110 },
      ],
      rested: [1, 3],
      highestUsed: 4,
      overflow: [],
      evicted: [],
    });
  });

  it('keeps the slot that is a member of two with the same endpoint', () => {
    const view = {
      endpoints: [
        { slot: 1, address: ipv4(11), port: 80 },
        { slot: 2, address: ipv4(11), port: 80 },
      ],
      members: [{ slot: 2, weight: 1 }],
    };
    expect(groupView(restoreGroupPlan('web', 4, view, options))).toEqual({
      endpoints: [{ slot: 2, address: ipv4(11), port: 80 }],
      members: [{ slot: 2, weight: 1 }],
    });
  });

  it.each([
    ['out of range', [{ slot: 5, address: ipv4(1), port: 1 }]],
    [
      'named twice',
      [
        { slot: 1, address: ipv4(1), port: 1 },
        { slot: 1, address: ipv4(2), port: 1 },
      ],
    ],
  ])('refuses a slot that is %s', (_, endpoints) => {
    expect(() => restoreGroupPlan('web', 4, { endpoints, members: [] }, options)).toThrow(
      expect.objectContaining({ code: 'INVALID_STATE' }),
    );
  });
});
