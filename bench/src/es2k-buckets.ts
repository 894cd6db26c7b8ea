/**
 * Buckets of an ES2K service port that change when one of its endpoints goes: with the fewest changes (bucketSlots), with a
 * Maglev table made anew, and with bucket i on endpoint i mod n. Averages over which endpoint goes; its coming back moves as many.
 */

import { bucketSlots, emptyGroupPlan, type GroupPlan, planGroup } from '@infra-offload/lb-model';
import { type IPv4, ipv4 } from '@infra-offload/net';
import { ES2K_BUCKETS } from '@infra-offload/p4src';

const SIZES = [2, 3, 5, 8, 10, 16, 32, 48, 64];
const TIMES = { now: 0, drainMs: 0, restMs: 1000, maxActive: ES2K_BUCKETS };

function plan(before: GroupPlan, addresses: readonly IPv4[]): GroupPlan {
  const endpoints = addresses.map((address) => ({ address, port: 8080, weight: 1 }));
  return planGroup(before, { key: 'web', endpoints }, TIMES);
}

function moved(before: readonly unknown[], after: readonly unknown[]): number {
  return before.filter((owner, i) => owner !== after[i]).length;
}

console.log('endpoints  own buckets  bucketSlots  Maglev anew  i mod n');
for (const size of SIZES) {
  const all = Array.from({ length: size }, (_, i) => ipv4(0x0a_f4_01_01 + i));
  const full = plan(emptyGroupPlan('web', 1023), all);
  const buckets = bucketSlots(full, ES2K_BUCKETS);
  const modulo = (list: readonly number[]) => buckets.map((_, i) => list[i % list.length]);
  let [ours, anew, plain] = [0, 0, 0];
  for (const gone of all) {
    const rest = all.filter((address) => address !== gone);
    const less = plan(full, rest);
    ours += moved(buckets, bucketSlots(less, ES2K_BUCKETS, buckets)) / size;
    anew += moved(buckets, bucketSlots(less, ES2K_BUCKETS)) / size;
    plain += moved(modulo(all), modulo(rest)) / size;
  }
  const figures = [ES2K_BUCKETS / size, ours, anew, plain].map((figure) => figure.toFixed(1).padStart(11));
  console.log(`${String(size).padStart(9)}  ${figures.join('  ')}`);
}
