import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Harness, nothingBut } from './testing/harness.js';
import { eventually, ip, ipIn, links } from './testing/network.js';

let harness: Harness;

beforeEach(() => {
  harness = new Harness();
});

afterEach(async () => {
  await harness.stop();
});

describe('without the manager', () => {
  it('refuses ADD with code 11, lets DEL succeed, and says so to STATUS', async () => {
    const { network, manager } = await harness.start(3);
    const netns = network.addNetns('a');
    await harness.cni('ADD', { netns });
    expect((await harness.cni('STATUS')).exitCode).toBe(0);

    manager.kill();
    await eventually(() => harness.agent?.problems().length === 1, 'the agent notices');
    expect(
      (await harness.cni('ADD', { containerId: 'c2', netns: network.addNetns('b') })).json,
    ).toMatchObject({ code: 11 });
    expect((await harness.cni('STATUS')).json).toMatchObject({ code: 50 });
    expect((await harness.cni('DEL', { netns })).exitCode).toBe(0);
    expect(harness.leases()).toEqual([]);
    expect(manager.pods.has('c1/eth0')).toBe(true);

    await manager.start();
    await eventually(() => harness.agent?.problems().length === 0, 'the agent is back');
    expect(harness.leftOver()).toEqual(nothingBut(3));
  });

  it('says with STATUS that the target is away', async () => {
    await harness.start(2);
    harness.manager.target = { connected: false, primary: false };
    expect((await harness.cni('STATUS')).json).toMatchObject({
      code: 50,
      msg: expect.stringContaining('target'),
    });
  });

  it('waits with ADD until the manager has taken over the snapshot', async () => {
    const { network, manager } = await harness.start(2);
    manager.acknowledges = false;
    manager.cutStream();
    await eventually(() => manager.streams === 2 && manager.lastRevision > 1n, 'a second stream');
    const adding = harness.cni('ADD', { netns: network.addNetns('a') });
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(manager.addPodCalls).toHaveLength(0);
    manager.acknowledge();
    expect((await adding).exitCode).toBe(0);
  });
});

describe('DEL', () => {
  it('succeeds after the namespace is gone, and the interface is free when the target has made it anew', async () => {
    const { network } = await harness.start(2);
    const netns = network.addNetns('a');
    await harness.cni('ADD', { netns });
    network.removeNetns(netns);
    await eventually(() => network.taps().length === 1, 'the TAP is gone');
    expect((await harness.cni('DEL', {})).exitCode).toBe(0);
    const other = { containerId: 'c2', netns: network.addNetns('b') };
    expect((await harness.cni('ADD', other)).json).toMatchObject({ code: 11 });
    network.addTap(1);
    expect((await harness.cni('ADD', other)).exitCode).toBe(0);
  });

  it('brings the interface back whatever the pod has made of it', async () => {
    const { network } = await harness.start(2);
    const netns = network.addNetns('a');
    const { json } = await harness.cni('ADD', { netns });
    ipIn(netns, 'link', 'set', 'dev', 'eth0', 'down', 'name', 'mine#"1');
    ipIn(netns, 'tuntap', 'add', 'dev', 'eth0', 'mode', 'tap');
    expect((await harness.cni('DEL', { netns })).exitCode).toBe(0);
    expect(harness.leftOver()).toEqual(nothingBut(2));
    expect(links().find(({ ifname }) => ifname === `${network.prefix}1`)?.address).toBe(
      json?.interfaces?.[0]?.mac,
    );
  });

  it('leaves a foreign namespace alone that has taken the path of the old one', async () => {
    const { network } = await harness.start(2);
    const netns = network.addNetns('a');
    await harness.cni('ADD', { netns });
    network.removeNetns(netns);
    expect(network.addNetns('a')).toBe(netns);
    ipIn(netns, 'tuntap', 'add', 'dev', 'eth0', 'mode', 'tap');
    expect((await harness.cni('DEL', { netns })).exitCode).toBe(0);
    expect(links(netns).map(({ ifname }) => ifname)).toContain('eth0');
  });
});

describe('CHECK', () => {
  it('finds what is not as ADD left it', async () => {
    const { network } = await harness.start(2);
    const netns = network.addNetns('a');
    const { json: prevResult } = await harness.cni('ADD', { netns });
    const check = (config = {}) => harness.cni('CHECK', { netns, config: { prevResult, ...config } });
    expect(await check()).toEqual({ exitCode: 0, json: undefined });

    expect((await check({ prevResult: undefined })).json).toMatchObject({ code: 7 });
    expect(
      (await check({ cniVersion: '0.3.1', prevResult: { ...prevResult, cniVersion: '0.4.0' } })).json,
    ).toMatchObject({
      code: 1,
    });
    const ips = [{ address: '10.244.7.9/32', interface: 0 }];
    expect((await check({ prevResult: { ...prevResult, ips } })).json).toMatchObject({
      code: 103,
      msg: expect.stringContaining('prevResult has address 10.244.7.9'),
    });
    ipIn(netns, 'link', 'set', 'dev', 'eth0', 'mtu', '1300', 'address', '02:00:00:00:00:99');
    ipIn(netns, 'route', 'delete', 'default');
    const { json } = await check();
    expect(json?.code).toBe(103);
    expect(json?.msg).toMatch(
      /MAC address 02:00:00:00:00:99, not .*; eth0 has MTU 1300, not 1500; .*0\.0\.0\.0\/0 via/,
    );
    ipIn(netns, 'link', 'delete', 'dev', 'eth0');
    expect((await check()).json).toMatchObject({ code: 103, msg: expect.stringContaining('eth0 is not in') });
    await harness.cni('DEL', { netns });
    // host-local says so first: it has no address for the container.
    expect((await check()).exitCode).toBe(1);
    expect((await check({ ipam: undefined })).json).toMatchObject({ code: 3 });
  });
});

describe('GC', () => {
  it('detaches what is not valid any more, of its own network only', async () => {
    const { network, manager } = await harness.start(4);
    const config = (address: string) => ({
      cniVersion: '1.1.0',
      ipam: undefined,
      runtimeConfig: { ips: [address] },
    });
    for (const [i, containerId] of ['a', 'b'].entries()) {
      await harness.cni('ADD', {
        containerId,
        netns: network.addNetns(containerId),
        config: config(`10.1.0.${i}`),
      });
    }
    await harness.cni('ADD', {
      containerId: 'c',
      netns: network.addNetns('c'),
      config: { ...config('10.1.0.9'), name: 'other' },
    });
    const gc = { cniVersion: '1.1.0', ipam: undefined };
    expect((await harness.cni('GC', { config: gc })).json).toMatchObject({ code: 7 });
    const valid = [{ containerID: 'b', ifname: 'eth0' }];
    expect(await harness.cni('GC', { config: { ...gc, 'cni.dev/valid-attachments': valid } })).toEqual({
      exitCode: 0,
      json: undefined,
    });
    expect([...manager.pods.keys()].sort()).toEqual(['b/eth0', 'c/eth0']);
  });
});

describe('a runtime that forgets', () => {
  it('has addresses of host-local given back by GC, which that plugin does not know', async () => {
    const { network } = await harness.start(2);
    const add = (name: string) => harness.cni('ADD', { containerId: name, netns: network.addNetns(name) });
    const config = { cniVersion: '1.1.0', 'cni.dev/valid-attachments': [] };
    const addresses = () =>
      readdirSync(join(network.directory, 'ipam', 'pods')).filter((name) => name.startsWith('10.'));
    expect(await add('a')).toMatchObject({ exitCode: 0 });
    expect(addresses()).toHaveLength(1);
    expect(await harness.cni('GC', { config })).toEqual({ exitCode: 0, json: undefined });
    expect(addresses()).toEqual([]);
    // There is one interface: it is free again, too.
    expect(await add('b')).toMatchObject({ exitCode: 0 });
  });

  it('may use a path again, even for the same container id, without DEL and with the same inode', async () => {
    const { network, manager } = await harness.start(3);
    const netns = network.addNetns('a');
    // host-local would not give one container two addresses.
    const config = { ipam: undefined, runtimeConfig: { ips: ['10.1.0.5'] } };
    expect(await harness.cni('ADD', { netns, config })).toMatchObject({ exitCode: 0 });
    expect((await harness.cni('ADD', { netns, config })).json).toMatchObject({ code: 100 });
    // All that a namespace at the same path and with the same inode differs in: nothing of the pod is inside.
    ipIn(netns, 'link', 'set', 'dev', 'lo', 'alias', '');
    ipIn(netns, 'link', 'delete', 'dev', 'eth0');
    const { json, exitCode } = await harness.cni('ADD', { netns, config });
    expect(exitCode).toBe(0);
    expect(links(netns).find(({ ifname }) => ifname === 'eth0')?.address).toBe(json?.interfaces?.[0]?.mac);
    expect(manager.pods.get('c1/eth0')?.interfaceName).toBe(`${network.prefix}2`);
    expect(await harness.cni('DEL', { netns, config })).toEqual({ exitCode: 0, json: undefined });
    expect(manager.pods.size).toBe(0);
  });

  it('has an interface that came back to the pool free for others, when its namespace went without DEL', async () => {
    const { network, manager } = await harness.start(2);
    const netns = network.addNetns('a');
    expect(await harness.cni('ADD', { netns })).toMatchObject({ exitCode: 0 });
    network.removeNetns(netns);
    await eventually(() => network.taps().length === 1, 'the TAP has gone with the namespace');
    network.addTap(1);
    await eventually(() => manager.pods.size === 0, 'forgotten');
    const other = { containerId: 'c2', netns: network.addNetns('b') };
    expect(await harness.cni('ADD', other)).toMatchObject({ exitCode: 0 });
  });
});

describe('the host interface', () => {
  it('is set up at start, and again when the target has made it anew', async () => {
    const { network, manager } = harness;
    await harness.start(1, {
      hostInterface: { addresses: [`10.77.${Number.parseInt(network.id.slice(0, 2), 16)}.1`] },
      podCidrs: [`10.78.${Number.parseInt(network.id.slice(2, 4), 16)}.0/24`],
      serviceCidrs: [`10.79.${Number.parseInt(network.id.slice(4, 6), 16)}.0/24`],
      mtu: 1450,
    });
    const device = `${network.prefix}0`;
    const routes = () => ip('-4', 'route', 'show', 'dev', device);
    const check = () => {
      const link = links().find(({ ifname }) => ifname === device);
      expect(link).toMatchObject({ mtu: 1450, flags: expect.arrayContaining(['UP']) });
      expect(routes()).toMatch(/^10\.78\.\d+\.0\/24 via 169\.254\.1\.1 .*onlink/m);
      expect(routes()).toMatch(/^10\.79\.\d+\.0\/24 via 169\.254\.1\.1 proto 85 src 10\.77\.\d+\.1 onlink/m);
      expect(ip('neighbour', 'show', 'dev', device)).toContain(
        `169.254.1.1 lladdr ${link?.address} PERMANENT`,
      );
      return link?.address;
    };
    const nodeMac = () => {
      const node = manager.objects.get('1:node-1')?.object;
      return node?.$case === 'node' ? node.value.hostInterface?.mac : undefined;
    };
    expect(nodeMac()).toBe(check());
    network.removeTap(0);
    await eventually(() => harness.agent?.problems().length === 1, 'the agent notices');
    network.addTap(0);
    await eventually(() => harness.agent?.problems().length === 0, 'the interface is set up again');
    const mac = check();
    await eventually(() => nodeMac() === mac, 'the manager knows the new MAC address');
  });
});
