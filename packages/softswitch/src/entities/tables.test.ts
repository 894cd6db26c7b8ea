import { insert, modify, remove } from '@infra-offload/p4rt';
import { type Entity, type TableEntry, Update_Type } from '@infra-offload/p4rt/proto';
import { describe, expect, it } from 'vitest';
import { forwardingOf, readAll, smallConfig, tryRead, tryUpdate } from '../testing/forwarding.js';
import type { Forwarding } from './forwarding.js';
import { bareEntry } from './messages.js';

const ACL = 0x02000001;
const NARROW = 0x02000002;
const FIXED = 0x02000004;
const SEND = 0x01000001;
const NO_ACTION = 0x01000002;
const MARK = 0x01000003;

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const fresh = (): Forwarding => forwardingOf(smallConfig());

function tableEntry(entry: Partial<TableEntry> & { tableId: number }): Entity {
  return { entity: { $case: 'tableEntry', value: { ...bareEntry(entry.tableId), ...entry } } };
}

function send(port: Uint8Array = bytes(1), mac: Uint8Array = bytes(2)): TableEntry['action'] {
  const params = [
    { paramId: 1, value: port },
    { paramId: 2, value: mac },
  ];
  return { type: { $case: 'action', value: { actionId: SEND, params } } };
}

function action(actionId: number, ...params: [number, Uint8Array][]): TableEntry['action'] {
  const value = { actionId, params: params.map(([paramId, value]) => ({ paramId, value })) };
  return { type: { $case: 'action', value } };
}

type Matches = TableEntry['match'];
const ternary = (fieldId: number, value: Uint8Array, mask: Uint8Array): Matches[number] => ({
  fieldId,
  fieldMatchType: { $case: 'ternary', value: { value, mask } },
});
const optional = (fieldId: number, value: Uint8Array): Matches[number] => ({
  fieldId,
  fieldMatchType: { $case: 'optional', value: { value } },
});
const lpm = (value: Uint8Array, prefixLen: number): Matches[number] => ({
  fieldId: 1,
  fieldMatchType: { $case: 'lpm', value: { value, prefixLen } },
});
const exact = (value: Uint8Array): Matches[number] => ({
  fieldId: 1,
  fieldMatchType: { $case: 'exact', value: { value } },
});

function acl(match: Matches, priority = 1, more: Partial<TableEntry> = {}): Entity {
  return tableEntry({ tableId: ACL, match, priority, action: send(), ...more });
}

describe('match format', () => {
  const cases: readonly [id: string, what: string, entity: Entity, code: string][] = [
    ['T1', 'a ternary match', acl([ternary(1, bytes(10, 0, 0, 0), bytes(255, 0, 0, 0))]), 'OK'],
    ['T2', 'leading zero bytes', acl([ternary(1, bytes(0, 0, 0, 0, 0, 1), bytes(0, 1))]), 'OK'],
    ['T3', 'all fields left out', acl([]), 'OK'],
    ['T4', 'a value beyond the width', acl([ternary(1, bytes(1), bytes(1, 0, 0, 0, 1))]), 'OUT_OF_RANGE'],
    ['T5', 'an empty value', acl([optional(2, bytes())]), 'OUT_OF_RANGE'],
    ['T6', 'a mask of zero', acl([ternary(1, bytes(0), bytes(0))]), 'INVALID_ARGUMENT'],
    ['T7', 'bits outside the mask', acl([ternary(1, bytes(3), bytes(2))]), 'INVALID_ARGUMENT'],
    [
      'T8',
      'bits outside a wide mask',
      acl([ternary(3, bytes(1, 0, 0, 0, 0, 1), bytes(1, 0, 0, 0, 0, 0))]),
      'INVALID_ARGUMENT',
    ],
    ['T9', 'a field twice', acl([optional(2, bytes(1)), optional(2, bytes(1))]), 'INVALID_ARGUMENT'],
    ['T10', 'an unknown field', acl([optional(9, bytes(1))]), 'INVALID_ARGUMENT'],
    ['T11', 'the wrong kind of match', acl([optional(1, bytes(1))]), 'INVALID_ARGUMENT'],
    ['T12', 'a match without a kind', acl([{ fieldId: 1, fieldMatchType: undefined }]), 'INVALID_ARGUMENT'],
    ['T13', 'no priority where one belongs', acl([], 0), 'INVALID_ARGUMENT'],
    ['T14', 'a negative priority', acl([], -1), 'INVALID_ARGUMENT'],
    [
      'T15',
      'a priority where none belongs',
      tableEntry({ tableId: NARROW, match: [], priority: 1, action: send() }),
      'INVALID_ARGUMENT',
    ],
    [
      'T16',
      'a prefix of 0',
      tableEntry({ tableId: NARROW, match: [lpm(bytes(0), 0)], action: send() }),
      'INVALID_ARGUMENT',
    ],
    [
      'T17',
      'a prefix beyond the width',
      tableEntry({ tableId: NARROW, match: [lpm(bytes(0), 10)], action: send() }),
      'INVALID_ARGUMENT',
    ],
    [
      'T18',
      'bits behind the prefix',
      tableEntry({ tableId: NARROW, match: [lpm(bytes(1), 8)], action: send() }),
      'INVALID_ARGUMENT',
    ],
    [
      'T19',
      'a prefix of 9 bits',
      tableEntry({ tableId: NARROW, match: [lpm(bytes(1, 0x80), 2)], action: send() }),
      'OK',
    ],
    [
      'T20',
      'an exact field left out',
      tableEntry({ tableId: 0x02000003, match: [], action: send() }),
      'INVALID_ARGUMENT',
    ],
    ['T21', 'an unknown table', tableEntry({ tableId: 77, action: send() }), 'NOT_FOUND'],
  ];
  it.each(cases)('%s %s', (_id, _what, entity, code) => {
    expect(tryUpdate(fresh(), insert(entity))).toBe(code);
  });
});

describe('actions of table entries', () => {
  const cases: readonly [id: string, what: string, entity: Entity, code: string][] = [
    ['T30', 'no action', acl([], 1, { action: undefined }), 'INVALID_ARGUMENT'],
    ['T31', 'an action that is empty', acl([], 1, { action: { type: undefined } }), 'INVALID_ARGUMENT'],
    [
      'T32',
      'an action of another table',
      tableEntry({ tableId: NARROW, action: action(MARK, [1, bytes(1)]) }),
      'INVALID_ARGUMENT',
    ],
    ['T33', 'a default-only action', acl([], 1, { action: action(NO_ACTION) }), 'PERMISSION_DENIED'],
    ['T34', 'a parameter missing', acl([], 1, { action: action(SEND, [1, bytes(1)]) }), 'INVALID_ARGUMENT'],
    [
      'T35',
      'a parameter twice',
      acl([], 1, { action: action(SEND, [1, bytes(1)], [1, bytes(1)]) }),
      'INVALID_ARGUMENT',
    ],
    ['T36', 'an unknown parameter', acl([], 1, { action: action(MARK, [7, bytes(1)]) }), 'INVALID_ARGUMENT'],
    [
      'T37',
      'a parameter beyond its width',
      acl([], 1, { action: action(MARK, [1, bytes(1, 0)]) }),
      'OUT_OF_RANGE',
    ],
    [
      'T38',
      'parameters in any order',
      acl([], 1, { action: action(SEND, [2, bytes(2)], [1, bytes(1)]) }),
      'OK',
    ],
    [
      'T39',
      'a member in a direct table',
      acl([], 1, { action: { type: { $case: 'actionProfileMemberId', value: 1 } } }),
      'INVALID_ARGUMENT',
    ],
    [
      'T40',
      'an action in an indirect table',
      tableEntry({ tableId: 0x02000003, match: [exact(bytes(1))], action: send() }),
      'INVALID_ARGUMENT',
    ],
    ['T41', 'an idle timeout where there is none', acl([], 1, { idleTimeoutNs: 5n }), 'INVALID_ARGUMENT'],
    ['T42', 'is_const', acl([], 1, { isConst: true }), 'INVALID_ARGUMENT'],
    [
      'T43',
      'a meter where there is none',
      acl([], 1, { meterConfig: { cir: 1n, cburst: 1n, pir: 1n, pburst: 1n, eburst: 0n } }),
      'INVALID_ARGUMENT',
    ],
    [
      'T44',
      'an insert into a constant table',
      tableEntry({ tableId: FIXED, match: [exact(bytes(1))], action: send() }),
      'PERMISSION_DENIED',
    ],
    [
      'T45',
      'time_since_last_hit in a write',
      acl([], 1, { timeSinceLastHit: { elapsedNs: 0n } }),
      'INVALID_ARGUMENT',
    ],
  ];
  it.each(cases)('%s %s', (_id, _what, entity, code) => {
    expect(tryUpdate(fresh(), insert(entity))).toBe(code);
  });
});

it('T46 metadata that no answer could carry is RESOURCE_EXHAUSTED', () => {
  expect(tryUpdate(fresh(), insert(acl([], 1, { metadata: new Uint8Array(65_536) })))).toBe('OK');
  expect(tryUpdate(fresh(), insert(acl([], 1, { metadata: new Uint8Array(65_537) })))).toBe(
    'RESOURCE_EXHAUSTED',
  );
});

describe('table entries', () => {
  it('T50 the same key again is ALREADY_EXISTS, however it is written; another priority is another entry', () => {
    const forwarding = fresh();
    expect(tryUpdate(forwarding, insert(acl([ternary(1, bytes(1), bytes(1)), optional(2, bytes(6))])))).toBe(
      'OK',
    );
    expect(
      tryUpdate(forwarding, insert(acl([optional(2, bytes(0, 6)), ternary(1, bytes(0, 1), bytes(0, 1))]))),
    ).toBe('ALREADY_EXISTS');
    expect(
      tryUpdate(forwarding, insert(acl([ternary(1, bytes(1), bytes(1)), optional(2, bytes(6))], 2))),
    ).toBe('OK');
  });

  it('T51 modify and delete of what does not exist are NOT_FOUND; delete looks at nothing but the key', () => {
    const forwarding = fresh();
    expect(tryUpdate(forwarding, modify(acl([])))).toBe('NOT_FOUND');
    expect(tryUpdate(forwarding, remove(acl([])))).toBe('NOT_FOUND');
    expect(tryUpdate(forwarding, insert(acl([])))).toBe('OK');
    expect(tryUpdate(forwarding, remove(acl([], 1, { action: action(99), idleTimeoutNs: 3n })))).toBe('OK');
    expect(readAll(forwarding, tableEntry({ tableId: ACL }))).toEqual([]);
  });

  it('T52 a full table is RESOURCE_EXHAUSTED until an entry goes', () => {
    const forwarding = fresh();
    for (let i = 1; i <= 4; i++) expect(tryUpdate(forwarding, insert(acl([], i)))).toBe('OK');
    expect(tryUpdate(forwarding, insert(acl([], 5)))).toBe('RESOURCE_EXHAUSTED');
    expect(tryUpdate(forwarding, remove(acl([], 1)))).toBe('OK');
    expect(tryUpdate(forwarding, insert(acl([], 5)))).toBe('OK');
  });

  it('T53 what is read back is canonical: shortest values, don’t-care fields left out, opaque data kept', () => {
    const forwarding = fresh();
    const match = [ternary(3, bytes(0, 0, 0, 9), bytes(0xff)), optional(2, bytes(0, 0))];
    tryUpdate(
      forwarding,
      insert(acl(match, 3, { metadata: bytes(1, 2), controllerMetadata: 5n, action: send(bytes(0, 0, 7)) })),
    );
    expect(readAll(forwarding, tableEntry({ tableId: ACL }))).toEqual([
      tableEntry({
        tableId: ACL,
        match: [optional(2, bytes(0)), ternary(3, bytes(9), bytes(0xff))],
        priority: 3,
        action: send(bytes(7)),
        metadata: bytes(1, 2),
        controllerMetadata: 5n,
      }),
    ]);
    tryUpdate(
      forwarding,
      insert(tableEntry({ tableId: NARROW, match: [lpm(bytes(1, 0x80), 2)], action: send() })),
    );
    expect(readAll(forwarding, tableEntry({ tableId: NARROW }))[0]).toMatchObject(
      tableEntry({ tableId: NARROW, match: [lpm(bytes(1, 0x80), 2)], action: send() }),
    );
  });

  it('T54 modify without an action keeps it and replaces the opaque data', () => {
    const forwarding = fresh();
    tryUpdate(forwarding, insert(acl([], 1, { metadata: bytes(1) })));
    expect(tryUpdate(forwarding, modify(acl([], 1, { action: undefined, metadata: bytes(2) })))).toBe('OK');
    const [entity] = readAll(forwarding, tableEntry({ tableId: ACL }));
    expect(entity).toMatchObject(
      tableEntry({ tableId: ACL, priority: 1, metadata: bytes(2), action: send() }),
    );
  });

  it('T55 the default entry is modified and reset, never inserted or deleted, and keeps to the scope', () => {
    const forwarding = fresh();
    const entry = (more: Partial<TableEntry>): Entity =>
      tableEntry({ tableId: ACL, isDefaultAction: true, ...more });
    const read = (): Entity[] => readAll(forwarding, entry({}));
    expect(read()).toEqual([entry({ action: action(NO_ACTION) })]);
    expect(tryUpdate(forwarding, insert(entry({ action: send() })))).toBe('INVALID_ARGUMENT');
    expect(tryUpdate(forwarding, remove(entry({})))).toBe('INVALID_ARGUMENT');
    expect(tryUpdate(forwarding, modify(entry({ action: action(MARK, [1, bytes(1)]) })))).toBe(
      'PERMISSION_DENIED',
    );
    expect(tryUpdate(forwarding, modify(entry({ action: send(), priority: 1 })))).toBe('INVALID_ARGUMENT');
    expect(tryUpdate(forwarding, modify(entry({ action: send(), match: [optional(2, bytes(1))] })))).toBe(
      'INVALID_ARGUMENT',
    );
    expect(tryUpdate(forwarding, modify(entry({ action: send(), metadata: bytes(9) })))).toBe('OK');
    expect(read()).toEqual([entry({ action: send(), metadata: bytes(9) })]);
    expect(tryUpdate(forwarding, modify(entry({})))).toBe('OK');
    expect(read()).toEqual([entry({ action: action(NO_ACTION) })]);
    const constant = tableEntry({ tableId: 0x02000003, isDefaultAction: true, action: action(NO_ACTION) });
    expect(tryUpdate(forwarding, modify(constant))).toBe('PERMISSION_DENIED');
  });

  it('T56 direct counters start at zero or as told, are read on request, and are gone with the entry', () => {
    const forwarding = fresh();
    const counterData = { packetCount: 3n, byteCount: 200n };
    const none = { packetCount: 0n, byteCount: 0n };
    const counters = (): unknown[] =>
      readAll(forwarding, tableEntry({ tableId: ACL, counterData: none })).map(({ entity }) =>
        entity?.$case === 'tableEntry' ? entity.value.counterData : undefined,
      );
    tryUpdate(forwarding, insert(acl([], 1, { counterData })));
    expect(counters()).toEqual([counterData]);
    tryUpdate(forwarding, remove(acl([], 1)));
    tryUpdate(forwarding, insert(acl([], 2)));
    expect(counters()).toEqual([none]);
    tryUpdate(forwarding, modify(acl([], 2, { counterData })));
    const direct: Entity = {
      entity: {
        $case: 'directCounterEntry',
        value: { tableEntry: { ...bareEntry(ACL), priority: 2 }, data: none },
      },
    };
    expect(readAll(forwarding, direct)).toMatchObject([{ entity: { value: { data: counterData } } }]);
    expect(tryUpdate(forwarding, { type: Update_Type.MODIFY, entity: direct })).toBe('OK');
    expect(counters()).toEqual([none]);
    expect(tryUpdate(forwarding, insert(direct))).toBe('INVALID_ARGUMENT');
    expect(
      tryUpdate(forwarding, insert(acl([], 3, { counterData: { packetCount: -1n, byteCount: 0n } }))),
    ).toBe('INVALID_ARGUMENT');
    expect(counters()).toHaveLength(1);
  });

  it('T57 reads are filtered by key, priority, action and opaque data', () => {
    const forwarding = fresh();
    tryUpdate(forwarding, insert(acl([optional(2, bytes(6))], 1)));
    tryUpdate(
      forwarding,
      insert(acl([optional(2, bytes(6))], 2, { action: action(MARK, [1, bytes(1)]), metadata: bytes(5) })),
    );
    tryUpdate(forwarding, insert(acl([], 2, { controllerMetadata: 4n })));
    const count = (filter: Partial<TableEntry>): number =>
      readAll(forwarding, tableEntry({ tableId: ACL, ...filter })).length;
    expect(count({})).toBe(3);
    expect(count({ priority: 2 })).toBe(2);
    expect(count({ priority: 2, match: [optional(2, bytes(6))] })).toBe(1);
    expect(count({ priority: 9, match: [optional(2, bytes(6))] })).toBe(0);
    expect(count({ action: action(MARK) })).toBe(1);
    expect(count({ metadata: bytes(5) })).toBe(1);
    expect(count({ controllerMetadata: 4n })).toBe(1);
    // Without a priority, of all priorities; but only of that very key.
    expect(count({ match: [optional(2, bytes(6))] })).toBe(2);
    expect(count({ match: [optional(2, bytes(7))] })).toBe(0);
    expect(count({ match: [optional(2, bytes(6)), ternary(1, bytes(1), bytes(1))] })).toBe(0);
    expect(count({ match: [optional(2, bytes(6))], action: action(MARK) })).toBe(1);
    expect(readAll(forwarding, tableEntry({ tableId: 0 }))).toHaveLength(3);
    expect(tryRead(forwarding, tableEntry({ tableId: 0, priority: 1 }))).toBe('INVALID_ARGUMENT');
    expect(tryRead(forwarding, tableEntry({ tableId: 77 }))).toBe('NOT_FOUND');
    expect(tryRead(forwarding, { entity: undefined })).toBe('INVALID_ARGUMENT');
  });
});
