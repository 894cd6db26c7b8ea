import { remove } from '@infra-offload/p4rt';
import type { Entity } from '@infra-offload/p4rt/proto';
import { describe, expect, it } from 'vitest';
import {
  forwardingOf,
  readAll,
  smallArtifacts,
  smallConfig,
  tryRead,
  tryUpdate,
} from '../testing/forwarding.js';
import { bareEntry } from './messages.js';

const DIGEST = 0x17000001;
const ACL = 0x02000001;
const program = `${smallArtifacts.p4info}
direct_meters { preamble { id: 352321537 name: "c.limit" alias: "limit" } spec { unit: BYTES } direct_table_id: 33554433 }
value_sets { preamble { id: 50331649 name: "c.vlans" alias: "vlans" } match { id: 1 name: "id" bitwidth: 12 match_type: EXACT } size: 4 }
digests { preamble { id: ${DIGEST} name: "c.learn" alias: "learn" } type_spec { bitstring { bit { bitwidth: 8 } } } }
externs { extern_type_id: 130 extern_type_name: "hist" instances { preamble { id: 2181038081 name: "c.h" alias: "h" } } }
`.replace('direct_resource_ids: 318767105', 'direct_resource_ids: 318767105 direct_resource_ids: 352321537');
const fresh = () => forwardingOf(smallConfig({ p4info: program }));

const digest = (digestId: number): Entity => ({
  entity: { $case: 'digestEntry', value: { digestId, config: undefined } },
});
const valueSet = (valueSetId: number): Entity => ({
  entity: { $case: 'valueSetEntry', value: { valueSetId, members: [] } },
});
const extern = (externTypeId: number, externId: number): Entity => ({
  entity: { $case: 'externEntry', value: { externTypeId, externId, entry: undefined } },
});
const directMeter = (tableId: number | undefined): Entity => ({
  entity: {
    $case: 'directMeterEntry',
    value: {
      tableEntry: tableId === undefined ? undefined : bareEntry(tableId),
      config: undefined,
      counterData: undefined,
    },
  },
});
const multicastGroup = (multicastGroupId: number): Entity => ({
  entity: {
    $case: 'packetReplicationEngineEntry',
    value: {
      type: {
        $case: 'multicastGroupEntry',
        value: { multicastGroupId, replicas: [], metadata: new Uint8Array(0) },
      },
    },
  },
});
const cloneSession = (sessionId: number): Entity => ({
  entity: {
    $case: 'packetReplicationEngineEntry',
    value: {
      type: {
        $case: 'cloneSessionEntry',
        value: { sessionId, replicas: [], classOfService: 0, packetLengthBytes: 0 },
      },
    },
  },
});

describe('what this target does not have', () => {
  it.each([
    ['digests', digest(0)],
    ['value sets', valueSet(0)],
    ['externs', extern(0, 0)],
    ['externs of a type', extern(130, 0)],
    ['direct meters', directMeter(undefined)],
    ['direct meters of all tables', directMeter(0)],
    ['multicast groups', multicastGroup(0)],
    ['clone sessions', cloneSession(0)],
    ['a multicast group', multicastGroup(5)],
    ['a clone session', cloneSession(5)],
  ])('R4 a read of %s finds nothing', (_, entity) => {
    expect(readAll(fresh(), entity)).toEqual([]);
  });

  it.each([
    ['a digest', digest(DIGEST), 'UNIMPLEMENTED'],
    ['a digest that the program does not have', digest(9), 'NOT_FOUND'],
    ['a value set', valueSet(0x03000001), 'UNIMPLEMENTED'],
    ['a value set that the program does not have', valueSet(9), 'NOT_FOUND'],
    ['an extern', extern(130, 0x82000001), 'UNIMPLEMENTED'],
    ['an extern that the program does not have', extern(130, 9), 'NOT_FOUND'],
    ['externs of a type that the program does not have', extern(131, 0), 'NOT_FOUND'],
    ['direct meters of a table', directMeter(ACL), 'UNIMPLEMENTED'],
    ['direct meters of a table without any', directMeter(0x02000002), 'INVALID_ARGUMENT'],
    ['direct meters of a table that the program does not have', directMeter(9), 'NOT_FOUND'],
  ])('R5 a read of %s is refused', (_, entity, code) => {
    expect(tryRead(fresh(), entity)).toBe(code);
  });

  it('W7 cannot be deleted, because it is not there', () => {
    for (const entity of [digest(DIGEST), multicastGroup(1), cloneSession(1)])
      expect(tryUpdate(fresh(), remove(entity))).toBe('NOT_FOUND');
  });
});
