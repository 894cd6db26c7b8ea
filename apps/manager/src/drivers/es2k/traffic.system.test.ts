import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ObjectKind, Protocol, type WantedObject } from '@infra-offload/infra-api';
import { es2kDpArtifacts } from '@infra-offload/p4src';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DEGRADED, node, PROGRAMMED, podObject, service, web } from '../../testing/agent.js';
import { arpReplyMac, arpRequest } from '../../testing/arp.js';
import { Hosts, NODE_HOST, podHost } from '../../testing/hosts.js';
import { startReady, TestWorld, written } from '../../testing/world.js';

/** What the contract of ES2K has of its own, with real packets. What it has in common with DPDK is in conformance.system.test.ts. */

const PODS = Array.from({ length: 70 }, (_, i) => i + 1);
const VIP = '10.96.0.10';
const config = { pipeline: { kind: 'es2k' as const } };
const socket = (i: number, port = 8080) => `${podHost(i).ip}:${port}`;

let world: TestWorld;
let net: Hosts;
beforeEach(async () => {
  world = new TestWorld(PODS.length + 2);
  await world.startTarget();
  net = new Hosts(() => world.ports, [NODE_HOST, ...PODS.map(podHost)]);
});
afterEach(async () => {
  await world.stop();
});

const pods = (...numbers: readonly number[]): WantedObject[] => numbers.map((i) => podObject(i));

/** Which endpoint each bucket of service `web` leads to, as the device has it. */
async function bucketsOf(agent: Awaited<ReturnType<typeof startReady>>['agent']): Promise<string[]> {
  const buckets: string[] = [];
  for (const { text } of await agent.entries('tx_balance')) {
    const [, bucket, ptr] = /hash\[5:0\]=(\d+).*ptr=(\d+)/.exec(text) ?? [];
    buckets[Number(bucket)] = ptr ?? '';
  }
  return buckets;
}

describe('ES2K', () => {
  it('ARP for the gateway goes to the ARP proxy, and its answer comes back', async () => {
    const arpProxyInterface = `mem${PODS.length + 1}`;
    const { agent } = await startReady(world, { ...config, dataPlane: { arpProxyInterface } });
    await agent.snapshot(node(), ...pods(1, 2));
    const client = podHost(1);
    const proxy = { mac: '02:00:a9:fe:01:01', ip: '169.254.1.1', port: PODS.length + 1 };
    world.ports.send(client.port, arpRequest(client, proxy.ip));
    const request = await world.ports.receive(proxy.port);
    const reply = Buffer.from(arpRequest(proxy, client.ip));
    reply.writeUInt16BE(2, 20);
    expect(Buffer.from(request).readUInt16BE(20)).toBe(1);
    world.ports.send(proxy.port, reply);
    expect(arpReplyMac(await world.ports.receive(client.port))).toBe(proxy.mac);
    // Without a proxy the node answers.
    world.ports.send(client.port, arpRequest(client, podHost(2).ip));
    await world.ports.receive(2);
  });

  it('64 endpoints share the buckets; the 65th is told, and gets in when another leaves', async () => {
    const { agent } = await startReady(world, config);
    await agent.snapshot(node(), ...pods(...PODS), web(...PODS.slice(1, 66).map((i) => socket(i))));
    const said = await agent.status('default/web:/TCP', ({ state }) => state === DEGRADED);
    expect(said.reason).toBe('TooManyEndpoints');
    expect(said.message).toContain('65 endpoints, 64 of which are served');
    const before = await bucketsOf(agent);
    expect(new Set(before).size).toBe(64);
    const seen = new Set<string | undefined>();
    for (let i = 0; i < 640; i++) seen.add(net.connect(podHost(1), 'tcp', VIP, 80)?.server.ip);
    expect(seen.has(undefined)).toBe(false);
    expect(seen.size).toBeGreaterThan(60);

    await agent.upsert(web(...PODS.slice(2, 66).map((i) => socket(i))));
    await agent.status('default/web:/TCP', ({ state }) => state === PROGRAMMED);
    const after = await bucketsOf(agent);
    expect(after.filter((ptr, i) => ptr !== before[i])).toHaveLength(1);
    expect(new Set(after).size).toBe(64);
  });

  it('an endpoint that comes or goes among 64 moves one bucket; with i mod n it would move 44', async () => {
    const { agent } = await startReady(world, config);
    const endpoints = PODS.slice(1, 65).map((i) => socket(i));
    await agent.snapshot(node(), ...pods(...PODS), web(...endpoints));
    const all = await bucketsOf(agent);
    const gone = [...endpoints.slice(0, 20), ...endpoints.slice(21)];
    const start = await written(agent);
    await agent.upsert(web(...gone));
    const less = await bucketsOf(agent);
    await agent.upsert(web(...endpoints));
    const back = await bucketsOf(agent);
    expect(all.filter((ptr, i) => ptr !== less[i])).toHaveLength(1);
    expect(less.filter((ptr, i) => ptr !== back[i])).toHaveLength(1);
    // i mod n renumbers all behind the one that goes.
    const renumbered = endpoints.filter((ip, i) => ip !== gone[i % gone.length]).length;
    expect(renumbered).toBe(44);
    // Out: the bucket, and the way back. In: the way back and the bucket. The endpoint itself drains, so it stays.
    expect((await written(agent)).updates - start.updates).toBe(4);
  });

  it('two services on one endpoint: the first keeps it, the second is served by the rest and told', async () => {
    const { agent } = await startReady(world, config);
    const other = (...of: readonly number[]) =>
      service(
        'other',
        ['10.96.0.11:80'],
        of.map((i) => socket(i)),
      );
    await agent.snapshot(node(), ...pods(1, 2, 3), web(socket(2)), other(2, 3));
    const said = agent.statuses.get('default/other:/TCP');
    expect(said).toMatchObject({ state: DEGRADED, reason: 'EndpointConflict' });
    expect(said?.message).toContain('10.244.1.2:8080 (held by service default/web:/TCP)');
    expect(net.connect(podHost(1), 'tcp', VIP, 80)?.server).toEqual(podHost(2));
    for (let i = 0; i < 10; i++)
      expect(net.connect(podHost(1), 'tcp', '10.96.0.11', 80)?.server).toEqual(podHost(3));
    // Another port of the pod, and UDP, are endpoints of their own.
    await agent.upsert(
      service('third', ['10.96.0.12:80'], [socket(2, 9090)]),
      service('udp', ['10.96.0.12:80'], [socket(2)], { protocol: Protocol.PROTOCOL_UDP }),
    );
    expect(net.connect(podHost(1), 'tcp', '10.96.0.12', 80)?.server).toEqual(podHost(2));
    expect(net.connect(podHost(1), 'udp', '10.96.0.12', 80)?.server).toEqual(podHost(2));

    const open = net.connect(podHost(1), 'tcp', VIP, 80);
    await agent.remove(ObjectKind.OBJECT_KIND_SERVICE, 'default/web:/TCP');
    await agent.status('default/other:/TCP', ({ state }) => state === PROGRAMMED);
    const servers = new Set<string | undefined>();
    for (let i = 0; i < 40; i++) servers.add(net.connect(podHost(1), 'tcp', '10.96.0.11', 80)?.server.ip);
    expect([...servers].sort()).toEqual([podHost(2).ip, podHost(3).ip]);
    // The deleted service's connection goes on beside those of the heir.
    expect(open !== undefined && net.talks(open)).toBe(true);
  });

  it('the order of claims survives a restart', async () => {
    const objects = [
      node(),
      ...pods(1, 2),
      web(socket(2)),
      service('a-first', ['10.96.0.11:80'], [socket(2)]),
    ];
    const first = await startReady(world, config);
    await first.agent.snapshot(...objects);
    await first.manager.stop();
    const second = await startReady(world, config);
    await second.agent.snapshot(...[...objects].reverse());
    expect(second.agent.statuses.get('default/a-first:/TCP')).toMatchObject({ reason: 'EndpointConflict' });
    expect(await written(second.agent)).toEqual({ writes: 0, updates: 0 });
  });

  it('endpoints elsewhere are told and the rest is served; they come in with their pod', async () => {
    const { agent } = await startReady(world, config);
    await agent.snapshot(node(), ...pods(1, 2), web(socket(2), socket(3), '10.244.9.9:8080'));
    expect(agent.statuses.get('default/web:/TCP')).toMatchObject({
      state: DEGRADED,
      reason: 'EndpointsNotLocal',
    });
    expect(agent.statuses.get('default/web:/TCP')?.message).toContain('10.244.1.3:8080, 10.244.9.9:8080');
    for (let i = 0; i < 10; i++) expect(net.connect(podHost(1), 'tcp', VIP, 80)?.server).toEqual(podHost(2));
    await agent.upsert(podObject(3));
    await agent.status('default/web:/TCP', ({ message }) => !message.includes('10.244.1.3'));
    const servers = new Set<string | undefined>();
    for (let i = 0; i < 40; i++) servers.add(net.connect(podHost(1), 'tcp', VIP, 80)?.server.ip);
    expect([...servers].sort()).toEqual([podHost(2).ip, podHost(3).ip]);
  });

  it('an endpoint may be the node itself', async () => {
    const { agent } = await startReady(world, config);
    await agent.snapshot(node(), ...pods(1), web(`${NODE_HOST.ip}:6443`));
    expect(net.connect(podHost(1), 'tcp', VIP, 80)?.server).toEqual(NODE_HOST);
  });

  it("a pod that takes a service's address wins it, and gives it back", async () => {
    const { agent } = await startReady(world, config);
    await agent.snapshot(node(), ...pods(1, 2), service('web', ['10.244.1.3:80'], [socket(2)]));
    expect(net.connect(podHost(1), 'tcp', podHost(3).ip, 80)?.server).toEqual(podHost(2));
    await agent.upsert(podObject(3));
    await agent.status('default/web:/TCP', ({ reason }) => reason === 'AddressConflict');
    await agent.status('c3/eth0', ({ state }) => state === PROGRAMMED);
    expect(net.connect(podHost(1), 'tcp', podHost(3).ip, 80)?.server).toEqual(podHost(3));
    await agent.remove(ObjectKind.OBJECT_KIND_POD, 'c3/eth0');
    await agent.status('default/web:/TCP', ({ state }) => state === PROGRAMMED);
    expect(net.connect(podHost(1), 'tcp', podHost(3).ip, 80)?.server).toEqual(podHost(2));
  });
});

it('on the chip, ports are told by MAC addresses: of pods, of the node and of the ARP proxy', async () => {
  const { agent } = await startReady(world, {
    ...config,
    interfaceType: 'cdq',
    dataPlane: { gatewayMac: '00:06:00:00:03:14', arpProxyInterface: 'ens801f0d4' },
  });
  const host = { interfaceName: 'ens801f0d5', mac: '00:05:00:00:03:14', addresses: [NODE_HOST.ip] };
  const pod = (mac: string) => podObject(1, { interfaceName: 'ens801f0d7', mac });
  await agent.snapshot(node({ hostInterface: host }), pod('00:07:00:00:03:14'));
  const ports = async () =>
    (await agent.entries('arp_to_port_table')).map(({ text }) =>
      /tpa=(\S+) -> \S+\(p=(\d+)\)/.exec(text)?.slice(1).join(' '),
    );
  expect((await ports()).sort()).toEqual(['10.244.1.1 23', '10.244.1.254 21', '169.254.1.1 22']);
  const [smac] = (await agent.entries('pod_gateway_mac_mod_table')).map(
    ({ text }) => /smac=(\S+),/.exec(text)?.[1],
  );
  expect(smac).toBe('00:06:00:00:03:14');
  await agent.upsert(
    pod('00:08:00:00:03:14'),
    node({ hostInterface: { ...host, mac: '00:09:00:00:03:14' } }),
  );
  await expect
    .poll(async () => (await ports()).sort())
    .toEqual(['10.244.1.1 24', '10.244.1.254 25', '169.254.1.1 22']);
});

describe('the choice of the driver', () => {
  const tables = async (agent: Awaited<ReturnType<typeof startReady>>['agent']) =>
    (await agent.managerStatus()).tables.map(({ name }) => name);

  it('without a configuration, it is the pipeline for DPDK, or what the target runs', async () => {
    const first = await startReady(world);
    expect(await tables(first.agent)).toContain('endpoint_group');
    await first.manager.stop();
    await world.stopTarget();
    await world.startTarget();
    const second = await startReady(world, config);
    await second.manager.stop();
    const third = await startReady(world);
    expect(await tables(third.agent)).toContain('tx_balance');
    await third.agent.snapshot(node(), ...pods(1, 2), web(socket(2)));
    expect(net.connect(podHost(1), 'tcp', VIP, 80)?.server).toEqual(podHost(2));
  });

  it("a package's folder tells it, and makes the device config", async () => {
    const directory = join(world.directory, 'package');
    mkdirSync(directory);
    const { p4info, bfrt, context, spec } = es2kDpArtifacts;
    for (const [file, text] of Object.entries({
      'p4Info.txt': p4info,
      'tdi.json': bfrt,
      'context.json': context,
    }))
      writeFileSync(join(directory, file), text);
    await expect(world.startManager({ pipeline: { directory } })).rejects.toThrow(
      /pipeline\.directory .*: it lacks the binary of the package .*; it has context\.json, tdi\.json/,
    );
    writeFileSync(join(directory, 'k8s_dp.spec'), spec);
    const { agent } = await startReady(world, { pipeline: { directory } });
    await agent.snapshot(node(), ...pods(1, 2), web(socket(2)));
    expect(net.connect(podHost(1), 'tcp', VIP, 80)?.server).toEqual(podHost(2));
  });

  it('a state directory of the other driver is taken over, without its ids', async () => {
    const first = await startReady(world);
    await first.agent.snapshot(node(), ...pods(1, 2), web(socket(2)));
    await first.manager.stop();
    const second = await startReady(world, config);
    await second.agent.snapshot(node(), ...pods(1, 2), web(socket(2)));
    expect(net.connect(podHost(1), 'tcp', VIP, 80)?.server).toEqual(podHost(2));
  });
});
