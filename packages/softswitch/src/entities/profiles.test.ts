import { insert, modify, remove } from '@infra-offload/p4rt';
import type {
  ActionProfileActionSet,
  ActionProfileGroup_Member,
  Entity,
  TableAction,
} from '@infra-offload/p4rt/proto';
import { describe, expect, it } from 'vitest';
import { forwardingOf, readAll, smallConfig, tryUpdate } from '../testing/forwarding.js';
import type { Forwarding } from './forwarding.js';
import { Journal } from './journal.js';
import { bareEntry } from './messages.js';

const PROFILE = 0x11000001;
const NEXTHOP = 0x02000003;
const SEND = 0x01000001;
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const fresh = (): Forwarding => forwardingOf(smallConfig());

const send = (port = 1) => ({
  actionId: SEND,
  params: [
    { paramId: 1, value: bytes(port) },
    { paramId: 2, value: bytes(2) },
  ],
});

function member(memberId: number, port = 1, actionProfileId = PROFILE): Entity {
  return {
    entity: { $case: 'actionProfileMember', value: { actionProfileId, memberId, action: send(port) } },
  };
}

type Weighted = readonly [memberId: number, weight: number];

function group(
  groupId: number,
  members: readonly Weighted[],
  maxSize = 4,
  watch?: ActionProfileGroup_Member['watchKind'],
): Entity {
  const list = members.map(([memberId, weight]) => ({ memberId, weight, watchKind: watch }));
  return {
    entity: {
      $case: 'actionProfileGroup',
      value: { actionProfileId: PROFILE, groupId, members: list, maxSize },
    },
  };
}

function entry(dst: number, type: TableAction['type']): Entity {
  const match = [{ fieldId: 1, fieldMatchType: { $case: 'exact' as const, value: { value: bytes(dst) } } }];
  return { entity: { $case: 'tableEntry', value: { ...bareEntry(NEXTHOP), match, action: { type } } } };
}

type PortWeight = readonly [port: number, weight: number];

const toMember = (value: number): TableAction['type'] => ({ $case: 'actionProfileMemberId', value });
const toGroup = (value: number): TableAction['type'] => ({ $case: 'actionProfileGroupId', value });
const toSet = (...actions: PortWeight[]): TableAction['type'] => toSetWith({}, ...actions);
const toSetWith = (set: Partial<ActionProfileActionSet>, ...actions: PortWeight[]): TableAction['type'] => ({
  $case: 'actionProfileActionSet',
  value: {
    actionProfileActions: actions.map(([port, weight]) => ({
      action: send(port),
      weight,
      watchKind: undefined,
    })),
    actionSelectionMode: 0,
    sizeSemantics: 0,
    ...set,
  },
});

function all(forwarding: Forwarding): { members: Entity[]; groups: Entity[]; entries: Entity[] } {
  return {
    members: readAll(forwarding, {
      entity: { $case: 'actionProfileMember', value: { actionProfileId: 0, memberId: 0, action: undefined } },
    }),
    groups: readAll(forwarding, {
      entity: {
        $case: 'actionProfileGroup',
        value: { actionProfileId: 0, groupId: 0, members: [], maxSize: 0 },
      },
    }),
    entries: readAll(forwarding, { entity: { $case: 'tableEntry', value: bareEntry(NEXTHOP) } }),
  };
}

describe('members', () => {
  it('G1 insert, modify, read, delete', () => {
    const forwarding = fresh();
    expect(tryUpdate(forwarding, insert(member(5)))).toBe('OK');
    expect(tryUpdate(forwarding, insert(member(5)))).toBe('ALREADY_EXISTS');
    expect(tryUpdate(forwarding, modify(member(5, 9)))).toBe('OK');
    expect(all(forwarding).members).toEqual([member(5, 9)]);
    expect(tryUpdate(forwarding, remove(member(5)))).toBe('OK');
    expect(tryUpdate(forwarding, remove(member(5)))).toBe('NOT_FOUND');
    expect(tryUpdate(forwarding, modify(member(5)))).toBe('NOT_FOUND');
  });

  it('G2 id 0 and a missing action are INVALID_ARGUMENT, an unknown profile NOT_FOUND', () => {
    const forwarding = fresh();
    expect(tryUpdate(forwarding, insert(member(0)))).toBe('INVALID_ARGUMENT');
    expect(tryUpdate(forwarding, insert(member(1, 1, 7)))).toBe('NOT_FOUND');
    const bare: Entity = {
      entity: {
        $case: 'actionProfileMember',
        value: { actionProfileId: PROFILE, memberId: 1, action: undefined },
      },
    };
    expect(tryUpdate(forwarding, insert(bare))).toBe('INVALID_ARGUMENT');
  });

  it('G3 a member that is used cannot be deleted', () => {
    const forwarding = fresh();
    tryUpdate(forwarding, insert(member(1)));
    tryUpdate(forwarding, insert(member(2)));
    tryUpdate(forwarding, insert(group(1, [[1, 1]])));
    tryUpdate(forwarding, insert(entry(1, toMember(2))));
    expect(tryUpdate(forwarding, remove(member(1)))).toBe('FAILED_PRECONDITION');
    expect(tryUpdate(forwarding, remove(member(2)))).toBe('FAILED_PRECONDITION');
    expect(tryUpdate(forwarding, modify(group(1, [])))).toBe('OK');
    expect(tryUpdate(forwarding, remove(member(1)))).toBe('OK');
    expect(tryUpdate(forwarding, remove(entry(1, undefined)))).toBe('OK');
    expect(tryUpdate(forwarding, remove(member(2)))).toBe('OK');
  });

  it('G4 ids may be any number, but groups only have room for as many members as SWX has slots', () => {
    const forwarding = fresh();
    for (let i = 1; i <= 8; i++) expect(tryUpdate(forwarding, insert(member(i * 1_000_003)))).toBe('OK');
    for (let i = 1; i <= 7; i++)
      expect(tryUpdate(forwarding, insert(group(1, [[i * 1_000_003, 1]])))).toBe(
        i === 1 ? 'OK' : 'ALREADY_EXISTS',
      );
    expect(tryUpdate(forwarding, modify(group(1, [[8 * 1_000_003, 1]])))).toBe('RESOURCE_EXHAUSTED');
    expect(tryUpdate(forwarding, insert(entry(1, toMember(8 * 1_000_003))))).toBe('OK');
  });

  it('G6 taking back deletes gives every member and group its own number again, and leaks none', () => {
    const forwarding = fresh();
    for (let i = 1; i <= 12; i++) tryUpdate(forwarding, insert(member(i)));
    for (let i = 1; i <= 4; i++) tryUpdate(forwarding, insert(group(i, [[i, 1]])));
    const before = all(forwarding);
    for (let round = 0; round < 10; round++) {
      const journal = new Journal();
      for (let i = 1; i <= 4; i++) expect(tryUpdate(forwarding, remove(group(i, [])), journal)).toBe('OK');
      for (let i = 1; i <= 12; i++) expect(tryUpdate(forwarding, remove(member(i)), journal)).toBe('OK');
      journal.rollback();
    }
    const after = all(forwarding);
    expect(new Set(after.members)).toEqual(new Set(before.members));
    expect(new Set(after.groups)).toEqual(new Set(before.groups));
    for (let i = 1; i <= 4; i++) expect(tryUpdate(forwarding, remove(group(i, [])))).toBe('OK');
    for (let i = 1; i <= 12; i++) expect(tryUpdate(forwarding, remove(member(i)))).toBe('OK');
    for (let i = 1; i <= 7; i++) tryUpdate(forwarding, insert(member(100 + i)));
    const everyone = Array.from({ length: 4 }, (_, i): Weighted => [101 + i, 1]);
    expect(tryUpdate(forwarding, insert(group(1, everyone)))).toBe('OK');
    expect(
      tryUpdate(
        forwarding,
        modify(
          group(1, [
            [105, 1],
            [106, 1],
            [107, 1],
          ]),
        ),
      ),
    ).toBe('OK');
  });

  it('G5 more members than the profile holds are RESOURCE_EXHAUSTED', () => {
    const forwarding = fresh();
    for (let i = 1; i <= 64; i++) expect(tryUpdate(forwarding, insert(member(i)))).toBe('OK');
    expect(tryUpdate(forwarding, insert(member(65)))).toBe('RESOURCE_EXHAUSTED');
  });
});

describe('groups', () => {
  const withMembers = (): Forwarding => {
    const forwarding = fresh();
    for (let i = 1; i <= 5; i++) tryUpdate(forwarding, insert(member(i)));
    return forwarding;
  };
  const cases: readonly [id: string, what: string, entity: Entity, code: string][] = [
    [
      'G10',
      'members with weights',
      group(1, [
        [1, 1],
        [2, 3],
      ]),
      'OK',
    ],
    ['G11', 'an empty group', group(1, []), 'OK'],
    ['G12', 'id 0', group(0, []), 'INVALID_ARGUMENT'],
    ['G13', 'an unknown member', group(1, [[9, 1]]), 'NOT_FOUND'],
    [
      'G14',
      'a member twice',
      group(1, [
        [1, 1],
        [1, 1],
      ]),
      'INVALID_ARGUMENT',
    ],
    ['G15', 'weight 0', group(1, [[1, 0]]), 'INVALID_ARGUMENT'],
    ['G16', 'a negative weight', group(1, [[1, -1]]), 'INVALID_ARGUMENT'],
    ['G17', 'no max_size where P4Info has a max_group_size', group(1, [], 0), 'INVALID_ARGUMENT'],
    ['G18', 'a max_size above max_group_size', group(1, [], 5), 'INVALID_ARGUMENT'],
    [
      'G19',
      'weights above max_size',
      group(
        1,
        [
          [1, 2],
          [2, 1],
        ],
        2,
      ),
      'INVALID_ARGUMENT',
    ],
    ['G20', 'a watch port', group(1, [[1, 1]], 4, { $case: 'watchPort', value: bytes(1) }), 'UNIMPLEMENTED'],
  ];
  it.each(cases)('%s %s', (_id, _what, entity, code) => {
    expect(tryUpdate(withMembers(), insert(entity))).toBe(code);
  });

  it('G21 insert, modify, read, delete; max_size stays as it was', () => {
    const forwarding = withMembers();
    tryUpdate(forwarding, insert(group(7, [[1, 1]])));
    expect(tryUpdate(forwarding, insert(group(7, [])))).toBe('ALREADY_EXISTS');
    expect(tryUpdate(forwarding, modify(group(7, [], 3)))).toBe('INVALID_ARGUMENT');
    expect(
      tryUpdate(
        forwarding,
        modify(
          group(7, [
            [2, 2],
            [3, 1],
          ]),
        ),
      ),
    ).toBe('OK');
    expect(all(forwarding).groups).toEqual([
      group(7, [
        [2, 2],
        [3, 1],
      ]),
    ]);
    expect(tryUpdate(forwarding, modify(group(8, [])))).toBe('NOT_FOUND');
    expect(tryUpdate(forwarding, remove(group(8, [])))).toBe('NOT_FOUND');
    expect(tryUpdate(forwarding, remove(group(7, [])))).toBe('OK');
    expect(all(forwarding).groups).toEqual([]);
  });

  it('G22 a group that an entry names cannot be deleted, and an entry cannot name one that is not there', () => {
    const forwarding = withMembers();
    expect(tryUpdate(forwarding, insert(entry(1, toGroup(7))))).toBe('NOT_FOUND');
    expect(tryUpdate(forwarding, insert(entry(1, toMember(77))))).toBe('NOT_FOUND');
    tryUpdate(forwarding, insert(group(7, [[1, 1]])));
    expect(tryUpdate(forwarding, insert(entry(1, toGroup(7))))).toBe('OK');
    expect(tryUpdate(forwarding, remove(group(7, [])))).toBe('FAILED_PRECONDITION');
    expect(tryUpdate(forwarding, modify(entry(1, toMember(2))))).toBe('OK');
    expect(tryUpdate(forwarding, remove(group(7, [])))).toBe('OK');
  });

  it('G23 groups are as many as the selector has, and their ids any numbers', () => {
    const forwarding = withMembers();
    for (let i = 1; i <= 4; i++) expect(tryUpdate(forwarding, insert(group(0xffff_fff0 + i, [])))).toBe('OK');
    expect(tryUpdate(forwarding, insert(group(1, [])))).toBe('RESOURCE_EXHAUSTED');
    tryUpdate(forwarding, remove(group(0xffff_fff1, [])));
    expect(tryUpdate(forwarding, insert(group(1, [])))).toBe('OK');
  });
});

describe('one-shot action sets', () => {
  it('G30 are read back as they were written, equal actions included', () => {
    const forwarding = fresh();
    expect(tryUpdate(forwarding, insert(entry(1, toSet([1, 2], [2, 1], [1, 1]))))).toBe('OK');
    expect(all(forwarding)).toEqual({
      members: [],
      groups: [],
      entries: [entry(1, toSet([1, 2], [2, 1], [1, 1]))],
    });
    expect(tryUpdate(forwarding, modify(entry(1, toSet([3, 1]))))).toBe('OK');
    expect(all(forwarding).entries).toEqual([entry(1, toSet([3, 1]))]);
  });

  it('G31 give back their groups and members', () => {
    const forwarding = fresh();
    for (let round = 0; round < 20; round++) {
      for (let i = 1; i <= 4; i++)
        expect(tryUpdate(forwarding, insert(entry(i, toSet([round, 1], [i, 1]))))).toBe('OK');
      expect(tryUpdate(forwarding, insert(entry(5, toSet([1, 1]))))).toBe('RESOURCE_EXHAUSTED');
      for (let i = 1; i <= 4; i++) expect(tryUpdate(forwarding, remove(entry(i, undefined)))).toBe('OK');
    }
  });

  it('G32 keep to max_group_size and to weights of at least 1', () => {
    const forwarding = fresh();
    expect(tryUpdate(forwarding, insert(entry(1, toSet([1, 3], [2, 2]))))).toBe('INVALID_ARGUMENT');
    expect(tryUpdate(forwarding, insert(entry(1, toSet([1, 0]))))).toBe('INVALID_ARGUMENT');
  });

  it('G34 select by hash; other modes are UNIMPLEMENTED, unknown ones INVALID_ARGUMENT', () => {
    const outcome = (set: Partial<ActionProfileActionSet>, ...actions: PortWeight[]) =>
      tryUpdate(fresh(), insert(entry(1, toSetWith(set, ...actions))));
    const [HASH, RANDOM, WEIGHTS, MEMBERS] = [1, 2, 1, 2];
    expect(outcome({ actionSelectionMode: HASH }, [1, 1])).toBe('OK');
    expect(outcome({ actionSelectionMode: RANDOM }, [1, 1])).toBe('UNIMPLEMENTED');
    expect(outcome({ actionSelectionMode: Number('7') }, [1, 1])).toBe('INVALID_ARGUMENT');
    expect(outcome({ actionSelectionMode: Number('-1') }, [1, 1])).toBe('INVALID_ARGUMENT');
    expect(outcome({ sizeSemantics: Number('7') }, [1, 1])).toBe('INVALID_ARGUMENT');
    expect(outcome({ groupAction: send() }, [1, 1])).toBe('UNIMPLEMENTED');
    // The selector counts weights, of which there are too many, unless the set says that members count.
    expect(outcome({ sizeSemantics: WEIGHTS }, [1, 3], [2, 2])).toBe('INVALID_ARGUMENT');
    expect(outcome({ sizeSemantics: MEMBERS }, [1, 3], [2, 2])).toBe('OK');
    const forwarding = fresh();
    tryUpdate(forwarding, insert(entry(1, toSetWith({ sizeSemantics: MEMBERS }, [1, 3], [2, 2]))));
    expect(all(forwarding).entries).toEqual([
      entry(1, toSetWith({ sizeSemantics: MEMBERS }, [1, 3], [2, 2])),
    ]);
  });

  it('G33 are not mixed with members and groups', () => {
    const forwarding = fresh();
    tryUpdate(forwarding, insert(entry(1, toSet([1, 1]))));
    expect(tryUpdate(forwarding, insert(member(1)))).toBe('INVALID_ARGUMENT');
    expect(tryUpdate(forwarding, insert(group(1, [])))).toBe('INVALID_ARGUMENT');
    tryUpdate(forwarding, remove(entry(1, undefined)));
    expect(tryUpdate(forwarding, insert(member(1)))).toBe('OK');
    expect(tryUpdate(forwarding, insert(entry(1, toSet([1, 1]))))).toBe('INVALID_ARGUMENT');
  });
});
