import { expect, it } from 'vitest';
import { RandomCluster } from './policies/random-cluster.js';
import { PolicyPath } from './policies/semantics.js';

const CLUSTERS = 100;
const CHANGES = 6;
const CONNECTIONS = 15;

it('entries of the device say of random connections what random NetworkPolicies say', () => {
  const first = Number(process.env.SEED ?? Date.now() % 1_000_000_000);
  let cases = 0;
  for (let seed = first; seed < first + CLUSTERS; seed++) {
    const random = new RandomCluster(seed);
    const path = new PolicyPath();
    try {
      for (const change of random.begin()) path.apply(change);
      cases += path.check(random, CONNECTIONS);
      for (let i = 0; i < CHANGES; i++) {
        path.apply(random.next());
        cases += path.check(random, CONNECTIONS);
      }
    } catch (error) {
      throw new Error(`SEED=${seed} shows it again`, { cause: error });
    } finally {
      path.close();
    }
  }
  expect(cases).toBeGreaterThan(10_000);
});
