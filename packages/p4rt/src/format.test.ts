import { describe, expect, it } from 'vitest';
import { formatEntity, formatUpdate } from './format.js';
import type { Entity } from './gen/p4/v1/p4runtime.js';
import { cloneSession, multicastGroup } from './replication.js';
import { fixture } from './testing/fixture.js';
import { typedProgram } from './typed/program.js';
import { insert, remove } from './updates.js';

const program = typedProgram(fixture);
const { service, acl, endpoint_group: group, port_names: names } = program.tables;
const { selector } = program.actionProfiles;
const key = { dst_ip: '10.96.0.10', protocol: 6, dst_port: 80 };

describe('formatEntity', () => {
  const cases: [Entity, string][] = [
    [
      service.entry(key, service.actions.set_service({ group_id: 7, flags: 0 })),
      'service dst_ip=10.96.0.10 protocol=6 dst_port=80 -> set_service(group_id=7, flags=0)',
    ],
    [
      acl.entry(
        {
          vrf: 3,
          dst: '10.0.0.0/8',
          flags: { value: 1, mask: 3 },
          port: { low: 1, high: 5 },
          src_mac: '02:00:00:00:00:01',
        },
        acl.actions.allow({ mask: 255 }),
        { priority: 9 },
      ),
      'acl vrf=3 dst=10.0.0.0/8 flags=0x1&&&0x3 port=1..5 src_mac=02:00:00:00:00:01 priority=9 -> allow(mask=0xff)',
    ],
    [acl.key({ vrf: 3, flags: 5 }, { priority: 1 }), 'acl vrf=3 flags=5 priority=1'],
    [names.key({ port: 'eth0' }), 'port_names port=eth0'],
    [service.defaultEntry(service.defaultActions.drop()), 'service default -> drop()'],
    [group.entry({ group_id: 1 }, group.group(2)), 'endpoint_group group_id=1 -> group 2'],
    [group.entry({ group_id: 1 }, group.member(2)), 'endpoint_group group_id=1 -> member 2'],
    [
      group.entry(
        { group_id: 1 },
        group.actionSet([{ action: group.actions.select({ endpoint_id: 3 }), weight: 2 }]),
      ),
      'endpoint_group group_id=1 -> {select(endpoint_id=3)*2}',
    ],
    [
      selector.member(4, selector.actions.select({ endpoint_id: 3 })),
      'selector member 4 -> select(endpoint_id=3)',
    ],
    [
      selector.group(5, [{ member: 1 }, { member: 2, weight: 3 }], 8),
      'selector group 5 max_size=8 {1*1, 2*3}',
    ],
    [program.counters.drops.cell(2, { packets: 1n, bytes: 64n }), 'drops[2] packets=1 bytes=64'],
    [program.counters.drops.all(), 'drops[*]'],
    [service.counter(key), 'counter of service dst_ip=10.96.0.10 protocol=6 dst_port=80'],
    [program.registers.state.cell(1, 255), 'state[1] = 0xff'],
    [program.meters.policer.cell(1), 'policer[1]'],
    [program.digests.learn.key(), 'digest learn'],
    [multicastGroup(3), 'multicast group 3'],
    [cloneSession(4), 'clone session 4'],
    [{ entity: undefined }, 'empty entity'],
  ];
  it.each(cases)('%#', (entity, text) => {
    expect(formatEntity(program, entity)).toBe(text);
    expect(formatEntity(fixture, entity)).toBe(text);
  });

  it('falls back to ids', () => {
    expect(
      formatEntity(undefined, service.entry(key, service.actions.set_service({ group_id: 7, flags: 0 }))),
    ).toBe('table 33554433 1=0xa60000a 2=0x6 3=0x50 -> action 16777217(1=0x7, 2=0x0)');
    expect(formatEntity(undefined, selector.member(1))).toBe('actionProfile 285212673 member 1');
  });
});

it('formatUpdate says what is done', () => {
  expect(formatUpdate(program, insert(selector.group(1)))).toBe('INSERT selector group 1 {}');
  expect(formatUpdate(program, remove(service.key(key)))).toBe(
    'DELETE service dst_ip=10.96.0.10 protocol=6 dst_port=80',
  );
  expect(formatUpdate(program, { type: 2, entity: undefined })).toBe('MODIFY nothing');
});
