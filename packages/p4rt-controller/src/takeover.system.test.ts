import { entityEquals, insert, P4RuntimeSession, remove } from '@infra-offload/p4rt';
import { k8sDp, k8sDpDeviceConfig, k8sDpP4Info } from '@infra-offload/p4src';
import { Softswitch } from '@infra-offload/softswitch';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { P4RuntimeController } from './controller.js';
import type { ControllerEvents } from './events.js';
import { byKey, groupEntry, groupOf, member, serviceEntry, TABLES } from './testing/wanted.js';

const ROUNDS = 20;
const OLD = [groupEntry(1, 2), groupOf(2, [3]), serviceEntry(80, 1), member(3, 1)];
const NEW = [groupEntry(1, 3), groupOf(3, [3, 4]), serviceEntry(80, 2), member(3, 2), member(4, 1)];

let softswitch: Softswitch;

beforeAll(async () => {
  softswitch = await Softswitch.start({ p4runtimeAddress: '127.0.0.1:0', gnmiAddress: '127.0.0.1:0' });
});
afterAll(() => softswitch.stop());

function newController(electionId: bigint, wanted: typeof OLD): P4RuntimeController {
  const controller = new P4RuntimeController({ electionId });
  controller.add('leaf', {
    address: softswitch.p4runtimeAddress,
    deviceId: 1,
    program: k8sDp,
    tables: TABLES,
    pipeline: { p4info: k8sDpP4Info(), deviceConfig: k8sDpDeviceConfig() },
    wanted,
  });
  return controller;
}

function once(of: P4RuntimeController, event: keyof ControllerEvents): Promise<void> {
  return new Promise((resolve) => {
    const off = of.on(event, () => {
      off();
      resolve();
    });
  });
}

/** The middle one and the longest, for people. */
function summary(ms: readonly number[]): string {
  const sorted = [...ms].sort((a, b) => a - b);
  const [middle = 0, longest = 0] = [sorted[sorted.length >> 1], sorted.at(-1)];
  return `${middle.toFixed(1)} ms in the median of ${ms.length}, ${longest.toFixed(1)} ms at most`;
}

it('a standby makes the softswitch what it wants as soon as the primary goes', async () => {
  let primary = newController(1_000_000n, OLD);
  await once(primary, 'inSync');
  const primaryAfter: number[] = [];
  const inSyncAfter: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const wanted = round % 2 === 0 ? NEW : OLD;
    const standby = newController(BigInt(round + 1), wanted);
    await expect.poll(() => standby.switches.get('leaf')?.session?.state.kind).toBe('backup');
    const isPrimary = once(standby, 'primary');
    const isInSync = once(standby, 'inSync');
    const start = performance.now();
    primary.close();
    await isPrimary;
    primaryAfter.push(performance.now() - start);
    await isInSync;
    inSyncAfter.push(performance.now() - start);
    const session = standby.switches.get('leaf')?.session;
    const held = byKey(await read(session));
    expect([...held.keys()].sort()).toEqual([...byKey(wanted).keys()].sort());
    for (const [key, entity] of byKey(wanted))
      expect(entityEquals(held.get(key) ?? entity, entity)).toBe(true);
    primary = standby;
  }
  primary.close();
  console.log(
    `controllers: primary after ${summary(primaryAfter)}; reconciled after ${summary(inSyncAfter)}`,
  );
});

it('a session that stands by writes as soon as the primary goes', async () => {
  const open = (electionId: bigint) =>
    P4RuntimeSession.open({ address: softswitch.p4runtimeAddress, deviceId: 1, electionId, takeover: true });
  let primary = await open(1n);
  await primary.whenPrimary();
  const primaryAfter: number[] = [];
  const writtenAfter: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const standby = await open(BigInt(round + 2));
    expect(standby.isPrimary).toBe(false);
    const start = performance.now();
    primary.close();
    await standby.whenPrimary();
    primaryAfter.push(performance.now() - start);
    const entry = serviceEntry(1000 + round, 1);
    await standby.write([insert(entry)]);
    writtenAfter.push(performance.now() - start);
    await standby.write([remove(entry)]);
    primary = standby;
  }
  primary.close();
  console.log(
    `sessions: primary after ${summary(primaryAfter)}; first write done after ${summary(writtenAfter)}`,
  );
});

async function read(session: P4RuntimeSession | undefined) {
  const { tables, actionProfiles } = k8sDp;
  const { endpoint_selector: selector } = actionProfiles;
  const wildcards = [...TABLES.map((name) => tables[name].all()), selector.members(), selector.groups()];
  const entities = [];
  for await (const entity of session?.read(wildcards) ?? []) entities.push(entity);
  return entities;
}
