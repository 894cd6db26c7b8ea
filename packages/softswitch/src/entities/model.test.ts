import { entityKey } from '@infra-offload/p4rt';
import { type Entity, type Update, Update_Type } from '@infra-offload/p4rt/proto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { forwardingOf, readAll, smallConfig, tryUpdate } from '../testing/forwarding.js';
import type { Forwarding } from './forwarding.js';
import { Journal } from './journal.js';
import { bareEntry } from './messages.js';

const PROFILE = 0x11000001;
const ACL = 0x02000001;
const NEXTHOP = 0x02000003;

const call = (port: number) => ({
  actionId: 0x01000001,
  params: [
    { paramId: 1, value: Uint8Array.of(port) },
    { paramId: 2, value: Uint8Array.of(1) },
  ],
});

const id = fc.integer({ min: 1, max: 4 });
const port = fc.integer({ min: 0, max: 9 });

const aclEntry = fc.record({ priority: id, proto: id, port }).map(
  ({ priority, proto, port }): Entity => ({
    entity: {
      $case: 'tableEntry',
      value: {
        ...bareEntry(ACL),
        priority,
        match: [
          { fieldId: 2, fieldMatchType: { $case: 'optional', value: { value: Uint8Array.of(proto) } } },
        ],
        action: { type: { $case: 'action', value: call(port) } },
      },
    },
  }),
);
const member = fc.record({ memberId: id, port }).map(
  ({ memberId, port }): Entity => ({
    entity: {
      $case: 'actionProfileMember',
      value: { actionProfileId: PROFILE, memberId, action: call(port) },
    },
  }),
);
const group = fc.record({ groupId: id, members: fc.uniqueArray(id, { maxLength: 3 }) }).map(
  ({ groupId, members }): Entity => ({
    entity: {
      $case: 'actionProfileGroup',
      value: {
        actionProfileId: PROFILE,
        groupId,
        maxSize: 4,
        members: members.map((memberId) => ({ memberId, weight: 1, watchKind: undefined })),
      },
    },
  }),
);
const indirectEntry = fc.record({ dst: id, target: id, kind: fc.constantFrom('member', 'group') }).map(
  ({ dst, target, kind }): Entity => ({
    entity: {
      $case: 'tableEntry',
      value: {
        ...bareEntry(NEXTHOP),
        match: [{ fieldId: 1, fieldMatchType: { $case: 'exact', value: { value: Uint8Array.of(dst) } } }],
        action: {
          type: {
            $case: kind === 'member' ? 'actionProfileMemberId' : 'actionProfileGroupId',
            value: target,
          },
        },
      },
    },
  }),
);
const update = fc.record({
  type: fc.constantFrom(Update_Type.INSERT, Update_Type.MODIFY, Update_Type.DELETE),
  entity: fc.oneof(aclEntry, member, group, indirectEntry),
});

/** P4Runtime's rules over nothing but a map of entities. */
class Model {
  entities = new Map<string, Entity>();

  apply({ type, entity }: Required<Update>): string {
    if (entity === undefined) throw new Error('no entity');
    const key = entityKey(entity);
    const exists = this.entities.has(key);
    if (type === Update_Type.INSERT && exists) return 'ALREADY_EXISTS';
    if (type !== Update_Type.INSERT && !exists) return 'NOT_FOUND';
    if (type === Update_Type.DELETE) {
      if ([...this.entities.values()].some((other) => refersTo(other, entity))) return 'FAILED_PRECONDITION';
      this.entities.delete(key);
      return 'OK';
    }
    for (const wanted of references(entity)) if (!this.entities.has(entityKey(wanted))) return 'NOT_FOUND';
    const isAcl = entity.entity?.$case === 'tableEntry' && entity.entity.value.tableId === ACL;
    if (type === Update_Type.INSERT && isAcl && this.#count(ACL) >= 4) return 'RESOURCE_EXHAUSTED';
    this.entities.set(key, entity);
    return 'OK';
  }

  #count(tableId: number): number {
    return [...this.entities.values()].filter(
      ({ entity }) => entity?.$case === 'tableEntry' && entity.value.tableId === tableId,
    ).length;
  }
}

function references({ entity }: Entity): Entity[] {
  const toMember = (memberId: number): Entity => ({
    entity: {
      $case: 'actionProfileMember',
      value: { actionProfileId: PROFILE, memberId, action: undefined },
    },
  });
  if (entity?.$case === 'actionProfileGroup')
    return entity.value.members.map(({ memberId }) => toMember(memberId));
  const action = entity?.$case === 'tableEntry' ? entity.value.action?.type : undefined;
  if (action?.$case === 'actionProfileMemberId') return [toMember(action.value)];
  if (action?.$case !== 'actionProfileGroupId') return [];
  const value = { actionProfileId: PROFILE, groupId: action.value, members: [], maxSize: 0 };
  return [{ entity: { $case: 'actionProfileGroup', value } }];
}

function refersTo(other: Entity, entity: Entity): boolean {
  const key = entityKey(entity);
  return references(other).some((wanted) => entityKey(wanted) === key);
}

function readBack(forwarding: Forwarding): Map<string, Entity> {
  const requests: Entity[] = [
    { entity: { $case: 'tableEntry', value: bareEntry(0) } },
    {
      entity: { $case: 'actionProfileMember', value: { actionProfileId: 0, memberId: 0, action: undefined } },
    },
    {
      entity: {
        $case: 'actionProfileGroup',
        value: { actionProfileId: 0, groupId: 0, members: [], maxSize: 0 },
      },
    },
  ];
  return new Map(
    requests.flatMap((request) => readAll(forwarding, request)).map((entity) => [entityKey(entity), entity]),
  );
}

test('M1 any sequence of updates has the outcome of a simple model, and reads back as it', () => {
  fc.assert(
    fc.property(fc.array(update, { maxLength: 60 }), (updates) => {
      const forwarding = forwardingOf(smallConfig());
      const model = new Model();
      for (const each of updates) expect(tryUpdate(forwarding, each)).toBe(model.apply(each));
      expect(readBack(forwarding)).toEqual(model.entities);
    }),
    { numRuns: 60 },
  );
});

test('M2 a batch that is rolled back leaves everything as it was, and usable', () => {
  fc.assert(
    fc.property(
      fc.array(update, { maxLength: 40 }),
      fc.array(update, { minLength: 1, maxLength: 30 }),
      (first, batch) => {
        const forwarding = forwardingOf(smallConfig());
        const model = new Model();
        for (const each of first) expect(tryUpdate(forwarding, each)).toBe(model.apply(each));
        const journal = new Journal();
        for (const each of batch) tryUpdate(forwarding, each, journal);
        journal.rollback();
        expect(readBack(forwarding)).toEqual(model.entities);
        // Also what is counted behind the scenes: the same updates have the same outcomes again.
        for (const each of batch) expect(tryUpdate(forwarding, each)).toBe(model.apply(each));
        expect(readBack(forwarding)).toEqual(model.entities);
      },
    ),
    { numRuns: 60 },
  );
});
