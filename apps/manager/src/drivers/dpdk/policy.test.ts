import { ipv4, ipv4Prefix } from '@infra-offload/net';
import type { PolicyProfile, PortMatch, ProfileRule, ResolvedSet } from '@infra-offload/policy-compiler';
import { anyProfile, telltalePackets } from '@infra-offload/policy-compiler/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PolicyTables } from '../../testing/policy-tables.js';
import { allowedByDataPlane } from '../../testing/policy-verdict.js';
import { compilePolicy } from './policy.js';
import { dpdkRows, toEntity } from './rows.js';
import type { PolicyRow } from './tables/policies.js';

const ID = 77;

function tablesOf(rows: readonly PolicyRow[]): PolicyTables {
  return new PolicyTables(rows.map(toEntity), ID);
}

const set = (name: string, addresses: readonly string[]): ResolvedSet => ({
  name,
  addresses: addresses.map(ipv4).sort((a, b) => a - b),
  cidrs: [],
  addressPorts: [],
});
const tcp = (first: number, last = first): PortMatch => ({
  kind: 'range',
  protocol: 6,
  ports: { first, last },
});

function rule(peers: Partial<ProfileRule['peers'][number]>[], ports: readonly PortMatch[] = []): ProfileRule {
  const full = peers.map((peer) => ({ negated: false, cidrs: [], sets: [], ...peer }));
  return { action: 'allow', policy: 'n/p', peers: full, ports, notPorts: [] };
}

function profile(rules: readonly ProfileRule[]): PolicyProfile {
  return { direction: 'ingress', tiers: [{ rules, defaultAction: 'deny' }], alwaysAllowed: [] };
}

describe('compiled policies', () => {
  it('property: the tables let pass what the profile allows, and nothing else', () => {
    let cases = 0;
    fc.assert(
      fc.property(anyProfile, (one) => {
        const compiled = compilePolicy(one);
        const tables = tablesOf(compiled.rows(ID));
        expect(compiled.conditions.filter(({ severity }) => severity === 'degraded')).toEqual([]);
        for (const packet of telltalePackets(one)) {
          cases++;
          if (tables.allows(packet) !== allowedByDataPlane(one, packet)) {
            expect.fail(`${JSON.stringify(packet)}: tables say ${tables.allows(packet)}`);
          }
        }
      }),
      { numRuns: 150 },
    );
    expect(cases).toBeGreaterThan(10_000);
  });

  it('property: whatever rows are refused, nothing is let in that the profile denies', () => {
    fc.assert(
      fc.property(anyProfile, fc.infiniteStream(fc.nat(3)), (one, luck) => {
        const rows = compilePolicy(one).rows(ID);
        // As the reconciler does it: a row goes only where all that it requires is.
        const refused = new Set<string | number>();
        for (const row of rows) if (luck.next().value === 0) refused.add(dpdkRows.key(row));
        for (let before = -1; before !== refused.size; ) {
          before = refused.size;
          for (const row of rows) {
            if ('requires' in row && row.requires.some((key) => refused.has(key)))
              refused.add(dpdkRows.key(row));
          }
        }
        const tables = tablesOf(rows.filter((row) => !refused.has(dpdkRows.key(row))));
        for (const packet of telltalePackets(one)) {
          if (tables.allows(packet) && !allowedByDataPlane(one, packet)) {
            expect.fail(`${JSON.stringify(packet)} is let in`);
          }
        }
      }),
      { numRuns: 200 },
    );
  });

  it('property: one profile becomes another of its frame in any order of rows, without a third verdict', () => {
    fc.assert(
      fc.property(anyProfile, fc.infiniteStream(fc.boolean()), (before, coin) => {
        const after = moved(before, coin);
        const [from, to] = [compilePolicy(before), compilePolicy(after)];
        if (from.frame !== to.frame) return;
        const rows = new Map(from.rows(ID).map((row) => [dpdkRows.key(row), row]));
        const wanted = new Map(to.rows(ID).map((row) => [dpdkRows.key(row), row]));
        // Half of the changes have been made.
        for (const key of new Set([...rows.keys(), ...wanted.keys()])) {
          if (!coin.next().value) continue;
          const row = wanted.get(key);
          if (row === undefined) rows.delete(key);
          else rows.set(key, row);
        }
        const tables = tablesOf([...rows.values()]);
        for (const packet of telltalePackets(before)) {
          const verdict = tables.allows(packet);
          const known =
            verdict === allowedByDataPlane(before, packet) || verdict === allowedByDataPlane(after, packet);
          if (!known) expect.fail(`${JSON.stringify(packet)}: ${verdict} in between`);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('who joins or leaves a set changes no frame, only rows of policy_peer', () => {
    const with3 = set('s', ['10.0.0.1', '10.0.0.2', '10.9.0.1']);
    const of = (one: ResolvedSet) =>
      compilePolicy(
        profile([
          rule([{ sets: [one] }], [tcp(80), tcp(8000, 9000)]),
          rule([{ cidrs: [ipv4Prefix(ipv4('10.0.0.0'), 24)] }], [tcp(80)]),
        ]),
      );
    const [three, two, none] = [of(with3), of(set('s', ['10.0.0.2', '10.0.0.77'])), of(set('s', []))];
    expect(new Set([three, two, none].map(({ frame }) => frame)).size).toBe(1);
    expect(new Set([three, two, none].map(({ content }) => content)).size).toBe(3);
    const peers = (rows: readonly PolicyRow[]) => rows.filter(({ table }) => table === 'policy_peer').length;
    expect([three, two, none].map((one) => peers(one.rows(ID)))).toEqual([3, 2, 0]);
    expect(of(set('s', ['10.9.0.1', '10.0.0.2', '10.0.0.1'])).content).toBe(three.content);
  });

  it('a policy that denies everything has no rows', () => {
    expect(compilePolicy(profile([])).rows(ID)).toEqual([]);
  });

  it('a range of ports is few rows', () => {
    const rows = compilePolicy(profile([rule([], [tcp(1024, 65_535)])])).rows(ID);
    // All of TCP, but for 0 to 1023; and every address.
    expect(rows).toHaveLength(3);
    expect(rows).toContainEqual(
      expect.objectContaining({ table: 'policy_port', protocol: 6, port: 0, length: 6, mask: 0n }),
    );
  });

  it('an address that an except names is taken out of its range', () => {
    const inside = ipv4Prefix(ipv4('10.0.0.0'), 24);
    const except = ipv4Prefix(ipv4('10.0.0.7'), 32);
    const tables = tablesOf(
      compilePolicy(profile([rule([{ cidrs: [inside] }, { negated: true, cidrs: [except] }])])).rows(ID),
    );
    const allows = (peer: string) => tables.allows({ peer: ipv4(peer), protocol: 1, port: undefined });
    expect(['10.0.0.6', '10.0.0.7', '10.0.0.8', '10.0.1.0'].map(allows)).toEqual([true, false, true, false]);
  });
});

describe('more rules than a mask has bits', () => {
  const peer = (i: number) => set(`s${i}`, [`10.1.0.${i}`]);

  it('with equal ports share classes', () => {
    const one = profile(
      Array.from({ length: 200 }, (_, i) => rule([{ sets: [peer(i)] }], [tcp(80 + (i % 60))])),
    );
    check(one, []);
  });

  it('with equal peers share classes', () => {
    const one = profile(
      Array.from({ length: 200 }, (_, i) => rule([{ sets: [peer(i % 50)] }], [tcp(80 + 2 * i)])),
    );
    check(one, []);
  });

  it('that are unions of others take none', () => {
    const ports = (i: number) =>
      [0, 1, 2, 3, 4, 5, 6].filter((bit) => (i >> bit) & 1).map((bit) => tcp(80 + 2 * bit));
    const one = profile(Array.from({ length: 127 }, (_, i) => rule([{ sets: [peer(i)] }], ports(i + 1))));
    check(one, []);
  });

  it('are denied where they do not fit, and their policies are named', () => {
    const rules = Array.from({ length: 100 }, (_, i) => ({
      ...rule([{ sets: [peer(i)] }], [tcp(80 + 2 * i)]),
      policy: `n/p${i}`,
    }));
    const one = { ...profile(rules), alwaysAllowed: [ipv4('10.2.0.1')] };
    const { conditions } = compilePolicy(one);
    expect(conditions).toMatchObject([{ severity: 'degraded', reason: 'TooManyRuleClasses' }]);
    const denied = conditions[0]?.message.match(/n\/p\d+/g) ?? [];
    expect(denied).toHaveLength(37);
    check(one, denied);
  });

  /** What only `denied` policies allow may be denied; everything else is as the profile says. */
  function check(one: PolicyProfile, denied: readonly string[]): void {
    const kept = one.tiers.map((tier) => ({
      ...tier,
      rules: tier.rules.filter(({ policy }) => !denied.includes(policy)),
    }));
    const compiled = compilePolicy(one);
    expect(compiled.conditions).toHaveLength(denied.length === 0 ? 0 : 1);
    const tables = tablesOf(compiled.rows(ID));
    for (const packet of telltalePackets(one)) {
      const expected = allowedByDataPlane({ ...one, tiers: kept }, packet);
      if (tables.allows(packet) !== expected) expect.fail(`${JSON.stringify(packet)}: expected ${expected}`);
    }
  }
});

/** The same profile with other members in its sets. */
function moved(one: PolicyProfile, coin: Iterator<boolean>): PolicyProfile {
  const known = new Map<ResolvedSet, ResolvedSet>();
  const other = (old: ResolvedSet): ResolvedSet => {
    const found = known.get(old) ?? {
      ...old,
      addresses: old.addresses.filter(() => coin.next().value === true),
    };
    known.set(old, found);
    return found;
  };
  return {
    ...one,
    tiers: one.tiers.map((tier) => ({
      ...tier,
      rules: tier.rules.map((old) => ({
        ...old,
        peers: old.peers.map((peer) => ({ ...peer, sets: peer.sets.map(other) })),
      })),
    })),
  };
}
