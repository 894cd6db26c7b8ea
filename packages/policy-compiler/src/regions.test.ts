import { formatIPv4, type IPv4Prefix, ipv4, ipv4Prefix, prefixContains } from '@infra-offload/net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PolicyProfile, ProfileRule } from './profile.js';
import { evaluateProfile, type PeerRange } from './regions.js';
import { anyProfile } from './testing/index.js';

const cidr = (address: string, length: number): IPv4Prefix => ipv4Prefix(ipv4(address), length);

function allow(cidrs: readonly IPv4Prefix[], except: readonly IPv4Prefix[] = []): ProfileRule {
  const peers = [{ negated: false, cidrs, sets: [] }];
  if (except.length > 0) peers.push({ negated: true, cidrs: except, sets: [] });
  return { action: 'allow', policy: 'n/p', peers, ports: [], notPorts: [] };
}

function ingress(...rules: readonly ProfileRule[]): PolicyProfile {
  return { direction: 'ingress', tiers: [{ rules, defaultAction: 'deny' }], alwaysAllowed: [] };
}

/** Ranges as text, those inside of others indented. */
function drawn({ address, length, region, children }: PeerRange, indent = ''): string[] {
  const line = `${indent}${formatIPv4(address)}/${length} ${region === 0n ? 'nothing' : 'something'}`;
  return [line, ...children.flatMap((child) => drawn(child, `${indent} `))];
}

describe('regions of a profile', () => {
  it('ranges are nested, whatever the order in which they are named', () => {
    const { everywhere, peers } = evaluateProfile(
      ingress(
        allow([cidr('10.1.2.0', 24)]),
        allow([cidr('10.0.0.0', 8)], [cidr('10.1.0.0', 16), cidr('10.1.2.3', 32)]),
        allow([cidr('192.168.0.0', 16)]),
      ),
    );
    expect(drawn(everywhere)).toEqual([
      '0.0.0.0/0 nothing',
      ' 10.0.0.0/8 something',
      '  10.1.0.0/16 nothing',
      '   10.1.2.0/24 something',
      ' 192.168.0.0/16 something',
    ]);
    expect(peers.map(({ address, range }) => [formatIPv4(address), range.length])).toEqual([
      ['10.1.2.3', 24],
    ]);
  });

  it('property: every address is in the smallest range around it, and every range inside its parent', () => {
    fc.assert(
      fc.property(anyProfile, (profile) => {
        const { everywhere, peers } = evaluateProfile(profile);
        const ranges: PeerRange[] = [everywhere];
        for (const range of ranges) {
          for (const child of range.children) {
            expect(prefixContains(range, child.address) && child.length > range.length).toBe(true);
          }
          ranges.push(...range.children);
        }
        for (const { address, range } of peers) {
          const around = ranges.filter((one) => prefixContains(one, address));
          expect(Math.max(...around.map(({ length }) => length))).toBe(range.length);
          expect(around).toContain(range);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('what is always allowed is, and first among the parts', () => {
    const profile = { ...ingress(allow([cidr('10.0.0.0', 8)])), alwaysAllowed: [ipv4('172.31.255.1')] };
    const { space, peers, parts } = evaluateProfile(profile);
    expect(peers).toMatchObject([{ address: ipv4('172.31.255.1'), region: space.all }]);
    expect(parts?.[0]).toBe(space.all);
  });

  it('rules that deny, or name ports by set, leave no parts but atoms', () => {
    const deny: ProfileRule = { ...allow([]), action: 'deny' };
    expect(evaluateProfile(ingress(deny)).parts).toBeUndefined();
    const set = {
      name: 's',
      addresses: [],
      cidrs: [],
      addressPorts: [{ address: ipv4(1), protocol: 6, port: 80 }],
    };
    const named: ProfileRule = { ...allow([]), ports: [{ kind: 'set', set }] };
    expect(evaluateProfile(ingress(named)).parts).toBeUndefined();
  });
});
