import {
  type AddressSet,
  type NetworkPolicy,
  ObjectKind,
  type PodIsolation,
  PolicyAction,
  type WantedObject,
} from '@infra-offload/infra-api';
import { expect, it } from 'vitest';
import { DEGRADED, node, PROGRAMMED, pod, podObject, type TestAgent } from './testing/agent.js';
import { TcpFlags, tcpSegment } from './testing/frames.js';
import { eventually, startReady, world, worldForEachTest, written } from './testing/world.js';

worldForEachTest();

const { POLICY_ACTION_ALLOW: ALLOW, POLICY_ACTION_DENY: DENY } = PolicyAction;

function addressSet(name: string, ...cidrs: string[]): WantedObject {
  const value: AddressSet = { name, cidrs, addressPorts: [] };
  return { object: { $case: 'addressSet', value } };
}

/** Allows TCP to a port from a set. */
function policy(name: string, set: string, port: number, more: Partial<NetworkPolicy> = {}): WantedObject {
  const value: NetworkPolicy = {
    name,
    ingress: [
      {
        action: ALLOW,
        peers: [{ negated: false, cidrs: [], addressSets: [set] }],
        ports: [{ match: { $case: 'range', value: { protocol: 6, first: port, last: port } } }],
        notPorts: [],
      },
    ],
    egress: [],
    conditions: [],
    ...more,
  };
  return { object: { $case: 'networkPolicy', value } };
}

/** Pod number `i` receives what these policies allow. */
function isolation(i: number, ...policies: string[]): WantedObject {
  const value: PodIsolation = {
    namespace: 'default',
    name: `pod-${i}`,
    ingress: { tiers: [{ policies, defaultAction: DENY }] },
    egress: undefined,
    conditions: [],
  };
  return { object: { $case: 'podIsolation', value } };
}

/** Whether a SYN from one pod reaches another. */
function reaches(
  from: number,
  to: number,
  dstPort: number,
  srcPort = nextPort++,
  flags: number = TcpFlags.syn,
): boolean {
  const packet = {
    srcMac: `02:00:00:00:01:0${from}`,
    dstMac: '02:00:00:00:00:01',
    src: `10.244.1.${from}`,
    dst: `10.244.1.${to}`,
    srcPort,
    dstPort,
  };
  world.ports.drain(to);
  world.ports.send(from, tcpSegment(packet, flags));
  return world.ports.drain(to).length > 0;
}
let nextPort = 40_000;

const base = () => [
  node(),
  addressSet('clients', '10.244.1.1/32', 'fd00::1'),
  policy('default/web', 'clients', 80),
  isolation(3, 'default/web'),
  podObject(1),
  podObject(2),
  podObject(3),
];

async function settled(agent: TestAgent): Promise<void> {
  await eventually(async () => (await agent.managerStatus()).target?.inSync === true, 'everything to settle');
}

async function drops(agent: TestAgent): Promise<readonly string[]> {
  const { counters } = await agent.managerStatus();
  return counters.filter(({ name }) => name.includes('drop')).map(({ index }) => index);
}

it('a policy lets in whom it names, follows its set, and drops are counted by reason', async () => {
  const { agent } = await startReady(world);
  await agent.snapshot(...base());
  for (const name of ['clients', 'default/web', 'default/pod-3'])
    expect(agent.statuses.get(name)).toMatchObject({ state: PROGRAMMED, reason: '' });
  expect(reaches(1, 3, 80)).toBe(true);
  expect(reaches(1, 3, 81)).toBe(false);
  expect(reaches(2, 3, 80)).toBe(false);
  expect(reaches(3, 2, 80)).toBe(true);
  expect(await drops(agent)).toEqual([expect.stringMatching(/^6 \(.*ingress/)]);

  for (const [kind, name] of [
    [ObjectKind.OBJECT_KIND_ADDRESS_SET, 'clients'],
    [ObjectKind.OBJECT_KIND_NETWORK_POLICY, 'default/web'],
    [ObjectKind.OBJECT_KIND_POD_ISOLATION, 'default/pod-3'],
  ] as const) {
    const entries = await agent.entries('policy_peer', { kind, name });
    // The client, and the node itself under both of its addresses.
    expect(entries.length, name).toBe(3);
    expect(entries[0]?.objects.map((object) => object.name)).toEqual(['default/web']);
  }

  const before = await written(agent);
  await agent.upsert(addressSet('clients', '10.244.1.1/32', '10.244.1.2/32'));
  expect(reaches(2, 3, 80)).toBe(true);
  expect((await written(agent)).updates - before.updates).toBe(1);
  await agent.remove(ObjectKind.OBJECT_KIND_POD_ISOLATION, 'default/pod-3');
  expect(reaches(2, 3, 81)).toBe(true);
  await expect.poll(() => agent.entries('policy_peer')).toEqual([]);
  await expect.poll(() => agent.entries('policy_ingress')).toEqual([]);
});

it('AddPod answers when the pod is isolated, and DeletePod leaves nothing', async () => {
  const { agent } = await startReady(world);
  await agent.snapshot(...base().slice(0, 5));
  expect(await agent.addPod(pod(3))).toEqual({ port: 3 });
  expect((await agent.entries('policy_ingress')).map(({ installed }) => installed)).toEqual([true]);
  expect(reaches(1, 3, 81)).toBe(false);
  expect(reaches(1, 3, 80)).toBe(true);
  await agent.deletePod('c3/eth0');
  await eventually(async () => (await agent.entries('policy_port')).length === 0, 'the rows to go');
  await expect.poll(() => agent.entries('policy_ingress')).toEqual([]);
});

it('pods with equal policies share one profile; a restart of the manager writes nothing', async () => {
  const { agent, manager } = await startReady(world);
  const more = [policy('default/other', 'clients', 80), isolation(2, 'default/other')];
  await agent.snapshot(...base(), ...more);
  const entries = (await agent.entries('policy_ingress')).map(
    ({ text }) => /policy_id=(\d+)/.exec(text)?.[1],
  );
  expect(entries.length).toBe(2);
  expect(new Set(entries).size).toBe(1);
  await agent.upsert(policy('default/other', 'clients', 8080));
  await settled(agent);
  await manager.stop();
  const second = await startReady(world);
  await second.agent.snapshot(
    ...base(),
    policy('default/other', 'clients', 8080),
    isolation(2, 'default/other'),
  );
  expect(await written(second.agent)).toMatchObject({ updates: 0 });
  expect(reaches(1, 2, 8080)).toBe(true);
  expect(reaches(1, 2, 80)).toBe(false);
});

it('a target that starts anew is isolated from the first packet', async () => {
  const { agent } = await startReady(world);
  await agent.snapshot(...base());
  await world.stopTarget();
  await world.startTarget();
  const passed: boolean[] = [];
  await eventually(async () => {
    passed.push(reaches(2, 3, 80));
    return (await agent.managerStatus()).target?.inSync === true;
  }, 'the target to be programmed anew');
  expect(passed).not.toContain(true);
  expect(reaches(1, 3, 80)).toBe(true);
});

it('what cannot be is told: unknown policies deny, wrong objects keep the version before', async () => {
  const { agent } = await startReady(world);
  await agent.snapshot(...base(), isolation(2, 'default/nowhere'));
  expect(agent.statuses.get('default/pod-2')).toMatchObject({
    state: DEGRADED,
    reason: 'PolicyUnknown',
    message: 'ingress: policy default/nowhere is unknown, so everything that reaches it is denied',
  });
  expect(reaches(1, 2, 80)).toBe(false);
  await agent.upsert(
    policy('default/nowhere', 'clients', 443, {
      conditions: [{ reason: 'IPv6NotSupported', message: 'fd00::/8' }],
    }),
  );
  await agent.status('default/pod-2', ({ state }) => state === PROGRAMMED);
  expect(agent.statuses.get('default/nowhere')).toMatchObject({
    state: DEGRADED,
    reason: 'IPv6NotSupported',
  });
  expect(reaches(1, 2, 443)).toBe(true);
  const refused = async (object: WantedObject, name: string) => {
    await agent.upsert(object);
    return agent.statuses.get(name)?.message;
  };
  expect(await refused(addressSet('clients', '10.244.1.300'), 'clients')).toBe(
    'set clients: cidrs[0] is "10.244.1.300"; expected an address or a range such as "10.244.1.7" or "10.0.0.0/8"; the version before it stays in force',
  );
  expect(reaches(1, 3, 80)).toBe(true);
  // There was no version before: nothing is known of who may reach the pod.
  expect(await refused(isolation(1, ''), 'default/pod-1')).toMatch(
    /^isolation default\/pod-1: ingress.tiers\[0\]/,
  );
  await settled(agent);
  expect(reaches(2, 1, 80)).toBe(false);
  const broken = policy('default/broken', 'x', 70_000);
  expect(await refused(broken, 'default/broken')).toBe(
    'policy default/broken: ingress[0].ports[0].range is "70000 to 70000"; expected first <= last, 0 to 65535',
  );
});

it.each(['keep', 'cut'] as const)('policyChange %s: established flows', async (policyChange) => {
  const { agent } = await startReady(world, { dataPlane: { policyChange } });
  await agent.snapshot(
    ...base(),
    addressSet('others', '10.244.1.2/32'),
    policy('default/others', 'others', 80),
  );
  await agent.upsert(isolation(3, 'default/web', 'default/others'));
  expect(reaches(1, 3, 80, 50_001)).toBe(true);
  expect(reaches(2, 3, 80, 50_002)).toBe(true);
  const goesOn = (from: number, port: number) => reaches(from, 3, 80, port, TcpFlags.ack);
  expect([goesOn(1, 50_001), goesOn(2, 50_002)]).toEqual([true, true]);
  // Client 2 is no longer among those that are allowed.
  await agent.upsert(isolation(3, 'default/web'));
  await settled(agent);
  expect(goesOn(2, 50_002)).toBe(policyChange === 'keep');
  expect(goesOn(1, 50_001)).toBe(true);
  expect(reaches(2, 3, 80, 50_002)).toBe(false);
  expect(reaches(2, 3, 80)).toBe(false);
  expect(reaches(1, 3, 80, 50_001)).toBe(true);
});
