import { ObjectKind, Protocol, type WantedObject } from '@infra-offload/infra-api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { node, PROGRAMMED, podObject, service } from './testing/agent.js';
import { type Connection, Hosts, NODE_HOST, podHost } from './testing/hosts.js';
import { startReady, TestWorld, written } from './testing/world.js';

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

  test('pods and the node reach each other, and nobody else', async () => {
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

  test('TCP and UDP services answer from their address', async () => {
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

  test('scaling moves new connections; established ones stay, also when their service is deleted', async () => {
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

  test('several ports of one address are removed one by one', async () => {
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

  test('a pod that goes away takes its endpoints along; its address may return', async () => {
    const { agent } = await startReady(world, config);
    await agent.snapshot(node(), ...pods, port('', 80, 8080, TCP, 2, 3));
    await agent.upsert(port('', 80, 8080, TCP, 3));
    await agent.remove(ObjectKind.OBJECT_KIND_POD, 'c2/eth0');
    expect([...served(20).keys()]).toEqual([podHost(3).ip]);
    await agent.upsert(podObject(2), port('', 80, 8080, TCP, 2, 3));
    expect([...served(40).keys()].sort()).toEqual([podHost(2).ip, podHost(3).ip]);
  });

  test('a restarted manager writes nothing, and established connections live', async () => {
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

  test('a restarted target is programmed anew', async () => {
    const { agent } = await startReady(world, config);
    await agent.snapshot(node(), ...pods, port('', 80, 8080, TCP, 2, 3));
    await world.stopTarget();
    await world.startTarget();
    await agent.status('default/web:/TCP', ({ state }) => state === PROGRAMMED);
    await expect
      .poll(async () => (await agent.managerStatus()).target?.inSync, { timeout: 10_000 })
      .toBe(true);
    expect([...served(40).keys()].sort()).toEqual([podHost(2).ip, podHost(3).ip]);
  });
});
