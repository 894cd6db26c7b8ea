import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { entityEquals } from './entity-equals.js';
import { entityKey } from './entity-key.js';
import { Entity, type FieldMatch, type TableEntry } from './gen/p4/v1/p4runtime.js';
import { cloneSession, multicastGroup } from './replication.js';
import { fixture } from './testing/fixture.js';
import { typedProgram } from './typed/program.js';

const program = typedProgram(fixture);
const { service, acl, endpoint_group: group } = program.tables;
const { selector } = program.actionProfiles;

/** What an entry means: the value and mask of a field, 16 bits each, by field id. Mask 0 is "any". */
interface Meaning {
  readonly table: number;
  readonly priority: number;
  readonly fields: readonly { readonly value: number; readonly mask: number }[];
}

const meaning: fc.Arbitrary<Meaning> = fc.record({
  table: fc.integer({ min: 1, max: 2 }),
  priority: fc.integer({ min: 0, max: 2 }),
  fields: fc.tuple(
    ...[0, 1, 2].map(() =>
      fc.record({ value: fc.constantFrom(0, 1, 0x100, 0x101), mask: fc.constantFrom(0, 1, 0x100, 0xffff) }),
    ),
  ),
});

/** One of the many ways to write a meaning down: order, leading zeros, noise outside of masks, "any" spelt out. */
const notation = fc.record({
  reversed: fc.boolean(),
  padding: fc.integer({ min: 0, max: 3 }),
  noise: fc.integer({ min: 0, max: 0xffff }),
  spellOut: fc.boolean(),
});
type Notation = typeof notation extends fc.Arbitrary<infer T> ? T : never;

function bytes(value: number, padding: number): Uint8Array {
  const digits = value < 0x100 ? [value] : [value >> 8, value & 0xff];
  return Uint8Array.from([...new Array<number>(padding).fill(0), ...digits]);
}

function write({ table, priority, fields }: Meaning, how: Notation): Entity {
  const match = fields.flatMap(({ value, mask }, i): FieldMatch[] => {
    if (mask === 0 && !how.spellOut) return [];
    const noisy = (value & mask) | (how.noise & ~mask & 0xffff);
    return [
      {
        fieldId: i + 1,
        fieldMatchType: {
          $case: 'ternary',
          value: { value: bytes(noisy, how.padding), mask: bytes(mask, how.padding) },
        },
      },
    ];
  });
  const entity = acl.all();
  if (entity.entity?.$case === 'tableEntry') {
    Object.assign(entity.entity.value, {
      tableId: table,
      priority,
      match: how.reversed ? match.reverse() : match,
    });
  }
  return entity;
}

function same(a: Meaning, b: Meaning): boolean {
  return (
    a.table === b.table &&
    a.priority === b.priority &&
    a.fields.every(({ value, mask }, i) => {
      const other = b.fields[i];
      return other !== undefined && mask === other.mask && (value & mask) === (other.value & mask);
    })
  );
}

describe('entityKey', () => {
  it('is the same exactly for the same entity, however written (property)', () => {
    fc.assert(
      fc.property(meaning, meaning, notation, notation, (a, b, howA, howB) => {
        expect(entityKey(write(a, howA))).toBe(entityKey(write(a, howB)));
        expect(entityKey(write(a, howA)) === entityKey(write(b, howB))).toBe(same(a, b));
      }),
      { numRuns: 2_000 },
    );
  });

  it('leaves out what is no part of the identity', () => {
    const key = { dst_ip: 1, protocol: 6, dst_port: 80 };
    const entry = service.entry(key, service.actions.forward({ mac: 1 }), { metadata: Uint8Array.of(1) });
    expect(entityKey(entry)).toBe(entityKey(service.key(key)));
    expect(entityKey(selector.member(1, selector.actions.select({ endpoint_id: 2 })))).toBe(
      entityKey(selector.member(1)),
    );
    expect(entityKey(selector.group(1, [{ member: 1 }], 4))).toBe(entityKey(selector.group(1)));
    expect(entityKey(multicastGroup(1, [{ egressPort: 1 }]))).toBe(entityKey(multicastGroup(1)));
  });

  it('tells all kinds of entities apart', () => {
    const key = { dst_ip: 1, protocol: 6, dst_port: 80 };
    const entities: Entity[] = [
      service.all(),
      service.key(key),
      service.key({ ...key, dst_port: 81 }),
      service.defaultEntry(),
      service.counter(key),
      service.counter(),
      acl.key({ vrf: 1 }, { priority: 1 }),
      acl.key({ vrf: 1 }, { priority: 2 }),
      acl.key({ vrf: 1, dst: '10.0.0.0/8' }, { priority: 1 }),
      acl.key({ vrf: 1, dst: '10.0.0.0/9' }, { priority: 1 }),
      acl.key({ vrf: 1, port: { low: 1, high: 2 } }, { priority: 1 }),
      acl.key({ vrf: 1, src_mac: 0 }, { priority: 1 }),
      group.key({ group_id: 1 }),
      selector.member(1),
      selector.member(2),
      selector.group(1),
      program.actionProfiles.plain.member(1),
      program.counters.drops.cell(0),
      program.counters.drops.cell(1),
      program.counters.drops.all(),
      program.meters.policer.cell(1),
      program.registers.state.cell(1),
      program.digests.learn.key(),
      multicastGroup(1),
      cloneSession(1),
      { entity: { $case: 'valueSetEntry', value: { valueSetId: 1, members: [] } } },
      {
        entity: {
          $case: 'directMeterEntry',
          value: { tableEntry: undefined, config: undefined, counterData: undefined },
        },
      },
      { entity: { $case: 'externEntry', value: { externTypeId: 1, externId: 1, entry: undefined } } },
      { entity: { $case: 'packetReplicationEngineEntry', value: { type: undefined } } },
      { entity: undefined },
    ];
    expect(new Set(entities.map(entityKey)).size).toBe(entities.length);
  });
});

describe('entityEquals', () => {
  const key = { dst_ip: 1, protocol: 6, dst_port: 80 };
  const entry = (group_id: number) => service.entry(key, service.actions.set_service({ group_id, flags: 0 }));
  const read = (entity: Entity) => Entity.decode(Entity.encode(entity).finish());
  const tableEntry = (entity: Entity): TableEntry => {
    if (entity.entity?.$case !== 'tableEntry') throw new Error('not a table entry');
    return entity.entity.value;
  };

  it('sees through notation, order and what only the server knows', () => {
    const found = read(entry(7));
    const value = tableEntry(found);
    value.counterData = { packetCount: 5n, byteCount: 6n };
    value.timeSinceLastHit = { elapsedNs: 9n };
    value.match.reverse();
    const action = value.action?.type;
    if (action?.$case === 'action') {
      action.value.params.reverse();
      for (const param of action.value.params) param.value = Uint8Array.from([0, 0, ...param.value]);
    }
    expect(entityEquals(entry(7), found)).toBe(true);
    expect(entityEquals(found, entry(8))).toBe(false);
  });

  it('sees differences', () => {
    const different: [Entity, Entity][] = [
      [entry(1), service.key(key)],
      [entry(1), service.entry(key, service.actions.forward({ mac: 1 }))],
      [
        entry(1),
        service.entry(key, service.actions.set_service({ group_id: 1, flags: 0 }), { idleTimeoutNs: 1n }),
      ],
      [group.entry({ group_id: 1 }, group.group(1)), group.entry({ group_id: 1 }, group.member(1))],
      [group.entry({ group_id: 1 }, group.group(1)), group.entry({ group_id: 1 }, group.group(2))],
      [selector.group(1, [{ member: 1 }]), selector.group(1, [{ member: 1, weight: 2 }])],
      [selector.group(1, [{ member: 1 }]), selector.group(1, [{ member: 2 }])],
      [selector.group(1, [{ member: 1 }]), selector.group(1, [{ member: 1 }], 5)],
      [selector.group(1, [{ member: 1 }]), selector.group(1, [{ member: 1, watchPort: Uint8Array.of(1) }])],
      [selector.member(1), program.counters.drops.cell(1)],
      [multicastGroup(1, [{ egressPort: 1 }]), multicastGroup(1, [{ egressPort: 2 }])],
    ];
    for (const [a, b] of different) expect(entityEquals(a, b)).toBe(false);
    for (const [a, b] of different)
      expect([entityEquals(a, read(a)), entityEquals(read(b), b)]).toEqual([true, true]);
  });

  it('knows members and action sets in any order, but as often as they are there', () => {
    const a = selector.group(1, [
      { member: 1, weight: 3 },
      { member: 2, watchPort: Uint8Array.of(0, 5) },
    ]);
    const b = selector.group(1, [
      { member: 2, watchPort: Uint8Array.of(5) },
      { member: 1, weight: 3 },
    ]);
    expect(entityEquals(a, b)).toBe(true);
    const one = { action: group.actions.select({ endpoint_id: 1 }) };
    const two = { action: group.actions.select({ endpoint_id: 2 }) };
    const set = (...actions: (typeof one)[]) => group.entry({ group_id: 1 }, group.actionSet(actions));
    expect(entityEquals(set(one, two), set(two, one))).toBe(true);
    expect(entityEquals(set(one, one, two), set(one, two, two))).toBe(false);
  });
});
