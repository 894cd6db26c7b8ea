import { thrown } from '@infra-offload/base/testing';
import { describe, expect, expectTypeOf, it } from 'vitest';
import { P4rtError, type P4rtErrorCode } from '../errors.js';
import { Entity, type TableEntry } from '../gen/p4/v1/p4runtime.js';
import { fixture } from '../testing/fixture.js';
import { typedProgram } from './program.js';

const program = typedProgram(fixture);
const { service, acl, endpoint_group: group, port_names: names } = program.tables;

function tableEntry(entity: Entity): TableEntry {
  if (entity.entity?.$case !== 'tableEntry') throw new Error('not a table entry');
  return entity.entity.value;
}

function failure(run: () => unknown): { code: P4rtErrorCode; message: string } {
  const { code, message } = thrown(P4rtError, run);
  return { code, message };
}

describe('entry', () => {
  it('has ids and canonical byte strings in field order', () => {
    const entity = service.entry(
      { dst_port: 80, dst_ip: '10.96.0.10', protocol: 6 },
      service.actions.set_service({ flags: 0, group_id: 0x1234 }),
      { idleTimeoutNs: 5_000_000_000, metadata: Uint8Array.of(7) },
    );
    expect(tableEntry(entity)).toMatchObject({
      tableId: 0x0200_0001,
      match: [
        { fieldId: 1, fieldMatchType: { $case: 'exact', value: { value: Uint8Array.of(10, 96, 0, 10) } } },
        { fieldId: 2, fieldMatchType: { $case: 'exact', value: { value: Uint8Array.of(6) } } },
        { fieldId: 3, fieldMatchType: { $case: 'exact', value: { value: Uint8Array.of(80) } } },
      ],
      action: {
        type: {
          $case: 'action',
          value: {
            actionId: 0x0100_0001,
            params: [
              { paramId: 1, value: Uint8Array.of(0x12, 0x34) },
              { paramId: 2, value: Uint8Array.of(0) },
            ],
          },
        },
      },
      priority: 0,
      idleTimeoutNs: 5_000_000_000n,
      metadata: Uint8Array.of(7),
    });
  });

  it("leaves don't-care matches out", () => {
    const entity = acl.key(
      {
        vrf: 1,
        dst: '0.0.0.0/0',
        flags: { value: 0x1ff, mask: 0 },
        port: { low: 0, high: 65535 },
        src_mac: undefined,
      },
      { priority: 1 },
    );
    expect(tableEntry(entity).match.map((match) => match.fieldId)).toEqual([1]);
  });

  it('clears the bits that a prefix or mask leaves out', () => {
    const { match } = tableEntry(
      acl.key({ vrf: 1023, dst: '10.1.2.255/23', flags: { value: 0x1ff, mask: 0x0f0 } }, { priority: 1 }),
    );
    expect(match.map((one) => one.fieldMatchType?.value)).toEqual([
      { value: Uint8Array.of(3, 255) },
      { value: Uint8Array.of(10, 1, 2, 0), prefixLen: 23 },
      { value: Uint8Array.of(0xf0), mask: Uint8Array.of(0xf0) },
    ]);
    const zero = tableEntry(acl.key({ vrf: 0, dst: '0.0.0.255/8' }, { priority: 1 })).match[1];
    expect(zero?.fieldMatchType?.value).toEqual({ value: Uint8Array.of(0), prefixLen: 8 });
  });

  it('takes a bare value for a match of exactly that value', () => {
    const entity = acl.key(
      { vrf: 0, dst: '10.0.0.1', flags: 5, port: 80, src_mac: '02:00:00:00:00:01' },
      { priority: 9 },
    );
    expect(acl.decode(entity)).toMatchObject({
      match: {
        vrf: 0,
        dst: { value: 0x0a000001, prefixLength: 32 },
        flags: { value: 5, mask: 0x1ff },
        port: { low: 80, high: 80 },
        src_mac: 0x0200_0000_0001n,
      },
      priority: 9,
    });
  });

  it('carries strings of sdn_string fields as UTF-8', () => {
    const entity = names.key({ port: 'Ethernet1/é' });
    expect(names.decode(entity).match.port).toBe('Ethernet1/é');
  });

  it('survives the wire', () => {
    const entity = acl.entry({ vrf: 1, flags: 3 }, acl.actions.allow({ mask: 2n ** 63n }), {
      priority: 2 ** 31 - 1,
    });
    const decoded = acl.decode(Entity.decode(Entity.encode(entity).finish()));
    expect(decoded).toEqual({
      match: { vrf: 1, flags: { value: 3, mask: 0x1ff } },
      action: { kind: 'action', name: 'allow', params: { mask: 2n ** 63n } },
      priority: 2 ** 31 - 1,
      isDefault: false,
      isConst: false,
      idleTimeoutNs: 0n,
      metadata: new Uint8Array(0),
    });
  });
});

describe('what is refused at run time', () => {
  const table = program.table('acl');
  const drop = acl.actions.drop();
  const cases: [string, () => unknown, P4rtErrorCode, RegExp][] = [
    [
      'a missing exact key',
      () => program.table('service').key({ dst_ip: 1, protocol: 6 }),
      'INVALID',
      /'dst_port' is missing/,
    ],
    [
      'a misspelt key',
      () => table.key({ vrf: 1, dts: 1 }, { priority: 1 }),
      'UNKNOWN_NAME',
      /no match field 'dts'; did you mean 'dst'\?/,
    ],
    [
      'a value that does not fit',
      () => table.key({ vrf: 1024 }, { priority: 1 }),
      'INVALID',
      /table 'acl' match field 'vrf': 1024 does not fit 10 bits/,
    ],
    ['a negative value', () => table.key({ vrf: -1 }, { priority: 1 }), 'INVALID', /'vrf'/],
    ['a fraction', () => table.key({ vrf: 1.5 }, { priority: 1 }), 'INVALID', /1\.5/],
    [
      'a range upside down',
      () => table.key({ vrf: 1, port: { low: 300, high: 22 } }, { priority: 1 }),
      'INVALID',
      /low 300 is above its high 22/,
    ],
    [
      'a prefix that is too long',
      () => table.key({ vrf: 1, dst: '10.0.0.0/33' }, { priority: 1 }),
      'INVALID',
      /'10\.0\.0\.0\/33' is not within 0\.\.32/,
    ],
    [
      'a prefix that is no number',
      () => table.key({ vrf: 1, dst: '10.0.0.0/x' }, { priority: 1 }),
      'INVALID',
      /prefix length/,
    ],
    [
      'a prefix without length',
      () => table.key({ vrf: 1, dst: '10.0.0.0/' }, { priority: 1 }),
      'INVALID',
      /prefix length/,
    ],
    [
      'the shape of another kind',
      () => table.key({ vrf: { value: 1, mask: 1 } }, { priority: 1 }),
      'INVALID',
      /is exact: expected a value, got \{ value, mask \}/,
    ],
    [
      'no priority where one is needed',
      () => table.key({ vrf: 1 }),
      'INVALID',
      /needs a priority of at least 1/,
    ],
    ['priority 0', () => table.key({ vrf: 1 }, { priority: 0 }), 'INVALID', /priority 0/],
    [
      'a priority where none belongs',
      () => program.table('service').key({ dst_ip: 1, protocol: 6, dst_port: 1 }, { priority: 1 }),
      'INVALID',
      /takes no priority/,
    ],
    [
      'an action of another table',
      () => table.entry({ vrf: 1 }, service.actions.forward({ mac: 1 }), { priority: 1 }),
      'INVALID',
      /no action with id 16777219; it has 'drop', 'allow'/,
    ],
    [
      'a default-only action in an entry',
      () => program.table('service').entry({ dst_ip: 1, protocol: 6, dst_port: 1 }, drop),
      'INVALID',
      /'drop': only the default entry may use it; choose from 'set_service', 'forward'/,
    ],
    [
      'a table-only action as default',
      () => program.table('service').defaultEntry(service.actions.forward({ mac: 1 })),
      'INVALID',
      /the default entry may not use it/,
    ],
    [
      'a new default where the program fixes it',
      () => table.defaultEntry(drop),
      'INVALID',
      /fixes its default action 'drop'/,
    ],
    [
      'an entry of a const table',
      () => program.table('port_names').entry({ port: 'a' }, drop),
      'INVALID',
      /is const/,
    ],
    [
      'a direct action where a profile is',
      () => program.table('endpoint_group').entry({ group_id: 1 }, drop),
      'INVALID',
      /takes member\(id\), group\(id\) or actionSet/,
    ],
    [
      'a member where no profile is',
      () => table.entry({ vrf: 1 }, group.member(1), { priority: 1 }),
      'INVALID',
      /has no action profile/,
    ],
    [
      'a weight below 1',
      () => group.actionSet([{ action: group.actions.select({ endpoint_id: 1 }), weight: 0 }]),
      'INVALID',
      /weight 0/,
    ],
    [
      'an idle timeout where none is supported',
      () => table.entry({ vrf: 1 }, drop, { priority: 1, idleTimeoutNs: 1n }),
      'INVALID',
      /idle timeouts/,
    ],
    [
      'an unknown table',
      () => program.table('servce'),
      'UNKNOWN_NAME',
      /no table 'servce'; did you mean 'service'\?/,
    ],
    [
      'a decode by another table',
      () => table.decode(service.all()),
      'INVALID',
      /table 'acl' has id 33554434, but the entry is of table 33554433/,
    ],
  ];
  it.each(cases)('%s', (_, run, code, message) => {
    const error = failure(run);
    expect(error.message).toMatch(message);
    expect(error.code).toBe(code);
  });
  it('arguments that plain JavaScript may leave out', () => {
    const call = (method: 'entry' | 'key' | 'action', ...args: unknown[]): unknown =>
      Reflect.apply(program.table('service')[method], program.table('service'), args);
    const key = { dst_ip: 1, protocol: 6, dst_port: 80 };
    expect(failure(() => call('key')).message).toMatch(/a match is an object of fields, not undefined/);
    expect(failure(() => call('entry', key)).message).toMatch(/an entry needs an action/);
    expect(failure(() => call('entry', key, {})).message).toMatch(/an entry needs an action/);
    expect(failure(() => call('action', 'forward', null)).message).toMatch(/parameters are an object/);
    expect(failure(() => call('action', 'forward', { mac: null })).message).toMatch(/parameter 'mac'/);
  });
  it('parameters that are missing or unknown', () => {
    const set = program.table('service').actions.set_service;
    expect(failure(() => set?.({ group_id: 1 })).message).toMatch(
      /parameter 'flags' is missing; it takes 'group_id', 'flags'/,
    );
    expect(failure(() => set?.({ group_id: 1, flags: 0, flag: 1 })).message).toMatch(
      /no parameter 'flag'; did you mean 'flags'\?/,
    );
  });
});

describe('tables with an action profile', () => {
  it('point to members, groups and action sets', () => {
    const select = group.actions.select({ endpoint_id: 4 });
    const decoded = [
      group.member(3),
      group.group(7),
      group.actionSet([{ action: select, weight: 2 }, { action: select }]),
    ].map((action) => group.decode(group.entry({ group_id: 1 }, action)).action);
    const action = { kind: 'action', name: 'select', params: { endpoint_id: 4 } };
    expect(decoded).toEqual([
      { kind: 'member', member: 3 },
      { kind: 'group', group: 7 },
      {
        kind: 'actionSet',
        actionSet: [
          { action, weight: 2 },
          { action, weight: 1 },
        ],
      },
    ]);
  });
});

describe('other entities of a table', () => {
  it('wildcards and default entries', () => {
    expect(tableEntry(service.all())).toMatchObject({
      tableId: 0x0200_0001,
      match: [],
      isDefaultAction: false,
    });
    const entity = service.defaultEntry(service.defaultActions.drop());
    expect(service.decode(entity)).toMatchObject({ isDefault: true, action: { name: 'drop' } });
    expect(service.decode(service.defaultEntry())).not.toHaveProperty('action');
  });

  it('direct counters', () => {
    const entity = service.counter(
      { dst_ip: 1, protocol: 6, dst_port: 80 },
      { data: { packets: 3n, bytes: 180n } },
    );
    expect(service.decodeCounter(entity)).toEqual({
      match: { dst_ip: 1, protocol: 6, dst_port: 80 },
      priority: 0,
      packets: 3n,
      bytes: 180n,
    });
    expect(service.decodeCounter(service.counter()).match).toEqual({});
  });
});

describe('types', () => {
  it('know keys, kinds, actions and priorities', () => {
    type ServiceMatch = Parameters<typeof service.entry>[0];
    expectTypeOf<{ dst_ip: string; protocol: number; dst_port: bigint }>().toExtend<ServiceMatch>();
    expectTypeOf<{ dst_ip: string; protocol: number }>().not.toExtend<ServiceMatch>();
    expectTypeOf<keyof ServiceMatch>().toEqualTypeOf<'dst_ip' | 'protocol' | 'dst_port'>();
    expectTypeOf<{ dst_ip: { value: number; mask: number } }['dst_ip']>().not.toExtend<
      ServiceMatch['dst_ip']
    >();

    type AclMatch = Parameters<typeof acl.key>[0];
    expectTypeOf<{ vrf: 1 }>().toExtend<AclMatch>();
    expectTypeOf<{ value: 1; mask: 1 }>().not.toExtend<AclMatch['port']>();
    expectTypeOf<{ low: 1; high: 1 }>().toExtend<AclMatch['port']>();

    expectTypeOf(acl.key).parameters.toEqualTypeOf<
      [match: AclMatch, options: { readonly priority: number }]
    >();
    expectTypeOf(service.key).parameters.toEqualTypeOf<
      [match: ServiceMatch, options?: { readonly priority?: never }]
    >();
  });

  it('offer only the actions that fit', () => {
    expectTypeOf<keyof typeof service.actions>().toEqualTypeOf<'set_service' | 'forward'>();
    expectTypeOf<keyof typeof service.defaultActions>().toEqualTypeOf<'set_service' | 'drop'>();
    type EntryAction = Parameters<typeof service.entry>[1];
    expectTypeOf(service.actions.forward).returns.toExtend<EntryAction>();
    expectTypeOf(service.defaultActions.drop).returns.not.toExtend<EntryAction>();
    expectTypeOf(acl.actions.allow).returns.not.toExtend<EntryAction>();
    expectTypeOf(group.member).returns.not.toExtend<EntryAction>();
    expectTypeOf(group.actions.select).returns.not.toExtend<Parameters<typeof group.entry>[1]>();
    expectTypeOf(group.group).returns.toExtend<Parameters<typeof group.entry>[1]>();
    expectTypeOf<Parameters<typeof service.actions.set_service>[0]>().toEqualTypeOf<{
      readonly group_id: number | bigint | string | Uint8Array;
      readonly flags: number | bigint | string | Uint8Array;
    }>();
    expectTypeOf<typeof acl>().not.toHaveProperty('counter');
    expectTypeOf<typeof acl>().not.toHaveProperty('member');
  });

  it('tell what decoding gives', () => {
    const decoded = acl.decode(acl.entry({ vrf: 1 }, acl.actions.drop(), { priority: 1 }));
    expectTypeOf(decoded.match.vrf).toEqualTypeOf<number>();
    expectTypeOf(decoded.match.src_mac).toEqualTypeOf<bigint | undefined>();
    expectTypeOf(decoded.match.port).toEqualTypeOf<
      { readonly low: number; readonly high: number } | undefined
    >();
    if (decoded.action?.name === 'allow') expectTypeOf(decoded.action.params.mask).toEqualTypeOf<bigint>();
    expectTypeOf(names.decode(names.all()).match.port).toEqualTypeOf<string>();
    expect(decoded.action).toEqual({ kind: 'action', name: 'drop', params: {} });
  });
});
