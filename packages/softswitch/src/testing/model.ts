import { entityKey } from '@infra-offload/p4rt';
import {
  type Entity,
  type MeterConfig,
  type MeterEntry,
  type TableAction,
  type Update,
  Update_Type,
} from '@infra-offload/p4rt/proto';
import fc from 'fast-check';
import { bareEntry } from '../entities/messages.js';

const METERS = [0x14000001, 0x14000002];
const METER_CELLS = 4n;
const PROFILE = 0x11000001;
const ACL = 0x02000001;
const NARROW = 0x02000002;
const NEXTHOP = 0x02000003;

const call = (port: number) => ({
  actionId: 0x01000001,
  params: [
    { paramId: 1, value: Uint8Array.of(port) },
    { paramId: 2, value: Uint8Array.of(1) },
  ],
});

function nexthop(dst: number, type: NonNullable<TableAction['type']>): Entity {
  return {
    entity: {
      $case: 'tableEntry',
      value: {
        ...bareEntry(NEXTHOP),
        match: [{ fieldId: 1, fieldMatchType: { $case: 'exact', value: { value: Uint8Array.of(dst) } } }],
        action: { type },
      },
    },
  };
}

const id = fc.integer({ min: 1, max: 4 });
const port = fc.integer({ min: 0, max: 9 });

/** What the target keeps without looking at it; mostly there is none. */
const attached = fc.record({
  metadata: fc.oneof(
    { weight: 3, arbitrary: fc.constant(new Uint8Array(0)) },
    fc.uint8Array({ minLength: 1, maxLength: 3 }),
  ),
  controllerMetadata: fc.oneof({ weight: 3, arbitrary: fc.constant(0n) }, fc.bigInt({ min: 1n, max: 9n })),
});

const aclEntry = fc.record({ priority: id, proto: id, port, attached }).map(
  ({ priority, proto, port, attached }): Entity => ({
    entity: {
      $case: 'tableEntry',
      value: {
        ...bareEntry(ACL),
        ...attached,
        priority,
        match: [
          { fieldId: 2, fieldMatchType: { $case: 'optional', value: { value: Uint8Array.of(proto) } } },
        ],
        action: { type: { $case: 'action', value: call(port) } },
      },
    },
  }),
);
const narrowEntry = fc
  .record({
    label: fc.constantFrom(0x100, 0x180, 0x1c0),
    prefixLen: fc.integer({ min: 3, max: 9 }),
    port,
    attached,
  })
  .map(
    ({ label, prefixLen, port, attached }): Entity => ({
      entity: {
        $case: 'tableEntry',
        value: {
          ...bareEntry(NARROW),
          ...attached,
          match: [
            {
              fieldId: 1,
              fieldMatchType: {
                $case: 'lpm',
                value: { value: Uint8Array.of(label >> 8, label & 0xff), prefixLen },
              },
            },
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
const indirectEntry = fc
  .record({ dst: id, target: id, kind: fc.constantFrom('member', 'group') })
  .map(({ dst, target, kind }) =>
    nexthop(dst, {
      $case: kind === 'member' ? 'actionProfileMemberId' : 'actionProfileGroupId',
      value: target,
    }),
  );
const oneShotEntry = fc
  .record({
    // A set that takes another's place needs members and a group of its own for a moment.
    dst: fc.integer({ min: 1, max: 2 }),
    ports: fc.array(fc.record({ port, weight: fc.constantFrom(1, 2) }), { minLength: 1, maxLength: 2 }),
  })
  .map(({ dst, ports }) =>
    nexthop(dst, {
      $case: 'actionProfileActionSet',
      value: {
        actionProfileActions: ports.map(({ port, weight }) => ({
          action: call(port),
          weight,
          watchKind: undefined,
        })),
        actionSelectionMode: 0,
        sizeSemantics: 0,
      },
    }),
  );
function meterEntry(meterId: number, index: bigint | undefined, config: MeterConfig | undefined): Entity {
  return {
    entity: {
      $case: 'meterEntry',
      value: { meterId, index: index === undefined ? undefined : { index }, config, counterData: undefined },
    },
  };
}

const meter = fc
  .record({
    meterId: fc.constantFrom(...METERS),
    index: fc.option(fc.bigInt(0n, METER_CELLS - 1n), { nil: undefined }),
    config: fc.option(
      fc.record({
        cir: fc.bigInt(1n, 3n),
        cburst: fc.bigInt(1n, 3n),
        // Below cir in some.
        pir: fc.bigInt(2n, 3n),
        pburst: fc.bigInt(1n, 3n),
        eburst: fc.constant(0n),
      }),
      { nil: undefined },
    ),
  })
  .map(({ meterId, index, config }) => meterEntry(meterId, index, config));
const type = fc.constantFrom(Update_Type.INSERT, Update_Type.MODIFY, Update_Type.DELETE);

/** Updates of entries, members, groups and meters, of which many fail. */
export const update = fc.record({
  type,
  entity: fc.oneof(aclEntry, narrowEntry, member, group, indirectEntry, meter),
});
/** The same with one-shot action sets in place of members and groups: a profile takes one of the two. */
export const oneShotUpdate = fc.record({ type, entity: fc.oneof(aclEntry, oneShotEntry, meter) });

/** P4Runtime's rules over nothing but a map of entities. */
export class Model {
  entities = byKey(METERS.flatMap((id) => [0n, 1n, 2n, 3n].map((index) => meterEntry(id, index, undefined))));

  copy(): Model {
    const copy = new Model();
    copy.entities = new Map(this.entities);
    return copy;
  }

  apply({ type, entity }: Required<Update>): string {
    if (entity === undefined) throw new Error('no entity');
    if (entity.entity?.$case === 'meterEntry') return this.#meter(type, entity.entity.value);
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

  #meter(type: Update_Type, { meterId, index, config }: MeterEntry): string {
    if (type !== Update_Type.MODIFY) return 'INVALID_ARGUMENT';
    if (config !== undefined && config.pir < config.cir) return 'INVALID_ARGUMENT';
    for (let i = index?.index ?? 0n; i <= (index?.index ?? METER_CELLS - 1n); i++) {
      const cell = meterEntry(meterId, i, config);
      this.entities.set(entityKey(cell), cell);
    }
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

/** Requests for everything that a {@link Model} has. */
export const EVERYTHING: readonly Entity[] = [
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
  meterEntry(0, undefined, undefined),
];

export function byKey(entities: readonly Entity[]): Map<string, Entity> {
  return new Map(entities.map((entity) => [entityKey(entity), entity]));
}
