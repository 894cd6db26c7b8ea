import {
  ObjectKind,
  PolicyAction,
  type PolicyRule,
  Protocol,
  type WantedObject,
} from '@infra-offload/infra-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { node, PROGRAMMED, podObject, service, type TestAgent } from './testing/agent.js';
import { type Connection, type Host, Hosts, NODE_HOST, podHost } from './testing/hosts.js';
import { eventually, startReady, TestWorld, written } from './testing/world.js';

/** What both programs must do alike, packet by packet. What differs is in docs/pipelines.md. */

const VIP = '10.96.0.10';
const PODS = [1, 2, 3, 4, 5];
const TCP = Protocol.PROTOCOL_TCP;
const UDP = Protocol.PROTOCOL_UDP;

const hosts = (world: TestWorld) => new Hosts(() => world.ports, [NODE_HOST, ...PODS.map(podHost)]);
const pods = PODS.map((i) => podObject(i));
const [client, ...servers] = PODS.map(podHost);
if (client === undefined) throw new Error('no pods');

/** A port of service `web`: TCP 80 to 8080 of pods. */
function port(
  name: string,
  vipPort: number,
  podPort: number,
  protocol: Protocol,
  ...of: readonly number[]
): WantedObject {
  const endpoints = of.map((i) => `${podHost(i).ip}:${podPort}`);
  return service('web', [`${VIP}:${vipPort}`], endpoints, { portName: name, protocol });
}

function allow(cidrs: readonly string[], protocol: number, number: number): PolicyRule {
  return {
    action: PolicyAction.POLICY_ACTION_ALLOW,
    peers: [{ negated: false, cidrs: [...cidrs], addressSets: [] }],
    ports: [{ match: { $case: 'range', value: { protocol, first: number, last: number } } }],
    notPorts: [],
  };
}

function policy(name: string, ingress: PolicyRule[], egress: PolicyRule[]): WantedObject {
  return { object: { $case: 'networkPolicy', value: { name, ingress, egress, conditions: [] } } };
}

/** Pod `i` is under these policies. */
function isolation(
  i: number,
  under: { readonly ingress?: string[]; readonly egress?: string[] },
): WantedObject {
  const tiers = (policies: string[] | undefined) =>
    policies && { tiers: [{ policies, defaultAction: PolicyAction.POLICY_ACTION_DENY }] };
  const [ingress, egress] = [tiers(under.ingress), tiers(under.egress)];
  const value = { namespace: 'default', name: `pod-${i}`, ingress, egress, conditions: [] };
  return { object: { $case: 'podIsolation', value } };
}

async function settled(agent: TestAgent): Promise<void> {
  await eventually(async () => (await agent.managerStatus()).target?.inSync === true, 'everything to settle');
}

describe.each(['dpdk', 'es2k'] as const)('the %s program', (kind) => {
  let world: TestWorld;
  let net: Hosts;
  const config = { pipeline: { kind } };
  beforeEach(async () => {
    world = new TestWorld();
    await world.startTarget();
    net = hosts(world);
  });
  afterEach(async () => {
    await world.stop();
  });

  /** Addresses that serve some new connections. */
  function served(count: number, protocol: 'tcp' | 'udp' = 'tcp', vipPort = 80): Map<string, number> {
    const counts = new Map<string, number>();
    for (let i = 0; i < count; i++) {
      const ip = net.connect(podHost(1), protocol, VIP, vipPort)?.server.ip ?? 'nobody';
      counts.set(ip, (counts.get(ip) ?? 0) + 1);
    }
    return counts;
  }

  it('pods and the node reach each other, and nobody else', async () => {
    const { agent } = await startReady(world, config);
    await agent.snapshot(node(), ...pods);
    expect(await agent.managerStatus()).toMatchObject({ programmed: 6, degraded: 0 });
    const all = [NODE_HOST, ...PODS.map(podHost)];
    for (const from of PODS.map(podHost)) {
      for (const to of all)
        if (to !== from) expect([from.ip, to.ip, net.ping(from, to)]).toEqual([from.ip, to.ip, true]);
    }
    expect(net.connect(client, 'tcp', podHost(2).ip, 22)?.server).toEqual(podHost(2));
    expect(net.connect(client, 'udp', podHost(2).ip, 53)?.server).toEqual(podHost(2));
    expect(net.connect(client, 'tcp', '10.96.0.99', 80)).toBeUndefined();
    await agent.remove(ObjectKind.OBJECT_KIND_POD, 'c2/eth0');
    expect(net.ping(client, podHost(3))).toBe(true);
  });

  it('TCP and UDP services answer from their address', async () => {
    const { agent } = await startReady(world, config);
    await agent.snapshot(
      node(),
      ...pods,
      port('http', 80, 8080, TCP, 2, 3, 4),
      port('dns', 53, 5353, UDP, 2, 3, 4),
    );
    for (const name of ['default/web:http/TCP', 'default/web:dns/UDP'])
      expect(agent.statuses.get(name)).toMatchObject({ state: PROGRAMMED, reason: '' });
    const three = [2, 3, 4].map((i) => podHost(i).ip);
    expect([...served(60).keys()].sort()).toEqual(three);
    expect([...served(60, 'udp', 53).keys()].sort()).toEqual(three);
    expect(served(3, 'tcp', 81).get('nobody')).toBe(3);
  });

  it('scaling moves new connections; established ones stay, also when their service is deleted', async () => {
    const { agent } = await startReady(world, config);
    await agent.snapshot(node(), ...pods, port('', 80, 8080, TCP, 2, 3, 4));
    const open: Connection[] = [];
    for (let i = 0; open.length < 30; i++) {
      const connection = net.connect(client, 'tcp', VIP, 80);
      if (connection !== undefined) open.push(connection);
      expect(i).toBeLessThan(30);
    }
    expect(new Set(open.map(({ server }) => server.ip)).size).toBe(3);
    await agent.upsert(port('', 80, 8080, TCP, 2));
    expect([...served(20).keys()]).toEqual([podHost(2).ip]);
    expect(open.every((connection) => net.talks(connection))).toBe(true);
    await agent.upsert(port('', 80, 8080, TCP, 2, 3, 4, 5));
    expect([...served(80).keys()].sort()).toEqual(servers.map(({ ip }) => ip));
    expect(open.every((connection) => net.talks(connection))).toBe(true);
    await agent.upsert(port('', 80, 8080, TCP));
    expect(served(3).get('nobody')).toBe(3);
    expect(open.every((connection) => net.talks(connection))).toBe(true);
    await agent.remove(ObjectKind.OBJECT_KIND_SERVICE, 'default/web:/TCP');
    expect(served(3).get('nobody')).toBe(3);
    expect(open.every((connection) => net.talks(connection))).toBe(true);
  });

  it('several ports of one address are removed one by one', async () => {
    const { agent } = await startReady(world, config);
    const ports = [80, 81, 82].map((number) => port(`p${number}`, number, number, TCP, 2, 3));
    const dns = port('dns', 53, 53, UDP, 4);
    await agent.snapshot(node(), ...pods, ...ports, dns);
    const works = (number: number, protocol: 'tcp' | 'udp' = 'tcp') =>
      net.connect(client, protocol, VIP, number) !== undefined;
    expect([works(80), works(81), works(82), works(53, 'udp')]).toEqual([true, true, true, true]);
    await agent.remove(ObjectKind.OBJECT_KIND_SERVICE, 'default/web:p80/TCP');
    expect([works(80), works(81), works(82), works(53, 'udp')]).toEqual([false, true, true, true]);
    await agent.remove(ObjectKind.OBJECT_KIND_SERVICE, 'default/web:p82/TCP');
    expect([works(80), works(81), works(82), works(53, 'udp')]).toEqual([false, true, false, true]);
    await agent.remove(ObjectKind.OBJECT_KIND_SERVICE, 'default/web:p81/TCP');
    expect([works(80), works(81), works(82), works(53, 'udp')]).toEqual([false, false, false, true]);
    await agent.remove(ObjectKind.OBJECT_KIND_SERVICE, 'default/web:dns/UDP');
    expect(works(53, 'udp')).toBe(false);
    await agent.upsert(dns, ...ports);
    expect([works(80), works(81), works(82), works(53, 'udp')]).toEqual([true, true, true, true]);
  });

  it('a pod that goes away takes its endpoints along; its address may return', async () => {
    const { agent } = await startReady(world, config);
    await agent.snapshot(node(), ...pods, port('', 80, 8080, TCP, 2, 3));
    await agent.upsert(port('', 80, 8080, TCP, 3));
    await agent.remove(ObjectKind.OBJECT_KIND_POD, 'c2/eth0');
    expect([...served(20).keys()]).toEqual([podHost(3).ip]);
    await agent.upsert(podObject(2), port('', 80, 8080, TCP, 2, 3));
    expect([...served(40).keys()].sort()).toEqual([podHost(2).ip, podHost(3).ip]);
  });

  it('policies let in and out what they name, at addresses of pods and through services', async () => {
    const { agent } = await startReady(world, config);
    const web = policy('web', [allow(['10.244.1.1/32'], 6, 8080)], []);
    const dns = policy('dns', [], [allow(['10.244.1.4/32'], 17, 53), allow(['10.244.1.2/32'], 6, 8080)]);
    const objects = [web, dns, isolation(2, { ingress: ['web'] }), isolation(3, { egress: ['dns'] })];
    await agent.snapshot(
      node(),
      ...objects,
      ...pods,
      port('', 80, 8080, TCP, 2),
      port('dns', 53, 53, UDP, 4),
    );
    expect(await agent.managerStatus()).toMatchObject({ degraded: 0, pending: 0 });
    const [one, two, three, four] = [podHost(1), podHost(2), podHost(3), podHost(4)] as const;
    const tcp = (from: Host, to: string, number: number) =>
      net.connect(from, 'tcp', to, number) !== undefined;
    const udp = (from: Host, to: string, number: number) =>
      net.connect(from, 'udp', to, number) !== undefined;
    expect([tcp(one, two.ip, 8080), tcp(one, VIP, 80)]).toEqual([true, true]);
    expect([tcp(one, two.ip, 8081), udp(one, two.ip, 8080), net.ping(one, two)]).toEqual([
      false,
      false,
      false,
    ]);
    expect([tcp(four, two.ip, 8080), tcp(four, VIP, 80)]).toEqual([false, false]);
    expect([udp(three, four.ip, 53), udp(three, VIP, 53), tcp(three, four.ip, 53)]).toEqual([
      true,
      true,
      false,
    ]);
    // Out of the one, but not into the other.
    expect([tcp(three, two.ip, 8080), tcp(three, VIP, 80), net.ping(three, four)]).toEqual([
      false,
      false,
      false,
    ]);
    expect([tcp(four, three.ip, 22), net.ping(one, four)]).toEqual([kind === 'dpdk', true]);

    const open = net.connect(one, 'tcp', VIP, 80);
    await agent.upsert(policy('web', [allow(['10.244.1.4/32', '10.244.1.5/32'], 6, 8080)], []));
    await settled(agent);
    expect([tcp(one, two.ip, 8080), tcp(four, two.ip, 8080), tcp(four, VIP, 80)]).toEqual([
      false,
      true,
      true,
    ]);
    // What is denied by now ends; es2k judges connections through a service once.
    expect(open !== undefined && net.talks(open)).toBe(kind === 'es2k');
    await agent.remove(ObjectKind.OBJECT_KIND_POD_ISOLATION, 'default/pod-2');
    await settled(agent);
    expect([tcp(one, two.ip, 8080), udp(one, two.ip, 9), net.ping(one, two)]).toEqual([true, true, true]);
  });

  it('a restarted manager writes nothing for policies', async () => {
    const first = await startReady(world, config);
    const web = policy('web', [allow(['10.244.0.0/16'], 6, 80)], [allow(['0.0.0.0/0'], 17, 53)]);
    const objects = [node(), web, isolation(2, { ingress: ['web'], egress: ['web'] }), ...pods];
    await first.agent.snapshot(...objects);
    await settled(first.agent);
    await first.manager.stop();
    const second = await startReady(world, config);
    await second.agent.snapshot(...objects);
    expect(await written(second.agent)).toEqual({ writes: 0, updates: 0 });
  });

  it('a restarted manager writes nothing, and established connections live', async () => {
    const first = await startReady(world, config);
    const objects = [node(), ...pods, port('', 80, 8080, TCP, 2, 3, 4), port('dns', 53, 53, UDP, 2)];
    await first.agent.snapshot(...objects);
    await first.agent.upsert(port('', 80, 8080, TCP, 2, 3, 4, 5));
    await first.agent.upsert(port('', 80, 8080, TCP, 2, 4, 5));
    const open = [net.connect(client, 'tcp', VIP, 80), net.connect(client, 'udp', VIP, 53)];
    await first.manager.stop();
    const second = await startReady(world, config);
    await second.agent.snapshot(
      node(),
      ...pods,
      port('', 80, 8080, TCP, 2, 4, 5),
      port('dns', 53, 53, UDP, 2),
    );
    expect(await written(second.agent)).toEqual({ writes: 0, updates: 0 });
    for (const connection of open) expect(connection !== undefined && net.talks(connection)).toBe(true);
  });

  it('a restarted target is programmed anew', async () => {
    const { agent } = await startReady(world, config);
    await agent.snapshot(node(), ...pods, port('', 80, 8080, TCP, 2, 3));
    await world.stopTarget();
    await world.startTarget();
    await agent.status('default/web:/TCP', ({ state }) => state === PROGRAMMED);
    await expect.poll(async () => (await agent.managerStatus()).target?.inSync).toBe(true);
    expect([...served(40).keys()].sort()).toEqual([podHost(2).ip, podHost(3).ip]);
  });
});
