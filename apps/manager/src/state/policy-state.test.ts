import {
  type AddressSet,
  type NetworkPolicy,
  type PodIsolation,
  PolicyAction,
  type PolicyRule,
  type PortMatch,
  type WantedObject,
} from '@infra-offload/infra-api';
import { describe, expect, it } from 'vitest';
import { ManagerError } from '../errors.js';
import { keyOfReference, objectKey, referenceOf } from '../model/objects.js';
import { fromJson, toJson } from './record.js';
import { isUnchanged } from './same.js';
import { readObject, wireKey } from './validate.js';

const { POLICY_ACTION_ALLOW: ALLOW, POLICY_ACTION_PASS: PASS } = PolicyAction;

const set = (more: Partial<AddressSet> = {}): WantedObject => ({
  object: { $case: 'addressSet', value: { name: 'web', cidrs: [], addressPorts: [], ...more } },
});
const rule = (more: Partial<PolicyRule> = {}): PolicyRule => ({
  action: ALLOW,
  peers: [],
  ports: [],
  notPorts: [],
  ...more,
});
const policy = (...ingress: PolicyRule[]): WantedObject => {
  const value: NetworkPolicy = { name: 'default/web', ingress, egress: [], conditions: [] };
  return { object: { $case: 'networkPolicy', value } };
};
const port = (value: { protocol?: number; first?: number; last?: number }): PortMatch => ({
  match: { $case: 'range', value: { protocol: undefined, first: undefined, last: undefined, ...value } },
});
const isolation = (more: Partial<PodIsolation> = {}): WantedObject => {
  const tiers = [{ policies: ['default/web'], defaultAction: PASS }];
  const value = {
    namespace: 'default',
    name: 'web-0',
    ingress: { tiers },
    egress: undefined,
    conditions: [],
  };
  return { object: { $case: 'podIsolation', value: { ...value, ...more } } };
};

function fault(wire: WantedObject): string {
  try {
    readObject(wire);
  } catch (error) {
    if (ManagerError.is(error, 'INVALID_OBJECT')) return error.message;
    throw error;
  }
  throw new Error('expected a fault');
}

describe('sets', () => {
  it('members in order and once, IPv6 passed over, bits after a prefix cleared', () => {
    const cidrs = [
      '10.0.0.9',
      '10.0.0.1/32',
      '10.0.0.9/32',
      '10.1.2.3/16',
      'fd00::1',
      'fd00::/8',
      '0.0.0.0/0',
    ];
    const addressPorts = [
      { address: '10.0.0.2', protocol: 6, port: 80 },
      { address: '10.0.0.1', protocol: 17, port: 53 },
      { address: 'fd00::1', protocol: 6, port: 80 },
      { address: '10.0.0.2', protocol: 6, port: 80 },
    ];
    expect(readObject(set({ cidrs, addressPorts }))).toEqual({
      kind: 'set',
      name: 'web',
      addresses: [0x0a00_0001, 0x0a00_0009],
      cidrs: [
        { address: 0, length: 0 },
        { address: 0x0a01_0000, length: 16 },
      ],
      addressPorts: [
        { address: 0x0a00_0001, protocol: 17, port: 53 },
        { address: 0x0a00_0002, protocol: 6, port: 80 },
      ],
    });
  });

  it.each([
    [set({ name: '' }), 'set : name is ""; expected a name of 1 to 1024 bytes without control characters'],
    [set({ cidrs: ['10.0.0.0/33'] }), 'set web: cidrs[0] is "10.0.0.0/33"; expected an address or a range'],
    [set({ cidrs: ['10.0.0.01'] }), 'cidrs[0] is "10.0.0.01"'],
    [
      set({ addressPorts: [{ address: '10.0.0.1', protocol: 256, port: 1 }] }),
      'address_ports[0].protocol is "256"',
    ],
    [set({ addressPorts: [{ address: '10.0.0.1', protocol: 6, port: 0 }] }), 'address_ports[0].port is "0"'],
    [set({ addressPorts: [{ address: 'x', protocol: 6, port: 1 }] }), 'address_ports[0].address is "x"'],
  ])('refused: %#', (wire, message) => {
    expect(fault(wire)).toContain(message);
  });
});

describe('policies', () => {
  it('everything that a rule can say', () => {
    const read = readObject(
      policy(
        rule({
          action: PASS,
          peers: [{ negated: true, cidrs: ['10.0.0.1', 'fd00::/8'], addressSets: ['a'] }],
          ports: [port({}), port({ protocol: 1 }), port({ protocol: 6, first: 0, last: 65_535 })],
          notPorts: [{ match: { $case: 'addressPortSet', value: 'b' } }],
        }),
      ),
    );
    expect(read).toMatchObject({
      ingress: [
        {
          action: 'pass',
          peers: [{ negated: true, cidrs: [{ address: 0x0a00_0001, length: 32 }], sets: ['a'] }],
          ports: [
            { kind: 'range', protocol: undefined, ports: undefined },
            { kind: 'range', protocol: 1, ports: undefined },
            { kind: 'range', protocol: 6, ports: { first: 0, last: 65_535 } },
          ],
          notPorts: [{ kind: 'set', set: 'b' }],
        },
      ],
    });
  });

  it.each([
    [
      rule({ action: 0 }),
      'policy default/web: ingress[0].action is "0"; expected ALLOW (1), DENY (2) or PASS (3)',
    ],
    [rule({ ports: [port({ first: 1, last: 2 })] }), 'ingress[0].ports[0].range.protocol is "absent"'],
    [rule({ ports: [port({ protocol: 6, first: 1 })] }), 'ingress[0].ports[0].range is "1 to absent"'],
    [rule({ ports: [port({ protocol: 6, first: 2, last: 1 })] }), 'ingress[0].ports[0].range is "2 to 1"'],
    [
      rule({ ports: [port({ protocol: 999 })] }),
      'ports[0].range.protocol is "999"; expected an IANA protocol number',
    ],
    [rule({ notPorts: [{ match: undefined }] }), 'ingress[0].not_ports[0] is "empty"'],
    [rule({ peers: [{ negated: false, cidrs: ['10.0.0.0/x'], addressSets: [] }] }), 'peers[0].cidrs[0]'],
    [rule({ peers: [{ negated: false, cidrs: [], addressSets: [''] }] }), 'peers[0].address_sets[0]'],
  ])('refused: %#', (wrong, message) => {
    expect(fault(policy(wrong))).toContain(message);
  });
});

describe('isolations', () => {
  it.each([
    [isolation({ namespace: 'a/b' }), 'namespace is "a/b"; expected a Kubernetes name'],
    [
      isolation({ egress: { tiers: [{ policies: [], defaultAction: ALLOW }] } }),
      'isolation default/web-0: egress.tiers[0].default_action is "1"; expected DENY (2) or PASS (3)',
    ],
    [
      isolation({ ingress: { tiers: [{ policies: [''], defaultAction: PASS }] } }),
      'ingress.tiers[0].policies[0]',
    ],
  ])('refused: %#', (wire, message) => {
    expect(fault(wire)).toContain(message);
  });
});

it.each([
  [
    set({ cidrs: ['10.0.0.1', '10.0.0.0/8'], addressPorts: [{ address: '10.0.0.1', protocol: 6, port: 1 }] }),
    'set/web',
  ],
  [policy(rule({ ports: [port({}), port({ protocol: 6, first: 1, last: 2 })] })), 'policy/default/web'],
  [isolation({ conditions: [{ reason: 'Why', message: 'so' }] }), 'isolation/default/web-0'],
])('names, bytes and sameness of objects: %#', (wire, key) => {
  const object = readObject(wire);
  expect(wireKey(wire)).toBe(key);
  expect(objectKey(object)).toBe(key);
  expect(keyOfReference(referenceOf(objectKey(object)))).toBe(key);
  const restored = fromJson(key, JSON.parse(JSON.stringify(toJson({ object })))).object;
  expect(restored).toEqual(object);
  expect(restored && isUnchanged(restored, object)).toBe(true);
  expect(isUnchanged(undefined, object)).toBe(false);
});

it('sets differ by any kind of member', () => {
  const of = (more: Partial<AddressSet>) => readObject(set(more));
  const empty = of({});
  for (const more of [
    { cidrs: ['10.0.0.1'] },
    { cidrs: ['10.0.0.0/8'] },
    { addressPorts: [{ address: '10.0.0.1', protocol: 6, port: 1 }] },
  ])
    expect(isUnchanged(empty, of(more))).toBe(false);
  expect(isUnchanged(of({ cidrs: ['10.0.0.1'] }), of({ cidrs: ['10.0.0.2'] }))).toBe(false);
  expect(isUnchanged(of({ cidrs: ['10.0.0.0/8'] }), of({ cidrs: ['10.0.0.0/9'] }))).toBe(false);
});
