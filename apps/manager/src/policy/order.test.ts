import { type IPv4, ipv4, ipv4Prefix, mac } from '@infra-offload/net';
import type { Direction, PolicyPacket } from '@infra-offload/policy-compiler';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { isolationKey, type ObjectKey, objectKey, type PodObject } from '../model/objects.js';
import type { AddressSetObject, IsolationObject, PolicyObject, PolicyTier } from '../model/policy-objects.js';
import { allowedByDataPlane } from '../testing/policy-verdict.js';
import { type Fate, MemoryStore, SlowDevice, startController } from '../testing/policy-world.js';
import { type Names, portsOf, resolveTiers } from './resolve.js';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const DIRECTIONS = ['ingress', 'egress'] as const;
const PEERS = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.128', '169.254.1.1'].map(ipv4);
const PACKETS: readonly PolicyPacket[] = PEERS.flatMap((peer) => [
  { peer, protocol: 6, port: 80 },
  { peer, protocol: 6, port: 443 },
  { peer, protocol: 17, port: 53 },
  { peer, protocol: 1, port: undefined },
]);
const SETS = ['a', 'b'];
const POLICIES = ['p', 'q', 'r'];
/** Four pods in three places: two of them take turns. */
const PODS = [0, 1, 2, 3].map(
  (i): PodObject => ({
    kind: 'pod',
    attachmentId: `c${i}/eth0`,
    namespace: 'n',
    name: `pod-${i}`,
    interfaceName: `mem${1 + (i % 3)}`,
    mac: mac(0x0200_0000_0001 + i),
    ip: ipv4(0x0af4_0001 + (i % 3)),
  }),
);

const KEYS: readonly ObjectKey[] = [
  ...PODS.flatMap((one) => [objectKey(one), isolationKey(one)]),
  ...POLICIES.map((name): ObjectKey => `policy/${name}`),
  ...SETS.map((name): ObjectKey => `set/${name}`),
];

const cidr = fc.constantFrom(
  ipv4Prefix(ipv4('10.0.0.0'), 24),
  ipv4Prefix(ipv4('10.0.0.0'), 25),
  ipv4Prefix(ipv4('10.0.0.2'), 32),
  ipv4Prefix(ipv4(0), 0),
);
const portMatch = fc.oneof(
  fc.constantFrom(
    { kind: 'range' as const, protocol: 6, ports: { first: 80, last: 80 } },
    { kind: 'range' as const, protocol: 6, ports: { first: 64, last: 500 } },
    { kind: 'range' as const, protocol: 17, ports: undefined },
    { kind: 'range' as const, protocol: undefined, ports: undefined },
  ),
  fc.constantFrom(...SETS).map((set) => ({ kind: 'set' as const, set })),
);
const rule = fc.record({
  action: fc.constantFrom('allow' as const, 'allow' as const, 'deny' as const, 'pass' as const),
  peers: fc.array(
    fc.record({
      negated: fc.constantFrom(false, false, true),
      cidrs: fc.array(cidr, { maxLength: 1 }),
      sets: fc.subarray(SETS, { maxLength: 1 }),
    }),
    { maxLength: 1 },
  ),
  ports: fc.array(portMatch, { maxLength: 2 }),
  notPorts: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.array(portMatch, { maxLength: 1 })),
});
const policy: fc.Arbitrary<PolicyObject> = fc.record({
  kind: fc.constant('policy' as const),
  name: fc.constantFrom(...POLICIES),
  ingress: fc.array(rule, { maxLength: 3 }),
  egress: fc.array(rule, { maxLength: 3 }),
  agentConditions: fc.constant([]),
});
const set: fc.Arbitrary<AddressSetObject> = fc.record({
  kind: fc.constant('set' as const),
  name: fc.constantFrom(...SETS),
  addresses: fc.subarray(PEERS.slice(0, 4)),
  cidrs: fc.array(fc.constant(ipv4Prefix(ipv4('10.0.0.0'), 24)), { maxLength: 1 }),
  addressPorts: fc.subarray([
    { address: ipv4('10.0.0.1'), protocol: 6, port: 443 },
    { address: ipv4('10.244.0.1'), protocol: 6, port: 80 },
    { address: ipv4('10.244.0.2'), protocol: 6, port: 443 },
  ]),
});
const tiers: fc.Arbitrary<readonly PolicyTier[] | undefined> = fc.option(
  fc.array(
    fc.record({
      policies: fc.subarray(POLICIES),
      defaultAction: fc.constantFrom('deny' as const, 'deny' as const, 'pass' as const),
    }),
    { minLength: 1, maxLength: 2 },
  ),
  { nil: undefined },
);
const pod = fc.constantFrom(...PODS);
const isolation: fc.Arbitrary<IsolationObject> = fc.record({
  kind: fc.constant('isolation' as const),
  namespace: fc.constant('n'),
  name: pod.map((one) => one.name),
  ingress: tiers,
  egress: tiers,
  agentConditions: fc.constant([]),
});
const fate: fc.Arbitrary<Fate> = fc.constantFrom('done', 'done', 'done', 'refused', 'full', 'answer-lost');
const take = fc.record({
  kind: fc.constant('take' as const),
  choices: fc.array(fc.nat(1000), { minLength: 1, maxLength: 12 }),
  fate: fc.oneof({ weight: 5, arbitrary: fc.constant('done' as const) }, { weight: 1, arbitrary: fate }),
});
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('put' as const),
      object: fc.oneof(policy, set, isolation, pod),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('remove' as const),
      key: fc.oneof(
        pod.map((one): ObjectKey => `pod/${one.attachmentId}`),
        pod.map(isolationKey),
        fc.constantFrom(...POLICIES).map((name): ObjectKey => `policy/${name}`),
        fc.constantFrom(...SETS).map((name): ObjectKey => `set/${name}`),
      ),
    }),
  },
  { weight: 8, arbitrary: take },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('settle' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('reconnect' as const, 'wipe' as const, 'restart' as const),
    }),
  },
);

/** Something to begin with, so that there is something to change. */
const start = fc.tuple(
  ...SETS.map((name) => set.map((one) => ({ ...one, name }))),
  ...POLICIES.map((name) => policy.map((one) => ({ ...one, name }))),
  ...PODS.slice(0, 3).map(({ name }) => isolation.map((one) => ({ ...one, name }))),
  ...PODS.slice(0, 3).map((one) => fc.constant(one)),
);

/** What is wanted, evaluated without tables. */
class Wanted implements Names {
  readonly objects = new Map<ObjectKey, AddressSetObject | PolicyObject | IsolationObject | PodObject>();

  policy(name: string) {
    const found = this.objects.get(`policy/${name}`);
    return found?.kind === 'policy' ? found : undefined;
  }

  set(name: string) {
    const found = this.objects.get(`set/${name}`);
    return found?.kind === 'set' ? found : undefined;
  }

  isBroken(): boolean {
    return false;
  }

  /** Says which packets of one pod and direction pass. */
  verdict(ip: IPv4, direction: Direction): (packet: PolicyPacket) => boolean {
    const holder = [...this.objects.values()].find((object) => object.kind === 'pod' && object.ip === ip);
    if (holder?.kind !== 'pod') return () => false;
    const its = this.objects.get(isolationKey(holder));
    const wanted = its?.kind === 'isolation' ? its[direction] : undefined;
    if (wanted === undefined) return () => true;
    const ownPorts = new Map(SETS.map((name) => [name, portsOf(this.set(name), ip)]));
    const resolved = resolveTiers(direction, wanted, ownPorts, this);
    return (packet) => allowedByDataPlane({ direction, tiers: resolved, alwaysAllowed: [] }, packet);
  }
}

/** One pod in one direction. */
interface View {
  readonly ip: IPv4;
  readonly direction: Direction;
  readonly probes: readonly Probe[];
}

interface Probe {
  readonly packet: PolicyPacket;
  /** Verdicts that were wanted since the device was last known to be as wanted. */
  readonly verdicts: Set<boolean>;
}

class History {
  readonly wanted = new Wanted();
  readonly device = new SlowDevice();
  readonly store = new MemoryStore();
  manager = startController(this.store);
  readonly #views: readonly View[] = ['10.244.0.1', '10.244.0.2', '10.244.0.3'].map(ipv4).flatMap((ip) =>
    DIRECTIONS.map((direction) => ({
      ip,
      direction,
      probes: PACKETS.map((packet) => ({ packet, verdicts: new Set([false]) })),
    })),
  );

  get #probes(): readonly Probe[] {
    return this.#views.flatMap((view) => view.probes);
  }

  async attach(): Promise<void> {
    const attached = this.manager.reconciler.attach(this.device, () => true);
    await vi.advanceTimersByTimeAsync(0);
    await attached;
  }

  put(object: PolicyObject | AddressSetObject | IsolationObject | PodObject): void {
    this.manager.controller.upsert(object);
    this.wanted.objects.set(objectKey(object), object);
    this.note();
  }

  /** Notes what is wanted now. */
  note(): void {
    for (const { ip, direction, probes } of this.#views) {
      const verdict = this.wanted.verdict(ip, direction);
      for (const { packet, verdicts } of probes) verdicts.add(verdict(packet));
    }
  }

  /** Something failed: until the device is as wanted again, denying is right. */
  noteFailure(): void {
    for (const { verdicts } of this.#probes) verdicts.add(false);
  }

  /** Checks every packet against what the device does now. */
  check(): void {
    for (const { ip, direction, probes } of this.#views) {
      for (const { packet, verdicts } of probes) {
        if (verdicts.size === 2) continue;
        const allowed = this.device.allows(ip, direction, packet);
        if (verdicts.has(allowed)) continue;
        const what = `${direction} of ${ip.toString(16)}: ${JSON.stringify(packet)}`;
        expect.fail(`${what} is ${allowed ? 'allowed' : 'denied'}`);
      }
    }
  }

  /** When nothing is under way, failures or not, nothing may pass that is not to. */
  checkAtRest(): void {
    if (this.device.waiting > 0) return;
    for (const { ip, direction, probes } of this.#views) {
      const verdict = this.wanted.verdict(ip, direction);
      for (const { packet } of probes) {
        if (!this.device.allows(ip, direction, packet) || verdict(packet)) continue;
        expect.fail(`${direction} of ${ip.toString(16)}: ${JSON.stringify(packet)} stays allowed`);
      }
    }
  }

  async take(choices: readonly number[], fate: Fate): Promise<void> {
    for (const choice of choices) {
      if (this.device.waiting === 0) return;
      if (fate !== 'done') this.noteFailure();
      this.device.take(choice, fate);
      this.check();
      await vi.advanceTimersByTimeAsync(0);
      this.checkAtRest();
    }
  }

  /** Lets everything happen until the device is as wanted. */
  async settle(): Promise<void> {
    for (let i = 0; i < 2000 && !this.manager.reconciler.inSync; i++) {
      if (this.device.waiting > 0) await this.take([i * 7], 'done');
      else await vi.advanceTimersByTimeAsync(1000);
    }
    expect(this.manager.reconciler.inSync).toBe(true);
    for (const { verdicts } of this.#probes) verdicts.clear();
    this.note();
    this.check();
    expect(this.statuses().filter(({ state }) => state === 'pending')).toEqual([]);
  }

  /** Of all objects that there ever may have been. */
  statuses() {
    return KEYS.flatMap((key) => {
      const status = this.manager.controller.status(key);
      return status === undefined ? [] : [{ key, ...status }];
    });
  }
}

it('property: whatever changes and whatever fails, no packet gets a verdict that was not wanted since', async () => {
  await fc.assert(
    fc.asyncProperty(
      start,
      fc.array(step, { minLength: 1, maxLength: 60, size: 'max' }),
      async (first, steps) => {
        const history = new History();
        await history.attach();
        for (const object of first) history.put(object);
        await history.settle();
        for (const action of steps) {
          switch (action.kind) {
            case 'put': {
              const { object } = action;
              if (object.kind === 'pod') {
                const taken = [...history.wanted.objects.values()].some(
                  (other) => other.kind === 'pod' && other.ip === object.ip && other.name !== object.name,
                );
                if (taken) break;
              }
              history.put(object);
              break;
            }
            case 'remove':
              history.manager.controller.remove(action.key);
              history.wanted.objects.delete(action.key);
              history.note();
              break;
            case 'take':
              await history.take(action.choices, action.fate);
              break;
            case 'settle':
              await history.settle();
              break;
            case 'wait':
              await vi.advanceTimersByTimeAsync(500);
              break;
            case 'reconnect':
            case 'wipe':
            case 'restart':
              history.manager.reconciler.detach();
              history.device.forgetPending();
              if (action.kind === 'wipe') {
                history.device.wipe();
                history.noteFailure();
              }
              if (action.kind === 'restart') {
                history.manager.controller.stop();
                history.manager = startController(history.store);
              }
              await history.attach();
              break;
          }
          await vi.advanceTimersByTimeAsync(0);
          history.check();
        }
        await history.settle();
        const { updates } = history.device;
        const statuses = history.statuses();
        history.manager.reconciler.detach();
        history.manager = startController(history.store);
        await history.attach();
        await history.settle();
        expect(history.device.updates).toBe(updates);
        expect(history.statuses()).toEqual(statuses);
        for (const [key] of history.wanted.objects) {
          const { state, reason } = history.manager.controller.status(key) ?? {};
          expect(state === 'programmed' || reason === 'PolicyUnknown', `${key}: ${state} ${reason}`).toBe(
            true,
          );
        }
      },
    ),
    { numRuns: 25 },
  );
});
