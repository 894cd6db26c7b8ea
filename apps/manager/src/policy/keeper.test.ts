import { type IPv4, ipv4, mac } from '@infra-offload/net';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { ObjectKey, PodObject } from '../model/objects.js';
import type { AddressSetObject, IsolationObject, PolicyObject, PolicyPort } from '../model/policy-objects.js';
import { type Fate, MemoryStore, SlowDevice, startController } from '../testing/policy-world.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const PEER = ipv4('10.0.0.1');
const OTHER = ipv4('10.0.0.2');
const HTTP = { protocol: 6, port: 80 };

function set(
  name: string,
  addresses: readonly IPv4[],
  more: Partial<AddressSetObject> = {},
): AddressSetObject {
  return { kind: 'set', name, addresses, cidrs: [], addressPorts: [], ...more };
}

function policy(name: string, from: string, port?: PolicyPort): PolicyObject {
  const peers = [{ negated: false, cidrs: [], sets: [from] }];
  const rule = { action: 'allow' as const, peers, ports: port === undefined ? [] : [port], notPorts: [] };
  return { kind: 'policy', name, ingress: [rule], egress: [], agentConditions: [] };
}

function isolation(i: number, ...policies: string[]): IsolationObject {
  const ingress = [{ policies, defaultAction: 'deny' as const }];
  return {
    kind: 'isolation',
    namespace: 'n',
    name: `pod-${i}`,
    ingress,
    egress: undefined,
    agentConditions: [],
  };
}

function pod(i: number): PodObject {
  return {
    kind: 'pod',
    attachmentId: `c${i}/eth0`,
    namespace: 'n',
    name: `pod-${i}`,
    interfaceName: `mem${i}`,
    mac: mac(0x0200_0000_0000 + i),
    ip: ip(i),
  };
}

const ip = (i: number) => ipv4(0x0af4_0000 + i);

async function world() {
  const device = new SlowDevice();
  const { controller, reconciler } = startController(new MemoryStore());
  const attached = reconciler.attach(device, () => true);
  await vi.advanceTimersByTimeAsync(0);
  await attached;
  return {
    device,
    put: (...objects: Parameters<typeof controller.upsert>[0][]) => {
      for (const object of objects) controller.upsert(object);
    },
    remove: (key: ObjectKey) => controller.remove(key),
    status: (key: ObjectKey) => controller.status(key),
    /** Takes everything that waits. */
    async run(fate: Fate = 'done'): Promise<void> {
      await vi.advanceTimersByTimeAsync(0);
      for (let i = 0; i < 100 && device.waiting > 0; i++) {
        device.take(0, fate);
        await vi.advanceTimersByTimeAsync(0);
      }
    },
    passes: (i: number, peer: IPv4, packet = HTTP) => device.allows(ip(i), 'ingress', { peer, ...packet }),
    ids: () =>
      device.rows.flatMap((row) => (row.table === 'policy_ingress' ? [[row.podIp - ip(0), row.id]] : [])),
  };
}

it('a refused peer is denied and told; the rest of the policy is in force', async () => {
  const { put, run, status, passes } = await world();
  put(set('a', [PEER]), policy('p', 'a'), isolation(1, 'p'), pod(1));
  await run();
  put(set('a', [PEER, OTHER]));
  await run('full');
  expect(passes(1, PEER)).toBe(true);
  expect(passes(1, OTHER)).toBe(false);
  for (const key of ['policy/p', 'isolation/n/pod-1'] as const) {
    expect(status(key)).toMatchObject({
      state: 'degraded',
      reason: 'TableFull',
      message: expect.stringContaining('what the target refused is denied'),
    });
  }
  expect(status('pod/c1/eth0')?.state).toBe('programmed');
  await vi.advanceTimersByTimeAsync(1000);
  await run();
  expect(passes(1, OTHER)).toBe(true);
  expect(status('policy/p')?.state).toBe('programmed');
});

it('while the target keeps what it should forget, everything is denied', async () => {
  const { put, run, status, passes, device, ids } = await world();
  put(set('a', [PEER, OTHER]), policy('p', 'a'), isolation(1, 'p'), pod(1));
  await run();
  const before = ids();
  put(set('a', [PEER]));
  await vi.advanceTimersByTimeAsync(0);
  expect(device.waiting).toBe(1);
  device.take(0, 'refused');
  await run();
  expect([passes(1, PEER), passes(1, OTHER)]).toEqual([false, false]);
  const reasons = status('isolation/n/pod-1');
  expect(reasons).toMatchObject({
    state: 'degraded',
    message: expect.stringContaining('all ingress traffic is denied'),
  });
  expect(status('policy/p')).toMatchObject({ state: 'degraded', reason: 'WriteFailed' });
  await vi.advanceTimersByTimeAsync(1000);
  await run();
  expect([passes(1, PEER), passes(1, OTHER)]).toEqual([true, false]);
  expect(ids()).toEqual(before);
  expect(status('isolation/n/pod-1')?.state).toBe('programmed');
});

it('a pod that the target will not isolate gets no packets, and comes back with its isolation', async () => {
  const { put, run, status, passes, device } = await world();
  put(pod(1));
  await run();
  expect(passes(1, PEER)).toBe(true);
  put(set('a', [PEER]), policy('p', 'a'), isolation(1, 'p'));
  await vi.advanceTimersByTimeAsync(0);
  while (!device.rows.some((row) => row.table === 'policy_port')) {
    device.take(0, 'done');
    await vi.advanceTimersByTimeAsync(0);
  }
  await run('refused');
  expect(device.rows.filter((row) => row.table === 'port_table' || row.table === 'pod_forward')).toEqual([]);
  expect(status('isolation/n/pod-1')).toMatchObject({ state: 'degraded', reason: 'PodCutOff' });
  await vi.advanceTimersByTimeAsync(1000);
  await run();
  expect(passes(1, PEER)).toBe(true);
  expect(passes(1, OTHER)).toBe(false);
  expect(status('isolation/n/pod-1')?.state).toBe('programmed');
});

it('pods share a profile while they have the same rules, and the ports of their own keep them apart', async () => {
  const { put, run, ids, passes } = await world();
  const web: PolicyPort = { kind: 'set', set: 'web' };
  const ports = [
    { address: ip(1), protocol: 6, port: 80 },
    { address: ip(2), protocol: 6, port: 80 },
    { address: ip(3), protocol: 6, port: 8080 },
  ];
  put(set('a', [PEER]), set('web', [], { addressPorts: ports }), policy('p', 'a', web));
  for (const i of [1, 2, 3, 4]) put(isolation(i, 'p'), pod(i));
  await run();
  const of = new Map(ids().map(([i, id]) => [i, id]));
  expect(of.get(1)).toBe(of.get(2));
  expect(new Set(of.values()).size).toBe(3);
  expect([1, 2, 3, 4].map((i) => passes(i, PEER))).toEqual([true, true, false, false]);
  expect(passes(3, PEER, { protocol: 6, port: 8080 })).toBe(true);
  // A rule of which no port is left is no rule for every port.
  expect(passes(4, PEER, { protocol: 6, port: 8080 })).toBe(false);
});

it.each([
  ['first', () => 0],
  ['last', (waiting: number) => waiting - 1],
])(
  'a profile that another pod has, too, does not change in place; the device takes the %s update',
  async (_, choose) => {
    const { put, run, ids, passes, device } = await world();
    const third = ipv4(PEER + 2);
    put(set('a', [PEER]), set('b', [PEER]), policy('p', 'a'), policy('q', 'b'));
    put(isolation(1, 'p'), isolation(2, 'q'), pod(1), pod(2));
    await run();
    const [[, shared] = [], [, same] = []] = ids();
    expect(same).toBe(shared);

    put(set('b', [PEER, OTHER]));
    await vi.advanceTimersByTimeAsync(0);
    // Nobody else wants the old profile by now, but in the device the second pod is still under it.
    put(set('a', [PEER, third]));
    await vi.advanceTimersByTimeAsync(0);
    while (device.waiting > 0) {
      device.take(choose(device.waiting), 'done');
      expect([passes(1, PEER), passes(2, PEER)]).toEqual([true, true]);
      expect([passes(1, OTHER), passes(2, third)]).toEqual([false, false]);
      await vi.advanceTimersByTimeAsync(0);
    }
    expect([passes(1, third), passes(2, OTHER)]).toEqual([true, true]);
    expect(new Set([shared, ...ids().map(([, id]) => id)]).size).toBe(3);
  },
);

it('a change of a set costs what changed, in place, and other profiles nothing', async () => {
  const { put, run, ids, device } = await world();
  const members = Array.from({ length: 300 }, (_, i) => ipv4(PEER + i));
  put(
    set('a', members),
    set('b', [OTHER]),
    policy('p', 'a'),
    policy('q', 'b', { kind: 'range', protocol: 17, ports: undefined }),
  );
  put(isolation(1, 'p'), isolation(2, 'q'), pod(1), pod(2));
  await run();
  for (let i = 0; i < 100 && device.waiting > 0; i++) await run();
  const before = { ids: ids(), updates: device.updates };
  put(set('a', members.slice(1)));
  await run();
  expect(ids()).toEqual(before.ids);
  expect(device.updates - before.updates).toBe(1);
});

it('what is removed is done when the device has let go of it', async () => {
  const { put, run, remove, status, passes } = await world();
  put(set('a', [PEER]), policy('p', 'a'), isolation(1, 'p'), pod(1));
  await run();
  for (const key of ['set/a', 'isolation/n/pod-1'] as const) {
    remove(key);
    expect(status(key)?.state).toBe('pending');
    await run();
    expect(status(key)).toBeUndefined();
  }
  expect(passes(1, OTHER)).toBe(true);
});

it('what is not known denies: a policy, and a set that makes no sense', async () => {
  const device = new SlowDevice();
  const { controller, reconciler } = startController(new MemoryStore());
  const attached = reconciler.attach(device, () => true);
  await vi.advanceTimersByTimeAsync(0);
  await attached;
  const negated = policy('p', 'a');
  const [rule] = negated.ingress;
  const peers = [{ negated: true, cidrs: [], sets: ['a'] }];
  controller.upsert({ ...negated, ingress: rule === undefined ? [] : [{ ...rule, peers }] });
  controller.refuse('set/a', 'nonsense');
  controller.upsert(isolation(1, 'p'));
  controller.upsert(isolation(2, 'nowhere'));
  controller.upsert(pod(1));
  controller.upsert(pod(2));
  const run = async () => {
    await vi.advanceTimersByTimeAsync(0);
    while (device.waiting > 0) {
      device.take(0, 'done');
      await vi.advanceTimersByTimeAsync(0);
    }
  };
  await run();
  const passes = (i: number) => device.allows(ip(i), 'ingress', { peer: PEER, ...HTTP });
  expect([passes(1), passes(2)]).toEqual([false, false]);
  expect(controller.status('isolation/n/pod-2')?.reason).toBe('PolicyUnknown');
  controller.upsert(set('a', [OTHER]));
  await run();
  expect(passes(1)).toBe(true);
});
