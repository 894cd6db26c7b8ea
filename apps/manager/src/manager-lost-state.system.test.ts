import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { status as grpc } from '@grpc/grpc-js';
import { PolicyAction, type WantedObject } from '@infra-offload/infra-api';
import { P4RuntimeSession } from '@infra-offload/p4rt';
import { describe, expect, it } from 'vitest';
import { DONE, network, TestIpdkAgent, translation } from './ipdk/testing.js';
import type { Manager } from './manager.js';
import { node, PROGRAMMED, pod, podObject, service, type TestAgent, web } from './testing/agent.js';
import { eventually, ready, startReady, world, worldForEachTest, written } from './testing/world.js';

worldForEachTest();

const { POLICY_ACTION_ALLOW: ALLOW, POLICY_ACTION_DENY: DENY } = PolicyAction;
const LOST = 'the state of the last run was lost';

/** Pod 1 receives TCP to port 80 only. */
const isolated: readonly WantedObject[] = [
  {
    object: {
      $case: 'networkPolicy',
      value: {
        name: 'default/web',
        ingress: [
          {
            action: ALLOW,
            peers: [],
            ports: [{ match: { $case: 'range', value: { protocol: 6, first: 80, last: 80 } } }],
            notPorts: [],
          },
        ],
        egress: [],
        conditions: [],
      },
    },
  },
  {
    object: {
      $case: 'podIsolation',
      value: {
        namespace: 'default',
        name: 'pod-1',
        ingress: { tiers: [{ policies: ['default/web'], defaultAction: DENY }] },
        egress: undefined,
        conditions: [],
      },
    },
  },
];
const web1 = web('10.244.1.1:80', '10.244.1.2:80');
const other = service('other', ['10.96.0.11:80'], ['10.244.1.2:80']);

const open = [node(), podObject(1), podObject(2), web1, other];
const all = [node(), ...isolated, podObject(1), podObject(2), web1, other];

/** What the device holds. */
async function everything(agent: TestAgent): Promise<readonly string[]> {
  const entries = await agent.entries();
  return entries
    .filter(({ installed }) => installed)
    .map(({ text }) => text)
    .sort();
}

/** What the device holds, but for profiles of policies: the same may get another id. */
async function device(agent: TestAgent): Promise<readonly string[]> {
  return (await everything(agent)).filter((text) => !text.startsWith('policy_'));
}

/** Which pods are isolated. */
async function isolatedPods(agent: TestAgent): Promise<readonly string[]> {
  const texts = (await everything(agent)).filter((text) => text.startsWith('policy_ingress'));
  return texts.map((text) => text.replace(/ ->.*/, ''));
}

/** A device that holds everything, and a manager that has lost its state. */
async function lose(
  objects: readonly WantedObject[],
  damage: (directory: string) => void = (directory) => rmSync(directory, { recursive: true }),
): Promise<{ readonly manager: Manager; readonly agent: TestAgent; readonly before: readonly string[] }> {
  const first = await startReady(world);
  await first.agent.snapshot(...objects);
  const before = await everything(first.agent);
  await first.manager.stop();
  damage(join(world.directory, 'state'));
  const manager = await world.startManager();
  await eventually(() => manager.readiness()?.includes(LOST) === true, 'the loss to be noticed');
  return { manager, agent: world.agent(manager), before };
}

const upsert = (value: WantedObject) => ({ $case: 'upsert', value }) as const;
const begin = { $case: 'snapshotBegin', value: { nodeName: 'node-1' } } as const;

describe('a manager that has lost its state', () => {
  it.each([
    ['removed', (directory: string) => rmSync(directory, { recursive: true })],
    ['replaced', (directory: string) => writeFileSync(join(directory, 'state.log'), 'x'.repeat(65_536))],
    ['empty', (directory: string) => writeFileSync(join(directory, 'state.log'), '')],
  ])(
    'leaves the device as it is until the snapshot, and writes nothing even then (%s)',
    async (_, damage) => {
      const { manager, agent, before } = await lose(open, damage);
      expect(await everything(agent)).toEqual(before);
      expect(await agent.managerStatus()).toMatchObject({
        target: { writeRequests: 0n },
        problems: [{ reason: 'SnapshotAwaited', message: expect.stringContaining(LOST) }],
      });
      await agent.snapshot(...open);
      await ready(manager);
      expect(await everything(agent)).toEqual(before);
      expect((await written(agent)).updates).toBe(0);
      const kept = readdirSync(join(world.directory, 'state')).filter((name) => name.includes('.unusable-'));
      expect(kept.length).toBe(damage.toString().includes('writeFileSync') ? 1 : 0);
    },
  );

  it('removes what the snapshot does not name, and nothing else', async () => {
    const { manager, agent, before } = await lose(open);
    await agent.snapshot(...open.filter((object) => object !== other));
    await ready(manager);
    const ofOther = /dst_ip=10\.96\.0\.11|_id=513|group(_id=| )2/;
    const rest = before.filter((text) => !ofOther.test(text));
    await eventually(async () => (await everything(agent)).length === rest.length, 'the rest to go');
    expect(await everything(agent)).toEqual(rest);
  });

  it('gives other ids to what is new, also before the snapshot ends', async () => {
    const { agent, before } = await lose(open);
    const fresh = service('fresh', ['10.96.0.12:80'], ['10.244.1.1:8080']);
    agent.connect();
    await agent.applied(agent.send(begin, upsert(node()), upsert(fresh)));
    const now = await everything(agent);
    expect(now).toEqual(expect.arrayContaining([...before]));
    expect(now.length).toBeGreaterThan(before.length);
  });

  it('knows what is in the device also if the agent was there before it could be read', async () => {
    const first = await startReady(world);
    await first.agent.snapshot(...open);
    const before = await everything(first.agent);
    await first.manager.stop();
    rmSync(join(world.directory, 'state'), { recursive: true });
    const address = world.target?.p4runtimeAddress ?? '';
    const other = await P4RuntimeSession.open({ address, deviceId: 1, electionId: 2n ** 100n });
    const manager = await world.startManager();
    await eventually(
      () => manager.readiness()?.includes('another manager') === true,
      'the primary to be seen',
    );
    const agent = world.agent(manager);
    agent.connect();
    agent.send(begin, ...[...open].reverse().map(upsert), { $case: 'snapshotEnd', value: {} });
    await eventually(async () => (await agent.managerStatus()).pending === 5, 'the objects to be known');
    other.close();
    await ready(manager);
    await eventually(async () => (await agent.managerStatus()).programmed === 5, 'everything to be there');
    expect(await everything(agent)).toEqual(before);
    expect((await written(agent)).updates).toBe(0);
  });

  it('keeps everything if the snapshot is interrupted, however often', async () => {
    const { manager, agent } = await lose(all);
    const [before, closed] = [await device(agent), await isolatedPods(agent)];
    for (const some of [all.slice(0, 2), all.slice(0, 4), all.slice(3)]) {
      agent.connect();
      await agent.applied(agent.send(begin, ...some.map(upsert)));
      expect(await device(agent)).toEqual(before);
      expect(await isolatedPods(agent)).toEqual(closed);
      expect(manager.readiness()).toContain(LOST);
    }
    await agent.snapshot(...all);
    await ready(manager);
  });

  it('lets no pod begin before its isolation is known', async () => {
    const { agent } = await lose(all);
    await expect(agent.addPod(pod(3))).rejects.toMatchObject({
      code: grpc.UNAVAILABLE,
      details: expect.stringContaining(LOST),
    });
    await agent.snapshot(...all);
    await agent.addPod(pod(3));
  });

  it('keeps what is isolated isolated while pods are named before their isolation', async () => {
    const { agent, before } = await lose(all);
    const isolating = before.filter((text) => text.startsWith('policy_'));
    expect(isolating.length).toBeGreaterThan(0);
    agent.connect();
    await agent.applied(agent.send(begin, upsert(podObject(1))));
    expect(await everything(agent)).toEqual(expect.arrayContaining(isolating));
  });

  it('keeps what an IPDK agent has said, since nobody says it again', async () => {
    const first = await startReady(world);
    const ipdk = new TestIpdkAgent(first.manager.address);
    await ipdk.setupHostInterface();
    await ipdk.createNetwork(network(1));
    await ipdk.addTranslation(translation('10.96.0.10:80', ['10.244.1.1:80']));
    const before = await device(first.agent);
    ipdk.close();
    await first.manager.stop();
    rmSync(join(world.directory, 'state'), { recursive: true });
    const manager = await world.startManager();
    await eventually(() => manager.readiness()?.includes(LOST) === true, 'the loss to be noticed');
    const again = new TestIpdkAgent(manager.address);
    const agent = world.agent(manager);
    expect(await again.createNetwork(network(2))).toMatchObject({ successful: true });
    expect(await again.addTranslation(translation('10.96.0.20:80', ['10.244.1.2:80']))).toEqual(DONE);
    expect(await device(agent)).toEqual(expect.arrayContaining([...before]));
    // What is said again is known again.
    expect(await again.addTranslation(translation('10.96.0.10:80', ['10.244.1.1:80']))).toEqual(DONE);
    expect(await device(agent)).toEqual(expect.arrayContaining([...before]));
    again.close();
  });
});

it('what a stored state does not know stays, too: the last run may not have been able to store it', async () => {
  const first = await startReady(world);
  await first.agent.snapshot(node(), podObject(1), web1);
  const stored = join(world.directory, 'state', 'state.log');
  const bytes = readFileSync(stored);
  await first.agent.upsert(other, podObject(2));
  const before = await device(first.agent);
  await first.manager.stop();
  writeFileSync(stored, bytes);
  const { manager, agent } = await startReady(world);
  expect(await device(agent)).toEqual(before);
  await agent.snapshot(node(), podObject(1), podObject(2), web1, other);
  await ready(manager);
  expect(await device(agent)).toEqual(before);
  expect((await written(agent)).updates).toBe(0);
  expect((await agent.managerStatus()).objects.every(({ state }) => state === PROGRAMMED)).toBe(true);
});
