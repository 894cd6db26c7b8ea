import { ObjectKind, ObjectState, StatusResponse } from '@infra-offload/infra-api';
import { describe, expect, it } from 'vitest';
import { formatEntry, formatStatus, parseReference, toJson } from './format.js';

const response = StatusResponse.fromPartial({
  target: {
    address: 'localhost:9559',
    connected: true,
    primary: true,
    inSync: true,
    updatesWritten: 300n,
    writeRequests: 4n,
  },
  agent: { connected: true, nodeName: 'node-1', appliedRevision: 12n },
  objects: [
    {
      object: { kind: ObjectKind.OBJECT_KIND_SERVICE, name: 'default/web:http/TCP' },
      state: ObjectState.OBJECT_STATE_DEGRADED,
      reason: 'TooManyEndpoints',
      message: '255 of 300 endpoints are served',
    },
  ],
  tables: [
    { name: 'service', entries: 2n, size: 131072n },
    { name: 'policy_peer', entries: 0n, size: 131072n },
  ],
  degraded: 1,
});

describe('formatStatus', () => {
  it('shows the target, objects that need attention and tables in use', () => {
    const text = formatStatus(response);
    expect(text).toContain('Target     localhost:9559 (primary, in sync)');
    expect(text).toContain(
      'service default/web:http/TCP  DEGRADED  TooManyEndpoints  255 of 300 endpoints are served',
    );
    expect(text).toMatch(/service\s+2\s+131072/);
    expect(text).not.toContain('policy_peer');
  });

  it('says what keeps the manager from being ready, and since when', () => {
    const text = formatStatus(
      StatusResponse.fromPartial({
        problems: [
          {
            reason: 'StateNotStorable',
            message: 'the state cannot be stored, and is kept in memory: ENOSPC: no space left on device',
            sinceMs: 1_700_000_000_000n,
          },
        ],
      }),
    );
    expect(text).toMatch(/^StateNotStorable {2}2023-11-14T22:13:20\.000Z {2}the state cannot be stored/m);
    expect(formatStatus(response)).not.toContain('NOT READY');
  });

  it('says what connections suffer from', () => {
    const text = formatStatus(
      StatusResponse.fromPartial({
        warnings: [
          {
            reason: 'FlowTableFull',
            message: 'flow table full: 12 packets dropped',
            sinceMs: 1_700_000_000_000n,
          },
        ],
      }),
    );
    expect(text).toBe(
      'WARNING        SINCE                     MESSAGE\n' +
        'FlowTableFull  2023-11-14T22:13:20.000Z  flow table full: 12 packets dropped\n',
    );
  });

  it('says when nobody is there', () => {
    const text = formatStatus(StatusResponse.fromPartial({ target: { address: 'x:1' } }));
    expect(text).toContain('x:1 (not connected, not in sync)');
    expect(text).toMatch(/Agent\s+not connected/);
  });
});

describe('parseReference', () => {
  it('takes kind/name', () => {
    expect(parseReference('service/default/web:http/TCP')).toEqual({
      kind: ObjectKind.OBJECT_KIND_SERVICE,
      name: 'default/web:http/TCP',
    });
  });

  it.each([
    ['policy/default/web', ObjectKind.OBJECT_KIND_NETWORK_POLICY, 'default/web'],
    ['isolation/default/web-0', ObjectKind.OBJECT_KIND_POD_ISOLATION, 'default/web-0'],
    ['set/s:web', ObjectKind.OBJECT_KIND_ADDRESS_SET, 's:web'],
  ])('takes %s', (text, kind, name) => {
    expect(parseReference(text)).toEqual({ kind, name });
  });

  it.each(['', 'service', 'service/', '/x', 'gateway/x', 'toString/x'])('refuses %j', (text) => {
    expect(parseReference(text)).toBeUndefined();
  });
});

describe('output', () => {
  it('marks an entry that the device refused', () => {
    const entry = {
      table: 'service',
      text: 'service dst_ip=10.96.0.1',
      objects: [],
      installed: false,
      error: 'table full',
    };
    expect(formatEntry(entry)).toBe('service dst_ip=10.96.0.1  [not installed: table full]');
  });

  it('writes 64-bit numbers as strings and enums by name', () => {
    const json = JSON.parse(toJson(response));
    expect(json.target.updatesWritten).toBe('300');
    expect(json.objects[0].state).toBe('DEGRADED');
    expect(json.objects[0].object.kind).toBe('service');
  });
});
