import { formatIPv4, ipv4, ipv4Prefix, mac } from '@infra-offload/net';
import { es2kDpDeviceConfig, es2kDpP4Info } from '@infra-offload/p4src';
import type { PolicyPacket, PolicyProfile, PortMatch, ProfileRule } from '@infra-offload/policy-compiler';
import { anyProfile, telltalePackets } from '@infra-offload/policy-compiler/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allowedByDataPlane } from '../../testing/policy-verdict.js';
import { es2kDriver } from './driver.js';
import { groupId } from './policy-ids.js';
import type { Es2kRow } from './rows.js';
import type { GroupKind } from './rule-group.js';

const driver = es2kDriver({
  program: es2kDpP4Info(),
  deviceConfig: es2kDpDeviceConfig(),
  gatewayMac: mac(1),
});
const { policy } = driver;
const ID = 7;

/** Asks the rows of a profile as the pipeline does, for a pod that is under it. */
function allows(rows: readonly Es2kRow[], { peer, protocol, port }: PolicyPacket): boolean {
  const kind: GroupKind = protocol === 6 ? 'tcp' : protocol === 17 ? 'udp' : 'other';
  const id = groupId(ID, kind);
  const set = rows
    .filter(({ table, match }) => table.startsWith('acl_ipset_match') && match[0] === id)
    .map(({ match: [, prefix], params: [mask = 0] }) => {
      if (typeof prefix !== 'object' || !('prefixLength' in prefix)) throw new Error('no prefix');
      return { ...prefix, mask };
    })
    .filter(
      ({ value, prefixLength }) =>
        prefixLength === 0 || value >>> (32 - prefixLength) === peer >>> (32 - prefixLength),
    )
    .sort((a, b) => b.prefixLength - a.prefixLength)[0]?.mask;
  const root = rows.some(({ table, params }) => table.startsWith('acl_lpm_root') && params[0] === id);
  const masks = root ? (set ?? 0) : 0;
  if (kind === 'other') return masks !== 0;
  const range = rows.find(({ table, match }) => table === `${kind}_dport_rc_table` && match[0] === id);
  let ranges = 0;
  for (let rule = 0; port !== undefined && range !== undefined && rule < 8; rule++) {
    const [first = 1, last = 0] = range.params.slice(2 * rule, 2 * rule + 2);
    if (port >= first && port <= last) ranges |= 1 << rule;
  }
  return (masks & ranges) !== 0;
}

const ports = (protocol: number, first: number, last = first): PortMatch => ({
  kind: 'range',
  protocol,
  ports: { first, last },
});
const cidr = (text: string) => {
  const [address = '', length = ''] = text.split('/');
  return ipv4Prefix(ipv4(address), Number(length));
};
function rule(cidrs: readonly string[], matches: readonly PortMatch[] = []): ProfileRule {
  const peers = [{ negated: false, cidrs: cidrs.map(cidr), sets: [] }];
  return { action: 'allow', policy: 'n/p', peers, ports: matches, notPorts: [] };
}
const profile = (...rules: readonly ProfileRule[]): PolicyProfile => ({
  direction: 'ingress',
  tiers: [{ rules, defaultAction: 'deny' }],
  alwaysAllowed: [],
});
const degraded = (one: PolicyProfile) =>
  policy.compile(one).conditions.filter(({ severity }) => severity === 'degraded');

describe('policy on ES2K', () => {
  it('property: nothing is let in that the profile denies; what is denied against it is told', () => {
    let cases = 0;
    fc.assert(
      fc.property(anyProfile, (one) => {
        const { rows, conditions } = policy.compile(one);
        const all = rows(ID);
        const told = conditions.filter(({ severity }) => severity === 'degraded').length > 0;
        for (const packet of telltalePackets(one)) {
          cases++;
          const allowed = allows(all, packet);
          const wanted = allowedByDataPlane(one, packet);
          const fragment = packet.port === undefined && (packet.protocol === 6 || packet.protocol === 17);
          if (allowed && !wanted) expect.fail(`let in: ${JSON.stringify(packet)}`);
          if (!allowed && wanted && !told && !fragment) expect.fail(`kept out: ${JSON.stringify(packet)}`);
        }
        expect(new Set(all.map(({ key }) => key)).size).toBe(all.length);
        for (const row of all) {
          expect(driver.bundle?.(row)).toBe(policy.bundle(ID));
          expect(driver.fromEntity(driver.toEntity(row))).toMatchObject({ key: row.key, params: row.params });
        }
      }),
      { numRuns: 50 },
    );
    expect(cases).toBeGreaterThan(2_000);
  });

  it('property: whatever rows are refused, nothing is let in that the profile denies', () => {
    fc.assert(
      fc.property(anyProfile, fc.infiniteStream(fc.nat(4)), (one, dice) => {
        let left = [...policy.compile(one).rows(ID)].filter(() => dice.next().value !== 0);
        for (let before = -1; before !== left.length; ) {
          before = left.length;
          const keys = new Set(left.map(({ key }) => key as string | number));
          left = left.filter(({ requires }) => requires.every((key) => keys.has(key)));
        }
        for (const packet of telltalePackets(one)) {
          if (allows(left, packet) && !allowedByDataPlane(one, packet))
            expect.fail(`let in: ${formatIPv4(packet.peer)} ${JSON.stringify(packet)}`);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('eight ranges of ports fit; of nine, one is denied and told', () => {
    const nine = Array.from({ length: 9 }, (_, i) => rule([`10.0.${i}.0/24`], [ports(6, 100 * (i + 1))]));
    expect(degraded(profile(...nine.slice(0, 8)))).toEqual([]);
    const [said] = degraded(profile(...nine));
    expect(said?.reason).toBe('TooManyRuleClasses');
    expect(said?.message).toContain('allowed by n/p');
    const rows = policy.compile(profile(...nine)).rows(ID);
    const served = nine.filter((_, i) =>
      allows(rows, { peer: ipv4(`10.0.${i}.7`), protocol: 6, port: 100 * (i + 1) }),
    );
    expect(served).toHaveLength(8);
  });

  it('other protocols go by the address alone; rules for some of them are denied and told', () => {
    const open = profile(rule(['10.0.0.0/8']));
    const rows = policy.compile(open).rows(ID);
    expect(allows(rows, { peer: ipv4('10.1.1.1'), protocol: 1, port: undefined })).toBe(true);
    expect(allows(rows, { peer: ipv4('11.1.1.1'), protocol: 1, port: undefined })).toBe(false);
    expect(degraded(open)).toEqual([]);
    expect(degraded(profile(rule(['10.0.0.0/8'], [ports(132, 80)]))).map(({ reason }) => reason)).toEqual([
      'ProtocolsNotTold',
    ]);
  });

  it('ranges that are not used hold no port, also not 0', () => {
    const [range] = policy
      .compile(profile(rule(['10.0.0.0/8'], [ports(6, 80)])))
      .rows(ID)
      .filter(({ table }) => table === 'tcp_dport_rc_table');
    expect(range?.params).toEqual([80, 80, ...Array.from({ length: 7 }, () => [65_535, 0]).flat()]);
  });

  it('a set that changes keeps the frame, a range that changes does not', () => {
    const withSet = (addresses: readonly string[], ...cidrs: readonly string[]) => {
      const set = { name: 's', addresses: addresses.map(ipv4), cidrs: [], addressPorts: [] };
      const base = rule(cidrs, [ports(6, 80)]);
      return policy.compile(
        profile({ ...base, peers: [{ negated: false, cidrs: cidrs.map(cidr), sets: [set] }] }),
      );
    };
    const one = withSet(['10.0.0.1']);
    const two = withSet(['10.0.0.1', '10.0.0.2']);
    expect(one.frame).toBe(two.frame);
    expect(one.content).not.toBe(two.content);
    expect(withSet(['10.0.0.1'], '10.1.0.0/16').frame).not.toBe(one.frame);
  });
});
