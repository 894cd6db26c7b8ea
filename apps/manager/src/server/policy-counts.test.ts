import type { Entity } from '@infra-offload/p4rt/proto';
import { k8sDp, POLICY_CLASSES } from '@infra-offload/p4src';
import { beforeEach, expect, it } from 'vitest';
import type { PolicyCounters } from '../drivers/driver.js';
import { createLoggers } from '../log.js';
import type { ProfileInForce } from '../policy/keeper.js';
import { aPod, coreDriver } from '../testing/core.js';
import { PolicyCounts } from './policy-counts.js';

const { policy_allowed, policy_denied } = k8sDp.counters;
const { server: logger } = createLoggers({ level: 'silent', modules: {} });

/** What the device has counted: profile and class, or profile. */
let allowed: Map<number, bigint>;
let denied: Map<number, bigint>;
let inForce: ProfileInForce[];
let isAway: boolean;
let counts: PolicyCounts;

async function* read(entities: readonly Entity[]): AsyncGenerator<Entity> {
  for (const entity of entities) {
    if (entity.entity?.$case !== 'counterEntry') continue;
    const { counterId, index } = entity.entity.value;
    const cell = Number(index?.index);
    const [counter, values] =
      counterId === policy_denied.id ? [policy_denied, denied] : [policy_allowed, allowed];
    yield counter.cell(cell, { packets: values.get(cell) ?? 0n, bytes: 0n });
  }
}

function profile(id: number, ...ports: readonly string[]): ProfileInForce {
  return {
    id,
    direction: 'ingress',
    policies: new Set(['default/web', 'default/all']),
    pods: [aPod(2), aPod(1)],
    classes: ports.map((one) => ({ ports: one, policies: ['default/web'] })),
  };
}

const countsOf = (counters: PolicyCounters | undefined) =>
  new PolicyCounts({ counters, inForce: () => inForce, read: () => (isAway ? undefined : read), logger });

beforeEach(() => {
  allowed = new Map();
  denied = new Map();
  inForce = [profile(7, 'tcp 80', 'tcp 443')];
  isAway = false;
  counts = countsOf(coreDriver.policyCounters);
});

const flows = async () =>
  (await counts.read()).map(({ rules, deniedPackets }) => [
    rules.map(({ allowedFlows }) => allowedFlows),
    deniedPackets,
  ]);

it('tells what each class of a profile has allowed, and what the profile has denied', async () => {
  allowed.set(7 * POLICY_CLASSES + 1, 5n);
  denied.set(7, 2n);
  expect(await counts.read()).toEqual([
    {
      direction: 'ingress',
      policies: ['default/all', 'default/web'],
      pods: ['default/pod-1', 'default/pod-2'],
      rules: [
        { ports: 'tcp 80', policies: ['default/web'], allowedFlows: 0n },
        { ports: 'tcp 443', policies: ['default/web'], allowedFlows: 5n },
      ],
      deniedPackets: 2n,
    },
  ]);
});

it('goes on when the program of the target is started anew', async () => {
  denied.set(7, 10n);
  await counts.read();
  denied.set(7, 3n);
  expect(await flows()).toEqual([[[0n, 0n], 13n]]);
  expect((await counts.totals()).deniedPackets).toEqual([
    { direction: 'ingress', policies: 'default/all,default/web', count: 13 },
  ]);
});

it('does not count for a new profile what an earlier one with its id has counted', async () => {
  denied.set(7, 10n);
  allowed.set(7 * POLICY_CLASSES, 10n);
  counts.taken(7);
  await counts.begin();
  denied.set(7, 11n);
  allowed.set(7 * POLICY_CLASSES, 12n);
  expect(await flows()).toEqual([[[2n, 0n], 1n]]);
});

it('begins later with a new profile if the target is away', async () => {
  isAway = true;
  counts.taken(7);
  await counts.begin();
  isAway = false;
  denied.set(7, 10n);
  expect(await flows()).toEqual([[[0n, 0n], 0n]]);
  denied.set(7, 11n);
  expect(await flows()).toEqual([[[0n, 0n], 1n]]);
});

it('sums profiles of the same policies, of which one takes over from another', async () => {
  allowed.set(7 * POLICY_CLASSES, 4n);
  expect((await counts.totals()).allowedFlows).toEqual([
    { direction: 'ingress', policies: 'default/web', count: 4 },
  ]);
  allowed.set(8 * POLICY_CLASSES, 1n);
  inForce = [profile(8, 'tcp 80')];
  expect((await counts.totals()).allowedFlows).toEqual([
    { direction: 'ingress', policies: 'default/web', count: 5 },
  ]);
});

it('shortens the names of many policies', async () => {
  inForce = [{ ...profile(7), policies: new Set(['c', 'a', 'b', 'd', 'e', 'f', 'g']) }];
  expect((await counts.totals()).deniedPackets).toEqual([
    { direction: 'ingress', policies: 'a,b,c,d,e,+2', count: 0 },
  ]);
});

it('says what the target lacks', async () => {
  await expect(countsOf(undefined).read()).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  isAway = true;
  await expect(counts.read()).rejects.toMatchObject({ code: 'TARGET_UNAVAILABLE' });
  expect(await counts.totals()).toEqual({ allowedFlows: [], deniedPackets: [] });
});
