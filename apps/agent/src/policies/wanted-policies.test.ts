import type { PolicyResult } from '@infra-offload/k8s-watch';
import { describe, expect, it } from 'vitest';
import { referenceOf } from '../sync/wanted-state.js';
import { referenceOfResult, toWanted } from './wanted-policies.js';

const set: PolicyResult = {
  kind: 'AddressSet',
  name: 'shop/app=web',
  addresses: ['10.0.0.1', 'fd00::1'],
  addressPorts: [
    { address: '10.0.0.1', protocol: 'SCTP', port: 80 },
    { address: 'fd00::1', protocol: 'TCP', port: 80 },
  ],
};
const policy: PolicyResult = {
  kind: 'NetworkPolicy',
  name: 'shop/p',
  ingress: [
    {
      peers: [
        { negated: false, cidrs: ['10.0.0.0/8', 'fd00::/64'], addressSets: ['s'] },
        { negated: true, cidrs: ['10.1.0.0/16'], addressSets: [] },
      ],
      ports: [
        { type: 'Range', protocol: 'UDP' },
        { type: 'Range', protocol: 'TCP', ports: { first: 1, last: 9 } },
        { type: 'NamedPort', addressSet: 'n' },
      ],
    },
    { peers: [{ negated: false, cidrs: ['fd00::/64'], addressSets: [] }], ports: [] },
  ],
  egress: [{ peers: [], ports: [] }],
};
const isolation: PolicyResult = {
  kind: 'PodIsolation',
  name: 'shop/web',
  egress: { policies: ['shop/p'] },
};
const ALLOW = 1;
const DENY = 2;

describe('toWanted', () => {
  it('says sets without IPv6, and protocols by their numbers', () => {
    expect(toWanted(set).object?.value).toEqual({
      name: 'shop/app=web',
      cidrs: ['10.0.0.1'],
      addressPorts: [{ address: '10.0.0.1', protocol: 132, port: 80 }],
    });
  });

  it('says rules; what is left without addresses matches none', () => {
    const none = { action: ALLOW, notPorts: [] };
    expect(toWanted(policy).object?.value).toEqual({
      name: 'shop/p',
      ingress: [
        {
          ...none,
          peers: [
            { negated: false, cidrs: ['10.0.0.0/8'], addressSets: ['s'] },
            { negated: true, cidrs: ['10.1.0.0/16'], addressSets: [] },
          ],
          ports: [
            { match: { $case: 'range', value: { protocol: 17, first: undefined, last: undefined } } },
            { match: { $case: 'range', value: { protocol: 6, first: 1, last: 9 } } },
            { match: { $case: 'addressPortSet', value: 'n' } },
          ],
        },
        { ...none, peers: [{ negated: false, cidrs: [], addressSets: [] }], ports: [] },
      ],
      egress: [{ ...none, peers: [], ports: [] }],
      conditions: [],
    });
  });

  it('says isolation as one tier that denies what no policy allows', () => {
    expect(toWanted(isolation).object?.value).toEqual({
      namespace: 'shop',
      name: 'web',
      ingress: undefined,
      egress: { tiers: [{ policies: ['shop/p'], defaultAction: DENY }] },
      conditions: [],
    });
  });

  it.each([set, policy, isolation])('names them as the contract does', (result) => {
    expect(referenceOfResult(result.kind, result.name)).toEqual(referenceOf(toWanted(result)));
  });
});
