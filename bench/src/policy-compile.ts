/**
 * Network policy, from objects to entries of the device: 1,000,000 random connections through random clusters, each compared
 * with what the Kubernetes API defines; then how fast profiles compile. Arguments: connections to compare, first seed.
 */
import { ipv4 } from '@infra-offload/net';
import type { PolicyProfile, ProfileRule, ResolvedSet } from '@infra-offload/policy-compiler';
import { compilePolicy } from '../../apps/manager/src/drivers/dpdk/policy.js';
import { RandomCluster } from '../../e2e/src/policies/random-cluster.js';
import { PolicyPath } from '../../e2e/src/policies/semantics.js';

const CONNECTIONS = Number(process.argv[2] ?? 1_000_000);
const FIRST_SEED = Number(process.argv[3] ?? Date.now() % 1_000_000_000);
const CHANGES = 6;
const PER_POD = 12;
const FIRST_ADDRESS = 0x0a00_0000;

function compare(): void {
  const started = performance.now();
  let cases = 0;
  let seed = FIRST_SEED;
  for (; cases < CONNECTIONS; seed++) {
    const random = new RandomCluster(seed);
    const path = new PolicyPath();
    try {
      for (const change of random.begin()) path.apply(change);
      cases += path.check(random, PER_POD);
      for (let i = 0; i < CHANGES; i++) {
        path.apply(random.next());
        cases += path.check(random, PER_POD);
      }
    } catch (error) {
      throw new Error(`seed ${seed} shows a difference`, { cause: error });
    } finally {
      path.close();
    }
  }
  const seconds = (performance.now() - started) / 1000;
  console.log(
    `${cases.toLocaleString('en')} connections in ${seed - FIRST_SEED} clusters (seeds from ${FIRST_SEED}): ` +
      `entries and objects agree on all, ${seconds.toFixed(0)} s`,
  );
}

function addressSet(name: string, size: number, step = 1, first = 0): ResolvedSet {
  const addresses = Array.from({ length: size }, (_, i) => ipv4(FIRST_ADDRESS + first + i * step));
  return { name, addresses, cidrs: [], addressPorts: [] };
}

function rule(sets: readonly ResolvedSet[], ...ports: readonly number[]): ProfileRule {
  return {
    action: 'allow',
    policy: 'default/p',
    peers: [{ negated: false, cidrs: [], sets }],
    ports: ports.map((port) => ({ kind: 'range', protocol: 6, ports: { first: port, last: port } })),
    notPorts: [],
  };
}

const PROFILES: Readonly<Record<string, readonly ProfileRule[]>> = {
  'one rule, a set of 10': [rule([addressSet('s', 10)], 80)],
  'one rule, a set of 5,000': [rule([addressSet('s', 5_000)], 80)],
  '30 rules, 30 sets of up to 2,500 that overlap': Array.from({ length: 30 }, (_, i) =>
    rule([addressSet(`s${i}`, Math.floor(5_000 / (i + 2)), i + 2)], 80 + i),
  ),
  '500 rules, 500 sets of 100, 50 ports': Array.from({ length: 500 }, (_, i) =>
    rule([addressSet(`s${i}`, 100, 1, 100 * i)], 80 + (i % 40), 9_000 + (i % 10)),
  ),
};

function measure(): void {
  for (const [name, rules] of Object.entries(PROFILES)) {
    const profile: PolicyProfile = {
      direction: 'ingress',
      tiers: [{ rules, defaultAction: 'deny' }],
      alwaysAllowed: [ipv4(FIRST_ADDRESS)],
    };
    const times: number[] = [];
    let entries = 0;
    for (let run = 0; run < 30; run++) {
      const started = performance.now();
      entries = compilePolicy(profile).rows(1).length;
      times.push(performance.now() - started);
    }
    times.sort((a, b) => a - b);
    const at = (share: number) => (times[Math.floor(share * (times.length - 1))] ?? 0).toFixed(2);
    console.log(`${name}: ${entries.toLocaleString('en')} entries, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
  }
}

measure();
compare();
