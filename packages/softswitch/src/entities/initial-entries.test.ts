import { insert, modify, remove } from '@infra-offload/p4rt';
import {
  SetForwardingPipelineConfigRequest_Action as Action,
  type Entity,
  type ForwardingPipelineConfig,
  type TableEntry,
  type Update,
  WriteRequest,
} from '@infra-offload/p4rt/proto';
import { describe, expect, it } from 'vitest';
import { LocalEngine } from '../dataplane/host/engine/local.js';
import { HostDataplane } from '../dataplane/host/host-dataplane.js';
import { Device } from '../p4runtime/device.js';
import { loadConfig } from '../pipeline/config.js';
import { MemoryPorts } from '../ports/memory.js';
import {
  forwardingOf,
  readAll,
  small,
  smallArtifacts,
  smallConfig,
  tryUpdate,
} from '../testing/forwarding.js';
import { bareEntry } from './messages.js';

const { fixed, acl, recent } = small.tables;

/** As p4c writes them. */
function entries(...updates: Update[]): Uint8Array {
  return WriteRequest.encode(WriteRequest.fromPartial({ updates })).finish();
}

function constant({ entity }: Entity): Entity {
  if (entity?.$case !== 'tableEntry') throw new Error('no table entry');
  return { entity: { $case: 'tableEntry', value: { ...entity.value, isConst: true } } };
}

/** The builder makes none for a constant table. */
const fixedEntry = (dst: number, port: number): Entity => ({
  entity: {
    $case: 'tableEntry',
    value: {
      ...bareEntry(required(fixed).id),
      match: [{ fieldId: 1, fieldMatchType: { $case: 'exact', value: { value: Uint8Array.of(dst) } } }],
      action: { type: { $case: 'action', value: required(acl?.actions.send?.({ port, mac: 7 })) } },
    },
  },
});
const aclEntry = (dst: number, port: number, priority: number): Entity =>
  required(acl).entry({ dst: { value: dst, mask: 0xff } }, required(acl?.actions.send?.({ port, mac: 7 })), {
    priority,
  });

function required<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('not there');
  return value;
}

/** One entry in a constant table; one const and one changeable entry in another. */
const PROGRAM = smallConfig({
  entries: entries(
    insert(constant(fixedEntry(1, 3))),
    insert(constant(aclEntry(1, 4, 20))),
    insert(aclEntry(2, 5, 10)),
  ),
});

const tableEntries = (found: readonly Entity[]): TableEntry[] =>
  found.flatMap(({ entity }) => (entity?.$case === 'tableEntry' ? [entity.value] : []));
const EVERY_TABLE: Entity = { entity: { $case: 'tableEntry', value: bareEntry(0) } };

describe('entries of the program', () => {
  it('T60 are in the tables from the start, and tell which are const', () => {
    const forwarding = forwardingOf(PROGRAM);
    const found = tableEntries(readAll(forwarding, EVERY_TABLE));
    expect(found.map(({ priority, isConst }) => [priority, isConst])).toEqual([
      [20, true],
      [10, false],
      [0, true],
    ]);
    expect(
      required(fixed).decode({ entity: { $case: 'tableEntry', value: required(found[2]) } }),
    ).toMatchObject({
      match: { dst: 1 },
      action: { name: 'send', params: { port: 3, mac: 7n } },
      isConst: true,
    });
    const { written } = forwarding.pipeline;
    expect(written.entries('fixed')).toHaveLength(1);
    expect(written.entries('acl')).toHaveLength(2);
  });

  it('T61 that are const keep match and action; the others are like any entry', () => {
    const forwarding = forwardingOf(PROGRAM);
    expect(tryUpdate(forwarding, insert(fixedEntry(2, 3)))).toBe('PERMISSION_DENIED');
    expect(tryUpdate(forwarding, remove(fixedEntry(1, 3)))).toBe('PERMISSION_DENIED');
    expect(tryUpdate(forwarding, remove(aclEntry(1, 4, 20)))).toBe('PERMISSION_DENIED');
    expect(tryUpdate(forwarding, modify(aclEntry(1, 4, 20)))).toBe('PERMISSION_DENIED');
    const counterData = { packetCount: 3n, byteCount: 200n };
    const key = required(acl).key({ dst: { value: 1, mask: 0xff } }, { priority: 20 });
    if (key.entity?.$case !== 'tableEntry') throw new Error('no table entry');
    const counted: Entity = { entity: { $case: 'tableEntry', value: { ...key.entity.value, counterData } } };
    expect(tryUpdate(forwarding, modify(counted))).toBe('OK');
    expect(tryUpdate(forwarding, modify(aclEntry(2, 6, 10)))).toBe('OK');
    expect(tryUpdate(forwarding, remove(aclEntry(2, 6, 10)))).toBe('OK');
    expect(tryUpdate(forwarding, insert(aclEntry(3, 6, 10)))).toBe('OK');
    expect(tryUpdate(forwarding, insert(constant(aclEntry(4, 6, 10))))).toBe('INVALID_ARGUMENT');
  });

  it.each([
    ['no WriteRequest', Uint8Array.of(0xff), /the entries are no p4\.v1\.WriteRequest in binary/],
    ['a deletion', entries(remove(fixedEntry(1, 1))), /entries: update #0 does not insert a table entry/],
    ['another entity', entries(insert({ entity: undefined })), /update #0 does not insert/],
    [
      'an entry twice',
      entries(insert(fixedEntry(1, 1)), insert(fixedEntry(1, 2))),
      /entries, update #1: table fixed: the entry exists already/,
    ],
    [
      'an entry of a table that the data plane fills',
      entries(
        insert(required(recent).entry({ source: 1, type: 2 }, required(recent?.actions.seen?.({ port: 1 })))),
      ),
      /update #0: table recent is filled by the data plane/,
    ],
    [
      'an entry of an unknown table',
      entries(insert({ entity: { $case: 'tableEntry', value: bareEntry(9) } })),
      /update #0: the program has no table 9/,
    ],
  ])('T62 that are %s are refused with the configuration', async (_, bytes, message) => {
    const { device, setPipeline } = server(new LocalEngine());
    for (const action of [Action.VERIFY, Action.VERIFY_AND_SAVE, Action.VERIFY_AND_COMMIT])
      await expect(setPipeline(action, smallConfig({ entries: bytes }))).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        message: expect.stringMatching(message),
      });
    expect(device.getPipeline({ deviceId: 1n, responseType: 0 })).toBeUndefined();
  });

  it('T63 that are nowhere are warned of', () => {
    const p4info = smallArtifacts.p4info.replace(
      'is_const_table: true',
      'is_const_table: true has_initial_entries: true',
    );
    const warnings = (bytes?: Uint8Array) =>
      loadConfig(
        new HostDataplane(new MemoryPorts(), new LocalEngine()),
        smallConfig({ p4info, ...(bytes === undefined ? {} : { entries: bytes }) }),
      ).warnings;
    expect(warnings()).toEqual([
      expect.stringMatching(/^table c\.fixed begins empty: the device config does not have/),
    ]);
    expect(warnings(entries(insert(fixedEntry(1, 1))))).toEqual([]);
  });

  it('K4 are known to who takes over, and a new configuration begins with its own', async () => {
    const engine = new LocalEngine();
    const first = server(engine);
    await first.setPipeline(Action.VERIFY_AND_COMMIT, PROGRAM);
    const before = first.read();
    expect(before).toHaveLength(3);
    const second = server(engine);
    await second.device.resume();
    expect(second.read()).toEqual(before);
    await second.setPipeline(Action.VERIFY_AND_COMMIT, smallConfig());
    expect(second.read()).toEqual([]);
  });

  it('P8 RECONCILE_AND_COMMIT keeps what a controller has made of them, and adds new ones', async () => {
    const { setPipeline, read, write } = server(new LocalEngine());
    await setPipeline(Action.VERIFY_AND_COMMIT, PROGRAM);
    await write([remove(aclEntry(2, 5, 10)), insert(aclEntry(9, 1, 5))]);
    const next = smallConfig({
      entries: entries(
        insert(constant(fixedEntry(1, 8))),
        insert(aclEntry(2, 5, 10)),
        insert(aclEntry(3, 5, 9)),
        insert(aclEntry(9, 7, 5)),
      ),
    });
    await setPipeline(Action.RECONCILE_AND_COMMIT, next);
    const ports = read().map((entry) => {
      const action = entry.action?.type;
      return [entry.priority, action?.$case === 'action' ? action.value.params[0]?.value[0] : undefined];
    });
    expect(ports).toEqual([
      [9, 5],
      [5, 1],
      [0, 8],
    ]);
  });
});

function server(engine: LocalEngine) {
  const device = new Device(1n, new HostDataplane(new MemoryPorts(), engine), undefined);
  const electionId = { high: 0n, low: 1n };
  const common = { deviceId: 1n, roleId: 0n, role: '', electionId };
  device.arbitration.update(
    { notify: () => undefined },
    { deviceId: 1n, role: undefined, electionId, status: undefined },
  );
  return {
    device,
    setPipeline: (action: Action, config: ForwardingPipelineConfig) =>
      device.setPipeline({ ...common, action, config }),
    write: (updates: Update[]) => device.write({ ...common, updates, atomicity: 0 }),
    read: () =>
      tableEntries(
        device
          .read({ deviceId: 1n, role: '', entities: [EVERY_TABLE] })
          .flatMap((part) => (Symbol.iterator in part ? [...part] : [])),
      ),
  };
}
