import { describe, expect, expectTypeOf, it } from 'vitest';
import { Entity, type P4Data } from '../gen/p4/v1/p4runtime.js';
import { cloneSession, multicastGroup } from '../replication.js';
import { fixture } from '../testing/fixture.js';
import { typedProgram } from './program.js';

const program = typedProgram(fixture);
const { counters, meters, registers, digests, actionProfiles } = program;
const wire = (entity: Entity) => Entity.decode(Entity.encode(entity).finish());
const INVALID = expect.objectContaining({ code: 'INVALID' });

describe('action profiles', () => {
  const { selector, plain } = actionProfiles;

  it('have members and groups that come back', () => {
    const member = selector.member(3, selector.actions.select({ endpoint_id: 9 }));
    expect(selector.decodeMember(wire(member))).toEqual({
      member: 3,
      action: { kind: 'action', name: 'select', params: { endpoint_id: 9 } },
    });
    expect(selector.decodeMember(selector.members())).toEqual({ member: 0 });
    const group = selector.group(1, [{ member: 3, weight: 2, watchPort: 5 }, { member: 4 }], 10);
    expect(selector.decodeGroup(group)).toEqual({
      group: 1,
      members: [
        { member: 3, weight: 2, watchPort: Uint8Array.of(5) },
        { member: 4, weight: 1 },
      ],
      maxSize: 10,
    });
    expect(selector.decodeGroup(wire(selector.groups()))).toEqual({ group: 0, members: [], maxSize: 0 });
  });

  it('refuse what cannot be', () => {
    expect(() => selector.group(1, [{ member: 1, weight: 0 }])).toThrow(
      /weight of member 1 0 is not within 1/,
    );
    expect(() => selector.group(1, [{ member: 1, weight: 1.5 }])).toThrow(INVALID);
    expect(() => selector.group(1, [{ member: 1 }, { member: 1 }])).toThrow(/member 1 is named twice/);
    expect(() => selector.group(1, [], 17)).toThrow(/above the profile's 16/);
    expect(() => selector.group(-1)).toThrow(INVALID);
    expect(() => selector.member(2 ** 32)).toThrow(INVALID);
    expect(() => plain.group(1)).toThrow(/no selector/);
    expect(() => selector.decodeMember(plain.member(1))).toThrow(INVALID);
    expect(() => selector.decodeGroup(selector.member(1))).toThrow(INVALID);
    expect(() => program.actionProfile('selectr')).toThrow(/did you mean 'selector'/);
    expect(() => program.actionProfile('selector').action('selec', {})).toThrow(/did you mean 'select'/);
  });
});

describe('counters, meters, registers and digests', () => {
  it('have cells that come back', () => {
    expect(counters.drops.decode(wire(counters.drops.cell(255, { packets: 2n, bytes: 3n })))).toEqual({
      index: 255n,
      packets: 2n,
      bytes: 3n,
    });
    const config = { cir: 1n, cburst: 2n, pir: 3n, pburst: 4n, eburst: 0n };
    expect(meters.policer.decode(wire(meters.policer.cell(1n, config)))).toEqual({ index: 1n, config });
    expect(registers.state.decode(wire(registers.state.cell(7, '02:00:00:00:00:01')))).toEqual({
      index: 7n,
      value: 0x0200_0000_0001n,
    });
    expect(digests.learn.config({ maxTimeoutNs: 0n, maxListSize: 1, ackTimeoutNs: 5n }).entity).toMatchObject(
      {
        value: { digestId: fixture.digests.learn.id, config: { maxListSize: 1, ackTimeoutNs: 5n } },
      },
    );
  });

  it('have wildcards without index', () => {
    for (const entity of [counters.drops.all(), meters.policer.all(), registers.state.all()]) {
      expect(entity.entity?.value).toMatchObject({ index: undefined });
    }
  });

  it('refuse what cannot be', () => {
    expect(() => counters.drops.cell(256)).toThrow(/counter 'drops': index 256 is not within 0\.\.255/);
    expect(() => counters.drops.cell(-1)).toThrow(INVALID);
    expect(() => counters.drops.cell(0.5)).toThrow(INVALID);
    expect(() => counters.drops.cell(0, { packets: -1n, bytes: 0n })).toThrow(INVALID);
    expect(() => registers.state.cell(0, 2n ** 48n)).toThrow(/register 'state'/);
    expect(() => registers.pairs.cell(0, 1)).toThrow(/struct pair_t; make its RegisterEntry by hand/);
    expect(() => registers.state.decode(registers.state.cell(0))).toThrow(
      expect.objectContaining({ code: 'MALFORMED' }),
    );
    expect(() => counters.drops.decode(meters.policer.all())).toThrow(
      /expected a cell of counter 'drops', got meterEntry/,
    );
    expect(() => digests.learn.config({ maxTimeoutNs: 0n, maxListSize: -1, ackTimeoutNs: 0n })).toThrow(
      INVALID,
    );
    expect(() => program.counter('drop')).toThrow(/did you mean 'drops'/);
    expect(() => program.register('nothing')).toThrow(/there are 'state', 'pairs'/);
  });
});

describe('packets, digests and value sets', () => {
  it('have typed metadata', () => {
    const { packet_out: header } = program.packetMetadata;
    const metadata = header.encode({ egress_port: 300, cookie: 5 });
    expect(metadata).toEqual([
      { metadataId: 1, value: Uint8Array.of(1, 44) },
      { metadataId: 2, value: Uint8Array.of(5) },
    ]);
    const decoded = header.decode(metadata);
    expect(decoded).toEqual({ egress_port: 300, cookie: 5n });
    expectTypeOf(decoded).toEqualTypeOf<{ readonly egress_port: number; readonly cookie: bigint }>();
    expect(() => header.encode({ egress_port: 512, cookie: 0 })).toThrow(
      /field 'egress_port': 512 does not fit 9 bits/,
    );
    expect(() => header.decode([])).toThrow(/field 'egress_port' is missing/);
  });

  it('have digest data by field', () => {
    const bits = (...value: number[]) => ({
      data: { $case: 'bitstring' as const, value: Uint8Array.from(value) },
    });
    const flag = { data: { $case: 'bool' as const, value: true } };
    const data = (...members: P4Data[]): P4Data => ({ data: { $case: 'struct', value: { members } } });
    const list = { digestId: digests.learn.id, listId: 1n, timestamp: 0n };
    expect(digests.learn.decode({ ...list, data: [data(bits(2, 0, 0, 0, 0, 1), bits(7), flag)] })).toEqual([
      { mac: 0x0200_0000_0001n, port: 7, valid: flag },
    ]);
    expect(() => digests.learn.decode({ ...list, data: [data(bits(1))] })).toThrow(
      /expected struct learn_t, got 1 fields/,
    );
    expect(() => digests.learn.decode({ ...list, data: [bits(1)] })).toThrow(/got bitstring/);
    expect(() => digests.learn.decode({ ...list, digestId: 1, data: [] })).toThrow(INVALID);
  });

  it('have value sets', () => {
    const { tunnels } = program.valueSets;
    expect(tunnels.decode(wire(tunnels.entry([{ udp_port: 4789 }, { udp_port: 6081 }])))).toEqual([
      { udp_port: 4789 },
      { udp_port: 6081 },
    ]);
    expect(() => tunnels.entry([{ udp_port: 1 }, { udp_port: 2 }, { udp_port: 3 }])).toThrow(
      /takes 2 members, not 3/,
    );
    expect(() => tunnels.entry([{ udp_port: 70000 }])).toThrow(/value set 'tunnels' match field 'udp_port'/);
    expect(() => tunnels.decode(counters.drops.all())).toThrow(INVALID);
  });
});

describe('packet replication', () => {
  it('makes multicast groups and clone sessions', () => {
    const replicas = [{ port: Uint8Array.of(1) }, { port: Uint8Array.of(1), instance: 1 }, { egressPort: 2 }];
    const group = multicastGroup(5, replicas).entity?.value;
    expect(group).toMatchObject({
      type: {
        value: {
          multicastGroupId: 5,
          replicas: [
            { portKind: { $case: 'port', value: Uint8Array.of(1) }, instance: 0 },
            { instance: 1 },
            { portKind: { $case: 'egressPort', value: 2 } },
          ],
        },
      },
    });
    expect(
      cloneSession(1, { replicas: [{ egressPort: 1 }], packetLengthBytes: 64 }).entity?.value,
    ).toMatchObject({
      type: { value: { sessionId: 1, classOfService: 0, packetLengthBytes: 64 } },
    });
    const byNumber = multicastGroup(5, [{ port: 1 }, { port: 1n, instance: 1 }, { egressPort: 2 }]);
    expect(byNumber.entity?.value).toEqual(group);
    expect(multicastGroup(5, [{ port: 0x102 }]).entity?.value).toMatchObject({
      type: { value: { replicas: [{ portKind: { value: Uint8Array.of(1, 2) } }] } },
    });
    expect(() => multicastGroup(1, [{ port: 1 }, { port: Uint8Array.of(0, 1) }])).toThrow(/twice/);
    expect(() => multicastGroup(0)).toThrow(INVALID);
    expect(() => cloneSession(0)).toThrow(INVALID);
    expect(() => multicastGroup(1, [{ egressPort: 1 }, { egressPort: 1 }])).toThrow(/twice/);
  });

  it.each([
    [[{ port: 1 }], /^multicast group id \(object\) is not within/],
    [[1, [{ port: -1 }]], /^multicast group 1: port: /],
    [[1, [{ port: 1.5 }]], /^multicast group 1: port: /],
    [[1, [{ port: 'eth0' }]], /^multicast group 1: port: /],
    [[1, [{ port: undefined }]], /^multicast group 1: port: /],
    [[1, [{}]], /^multicast group 1: egress port undefined is not within/],
    [[1, [{ egressPort: -1 }]], /egress port -1 is not within/],
    [[1, [{ port: 1, instance: -1 }]], /instance -1 is not within/],
  ])('refuses what callers in JavaScript may give: %j', (args, message) => {
    expect(() => Reflect.apply(multicastGroup, undefined, args)).toThrow(message);
    expect(() => Reflect.apply(multicastGroup, undefined, args)).toThrow(INVALID);
  });
});
