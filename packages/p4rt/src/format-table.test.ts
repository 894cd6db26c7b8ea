import { describe, expect, it } from 'vitest';
import { formatEntry, formatTable } from './format-table.js';
import type { Entity } from './gen/p4/v1/p4runtime.js';
import { fixture } from './testing/fixture.js';
import { typedProgram } from './typed/program.js';

const program = typedProgram(fixture);
const { service, acl, endpoint_group: group } = program.tables;
const { selector } = program.actionProfiles;
const web = service.entry(
  { dst_ip: '10.96.0.10', protocol: 6, dst_port: 80 },
  service.actions.set_service({ group_id: 7, flags: 0 }),
  { idleTimeoutNs: 5, metadata: Uint8Array.of(1, 255) },
);
const fallback = service.defaultEntry(service.defaultActions.drop());
const allowed = acl.entry(
  { vrf: 3, dst: '10.0.0.0/8', flags: { value: 1, mask: 3 } },
  acl.actions.allow({ mask: 255 }),
  { priority: 9 },
);
const dropped = acl.entry({ vrf: 10, src_mac: '02:00:00:00:00:01' }, acl.actions.drop(), { priority: 10 });

/** As a server reports it. */
function counted(entity: Entity): Entity {
  if (entity.entity?.$case !== 'tableEntry') throw new Error('no table entry');
  const counterData = { packetCount: 3n, byteCount: 300n };
  return { entity: { $case: 'tableEntry', value: { ...entity.entity.value, counterData } } };
}

describe('formatTable', () => {
  it('aligns the entries of each table, in the order given', () => {
    const entities = [
      web,
      allowed,
      selector.member(4, selector.actions.select({ endpoint_id: 3 })),
      fallback,
      dropped,
    ];
    expect(formatTable(program, entities)).toBe(`service: 2 entries
dst_ip      protocol  dst_port  action
10.96.0.10  6         80        set_service(group_id=7, flags=0)
                                default: drop()

acl: 2 entries
vrf  dst         flags      port  src_mac            priority  action
3    10.0.0.0/8  0x1&&&0x3  *     *                  9         allow(mask=0xff)
10   *           *          *     02:00:00:00:00:01  10        drop()

selector member 4 -> select(endpoint_id=3)`);
  });

  it('has counts where a server told them, and no action in keys', () => {
    const entries = [counted(web), service.key({ dst_ip: 1, protocol: 17, dst_port: 53 })];
    expect(formatTable(program, entries)).toBe(`service: 2 entries
dst_ip      protocol  dst_port  packets  bytes  action
10.96.0.10  6         80        3        300    set_service(group_id=7, flags=0)
0.0.0.1     17        53`);
  });

  it('has ids without a program', () => {
    expect(
      formatTable(undefined, [group.entry({ group_id: 1 }, group.group(2))]),
    ).toBe(`table 33554435: 1 entry
1    action
0x1  group 2`);
  });

  it('is empty without entities', () => {
    expect(formatTable(program, [])).toBe('');
  });
});

describe('formatEntry', () => {
  it('has a line for each part of an entry', () => {
    expect(formatEntry(program, counted(web))).toBe(`table         service
dst_ip        10.96.0.10
protocol      6
dst_port      80
action        set_service
  group_id    7
  flags       0
idle timeout  5 ns
metadata      0x01ff
packets       3
bytes         300`);
    expect(formatEntry(program, dropped)).toBe(`table     acl
vrf       10
dst       *
flags     *
port      *
src_mac   02:00:00:00:00:01
priority  10
action    drop`);
  });

  it('knows default entries, groups and other entities', () => {
    expect(formatEntry(program, fallback)).toBe('table    service\ndefault  yes\naction   drop');
    expect(formatEntry(program, group.entry({ group_id: 1 }, group.member(2)))).toBe(
      'table     endpoint_group\ngroup_id  1\naction    member 2',
    );
    expect(formatEntry(program, selector.member(4))).toBe('selector member 4');
  });
});
