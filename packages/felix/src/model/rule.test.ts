import { type felix, PolicyAction, type PolicyRule } from '@infra-offload/infra-api';
import { describe, expect, it } from 'vitest';
import { protocol, rule } from '../testing/messages.js';
import { IpSet } from './ip-set.js';
import { compileRule, type RuleContext } from './rule.js';

const sets = new Map([
  ['s:a', new IpSet('s:a', 'ip', ['10.0.0.1'])],
  ['s:b', new IpSet('s:b', 'net', ['10.0.0.0/8'])],
  ['n:http', new IpSet('n:http', 'ipPort', ['10.0.0.1,tcp:80'])],
  ['n:web', new IpSet('n:web', 'ipPort', ['10.0.0.1,tcp:81'])],
  ['s:odd', new IpSet('s:odd', 'ip', ['10.0.0.1', 'nonsense'])],
]);
const context: RuleContext = {
  direction: 'ingress',
  number: 1,
  isProfile: false,
  unsupported: [],
  lookup: (id) => sets.get(id),
};

function compile(fields: Partial<felix.Rule>, more: Partial<RuleContext> = {}) {
  return compileRule(rule(fields), { ...context, ...more });
}

/** What is carried of a rule, in short. */
function carried(fields: Partial<felix.Rule>, more: Partial<RuleContext> = {}): object | undefined {
  const { compiled } = compile(fields, more);
  return compiled && short(compiled.rule);
}

function short({ action, peers, ports, notPorts }: PolicyRule): object {
  const texts = (list: PolicyRule['ports']) =>
    list.map(({ match }) => {
      if (match?.$case !== 'range') return match?.value;
      const { protocol = '*', first, last } = match.value;
      return first === undefined ? `${protocol}` : `${protocol}:${first}-${last}`;
    });
  const parts = {
    peers: peers.map(
      ({ negated, cidrs, addressSets }) => `${negated ? '!' : ''}${[...cidrs, ...addressSets].join()}`,
    ),
    ports: texts(ports),
    notPorts: texts(notPorts),
  };
  const present = Object.entries(parts).filter(([, list]) => list.length > 0);
  return { [action]: Object.fromEntries(present) };
}

const { POLICY_ACTION_ALLOW: ALLOW, POLICY_ACTION_DENY: DENY, POLICY_ACTION_PASS: PASS } = PolicyAction;
const http = [{ first: 80, last: 81 }];

describe('a rule', () => {
  it.each<[string, Partial<felix.Rule>, object | undefined]>([
    ['of no condition matches everything', {}, { [ALLOW]: {} }],
    ['of another IP version is skipped', { ipVersion: 6 }, undefined],
    ['for IPv6 nets only is skipped', { srcNet: ['fd00::/8'] }, undefined],
    ['for both matches IPv4', { srcNet: ['fd00::/8', '10.1.2.3/8'] }, { [ALLOW]: { peers: ['10.0.0.0/8'] } }],
    ['but nets of IPv6 matches everything', { notSrcNet: ['fd00::/8'] }, { [ALLOW]: {} }],
    [
      'matches all sets',
      { srcIpSetIds: ['s:a', 's:b'], srcNet: ['10.0.0.1'] },
      { [ALLOW]: { peers: ['10.0.0.1', 'ipset/s:a', 'ipset/s:b'] } },
    ],
    [
      'excepts any set and net',
      { notSrcIpSetIds: ['s:a', 's:b'], notSrcNet: ['10.0.0.1'] },
      { [ALLOW]: { peers: ['!10.0.0.1,ipset/s:a,ipset/s:b'] } },
    ],
    ['names a protocol', { protocol: protocol('UDP') }, { [ALLOW]: { ports: ['17'] } }],
    ['excepts a protocol', { notProtocol: protocol('icmp') }, { [ALLOW]: { notPorts: ['1'] } }],
    [
      'names ports of a protocol',
      { protocol: protocol('tcp'), dstPorts: http, notDstPorts: http },
      { [ALLOW]: { ports: ['6:80-81'], notPorts: ['6:80-81'] } },
    ],
    [
      'names ports of any protocol',
      { dstPorts: http },
      { [ALLOW]: { ports: ['6:80-81', '17:80-81', '132:80-81'] } },
    ],
    [
      'has actions by several names',
      { action: 'next-tier', dstNamedPortIpSetIds: ['n:http', 'n:web'] },
      { [PASS]: { ports: ['ipset/n:http', 'ipset/n:web'] } },
    ],
    [
      'may except named ports',
      { notDstNamedPortIpSetIds: ['n:http'] },
      { [ALLOW]: { notPorts: ['ipset/n:http'] } },
    ],
    ['that only logs is skipped', { action: 'log' }, undefined],
  ])('%s', (_, fields, expected) => {
    expect(carried(fields)).toEqual(expected);
  });

  it('has a set of its own for a named port of a protocol, and for several conditions on one port', () => {
    const one = compile({ protocol: protocol('tcp'), dstNamedPortIpSetIds: ['n:http'] });
    expect(one.sets).toEqual([{ all: ['n:http'], any: [{ protocol: 6 }] }]);
    const both = compile({
      dstIpPortSetIds: ['n:http', 'n:web'],
      dstNamedPortIpSetIds: ['n:web'],
      dstPorts: http,
    });
    expect(both.sets.map(({ all, any }) => [all, any?.length])).toEqual([[['n:http', 'n:web'], 4]]);
    expect(compile({ dstIpPortSetIds: ['n:http'] }).sets).toEqual([{ all: ['n:http'], any: undefined }]);
  });

  it('of egress has its peer at the destination', () => {
    const fields = { srcNet: ['10.0.0.1'], dstNet: ['10.0.0.2'] };
    expect(carried(fields, { direction: 'egress' })).toEqual({ [ALLOW]: { peers: ['10.0.0.2'] } });
    expect(compile(fields, { direction: 'egress' }).compiled?.own?.nets).toEqual([
      { address: 0x0a000001, length: 32 },
    ]);
  });

  describe.each<[string, Partial<felix.Rule>, string]>([
    ['source ports', { srcPorts: http }, 'SourcePortsNotSupported'],
    ['excepted source ports', { notSrcPorts: http }, 'SourcePortsNotSupported'],
    ['named source ports', { notSrcNamedPortIpSetIds: ['n:http'] }, 'SourcePortsNotSupported'],
    ['an ICMP type', { icmp: { $case: 'icmpType', value: 8 } }, 'IcmpTypeNotSupported'],
    ['an excepted ICMP type', { notIcmp: { $case: 'notIcmpType', value: 8 } }, 'IcmpTypeNotSupported'],
    ['an HTTP match', { httpMatch: { methods: ['GET'], paths: [] } }, 'HttpMatchNotSupported'],
    ['an unknown protocol', { protocol: protocol('foo'), dstPorts: http }, 'RuleInvalid'],
    ['a protocol without a name', { protocol: {} }, 'RuleInvalid'],
    ['an unknown excepted protocol', { notProtocol: protocol('foo') }, 'RuleInvalid'],
    ['ports of udplite', { protocol: protocol('udplite'), dstPorts: http }, 'PortsNotSupported'],
    ['ports in the wrong order', { dstPorts: [...http, { first: 2, last: 1 }] }, 'RuleInvalid'],
    ['ports out of range', { dstPorts: [{ first: 1, last: 65_536 }] }, 'RuleInvalid'],
    ['a net that is none', { srcNet: ['10.0.0.0/33', '10.0.0.1'] }, 'RuleInvalid'],
    ['a set that was not told', { srcIpSetIds: ['s:?'] }, 'IpSetUnknown'],
    ['a set with an odd member', { notSrcIpSetIds: ['s:odd'] }, 'IpSetInvalid'],
    ['an unknown version of IP', { ipVersion: 5 as felix.IPVersion }, 'RuleInvalid'],
  ])('with %s', (_, fields, reason) => {
    const reasons = (action: string) =>
      compile({ ...fields, action }).problems.map((problem) => problem.reason);

    it('is left out if it allows', () => {
      expect(carried({ ...fields, action: 'allow' })).toBeUndefined();
      expect(new Set(reasons('allow'))).toEqual(new Set([reason]));
    });

    it('denies without that if it denies or passes', () => {
      const rest = { notDstNamedPortIpSetIds: ['n:http'] };
      const denied = carried({ ...fields, ...rest, action: 'deny' });
      expect(Object.keys(denied ?? {})).toEqual([String(DENY)]);
      expect(carried({ ...fields, ...rest, action: 'pass' })).toEqual(denied);
      expect(reasons('pass')).toContain(reason);
    });
  });

  it('drops all of several alternatives if one of them cannot be carried', () => {
    const deny = (fields: Partial<felix.Rule>) => carried({ ...fields, action: 'deny' });
    expect(deny({ srcNet: ['10.0.0.1', 'nonsense'] })).toEqual({ [DENY]: {} });
    expect(deny({ dstPorts: http, dstNamedPortIpSetIds: ['n:?'] })).toEqual({ [DENY]: {} });
    expect(deny({ dstPorts: [...http, { first: 2, last: 1 }], protocol: protocol('tcp') })).toEqual({
      [DENY]: { ports: ['6'] },
    });
    expect(deny({ dstIpPortSetIds: ['n:?', 'n:http'] })).toEqual({ [DENY]: { ports: ['ipset/n:http'] } });
  });

  it('denies if its action is unknown, or passes within a profile', () => {
    expect(carried({ action: 'teleport', srcNet: ['10.0.0.1'] })).toEqual({
      [DENY]: { peers: ['10.0.0.1'] },
    });
    expect(carried({ action: 'pass' }, { isProfile: true })).toEqual({ [DENY]: {} });
    expect(compile({ action: 'teleport' }).problems.map(({ message }) => message)).toEqual([
      'ingress rule 1 (teleport): "teleport" is not known: it denies',
    ]);
  });

  it('may have a condition that only a newer Felix knows', () => {
    const received = { ...rule({ action: 'allow' }), unknownFields: [140] };
    const result = compileRule(received, context);
    expect(result.compiled).toBeUndefined();
    expect(result.problems.map(({ reason }) => reason)).toEqual(['FieldUnknown']);
  });
});
