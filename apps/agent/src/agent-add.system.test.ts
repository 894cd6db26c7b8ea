import { statSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { grpcError } from './testing/fake-manager.js';
import { Harness, nothingBut } from './testing/harness.js';
import { ipIn, links } from './testing/network.js';

let harness: Harness;

beforeEach(() => {
  harness = new Harness();
});

afterEach(async () => {
  await harness.stop();
});

describe('ADD', () => {
  it('attaches a pod and DEL detaches it', async () => {
    const { network, manager } = await harness.start(3);
    const netns = network.addNetns('a');
    const args = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart';
    const mac = links().find(({ ifname }) => ifname === `${network.prefix}1`)?.address;

    const added = await harness.cni('ADD', { netns, args, config: { cniVersion: '1.0.0', mtu: 1400 } });

    expect(added).toEqual({
      exitCode: 0,
      json: {
        cniVersion: '1.0.0',
        interfaces: [{ name: 'eth0', mac, sandbox: netns }],
        ips: [{ address: '10.244.7.2/32', gateway: '169.254.1.1', interface: 0 }],
        routes: [{ dst: '0.0.0.0/0', gw: '169.254.1.1' }],
        dns: {},
      },
    });
    const [link] = links(netns).filter(({ ifname }) => ifname === 'eth0');
    expect(link).toMatchObject({ address: mac, mtu: 1400, flags: expect.arrayContaining(['UP']) });
    expect(link?.addr_info.map(({ local, prefixlen }) => `${local}/${prefixlen}`)).toEqual(['10.244.7.2/32']);
    const routes = ipIn(netns, '-4', 'route', 'show');
    expect(routes).toMatch(/^default via 169\.254\.1\.1 dev eth0/m);
    expect(routes).toMatch(/^169\.254\.1\.1 dev eth0 scope link/m);
    expect(manager.pods.get('c1/eth0')).toEqual({
      attachmentId: 'c1/eth0',
      namespace: 'shop',
      name: 'cart',
      interfaceName: `${network.prefix}1`,
      mac,
      addresses: ['10.244.7.2'],
    });
    expect(statSync(join(network.directory, 'state', 'tap', 'c1:eth0.json')).mode & 0o777).toBe(0o600);

    expect(await harness.cni('DEL', { netns })).toEqual({ exitCode: 0, json: undefined });
    expect(harness.leftOver()).toEqual(nothingBut(3));
    expect(links().find(({ ifname }) => ifname === `${network.prefix}1`)).toMatchObject({
      address: mac,
      addr_info: [],
    });
    expect(await harness.cni('DEL', { netns })).toEqual({ exitCode: 0, json: undefined });
  });

  it('gives pods interfaces by number, each to one pod only, and says when there is none', async () => {
    const { network, manager } = await harness.start(4);
    network.addTap(10);
    const pods = ['a', 'b', 'c', 'd', 'e'].map((name) => ({
      containerId: name,
      netns: network.addNetns(name),
    }));
    const results = await Promise.all(pods.map((pod) => harness.cni('ADD', pod)));
    const failed = results.filter(({ exitCode }) => exitCode !== 0);
    expect(failed).toHaveLength(1);
    expect(failed[0]?.json).toMatchObject({ code: 11, msg: expect.stringContaining('4 are attached') });
    const used = [...manager.pods.values()].map(({ interfaceName }) =>
      interfaceName.slice(network.prefix.length),
    );
    expect(used.sort()).toEqual(['1', '10', '2', '3']);
    expect(harness.leases()).toHaveLength(4);
    await Promise.all(pods.map((pod) => harness.cni('DEL', pod)));
    expect(harness.leftOver()).toEqual(nothingBut(5));
  });

  it('passes over interfaces that the target does not know, and says so when there are no others', async () => {
    const { network, manager } = await harness.start(4);
    const unknown = [`${network.prefix}1`, `${network.prefix}3`];
    manager.onAddPod = ({ interfaceName }) => {
      if (unknown.includes(interfaceName)) throw grpcError(status.NOT_FOUND, 'no such interface');
    };
    const first = { netns: network.addNetns('a'), containerId: 'a' };
    const second = { netns: network.addNetns('b'), containerId: 'b' };
    expect((await harness.cni('ADD', first)).exitCode).toBe(0);
    expect(manager.addPodCalls.map(({ pod }) => pod?.interfaceName)).toEqual([
      unknown[0],
      `${network.prefix}2`,
    ]);
    expect((await harness.cni('ADD', second)).json).toMatchObject({
      code: 11,
      msg: expect.stringContaining(
        `1 are attached to pods and the target does not know ${unknown.join(', ')}`,
      ),
    });
    expect(network.taps()).toEqual([0, 1, 3].map((number) => `${network.prefix}${number}`));
    expect((await harness.cni('DEL', first)).exitCode).toBe(0);
    expect(harness.leftOver()).toEqual(nothingBut(4));
  });

  it.each([
    [status.UNAVAILABLE, 11],
    [status.RESOURCE_EXHAUSTED, 11],
    [status.ALREADY_EXISTS, 101],
    [status.INVALID_ARGUMENT, 102],
  ])('leaves nothing behind when the manager answers %i: code %i', async (code, cniCode) => {
    const { network, manager } = await harness.start(2);
    const netns = network.addNetns('a');
    manager.onAddPod = () => {
      throw grpcError(code, 'the reason');
    };
    const { exitCode, json } = await harness.cni('ADD', { netns });
    expect(exitCode).toBe(1);
    expect(json).toMatchObject({
      cniVersion: '1.0.0',
      code: cniCode,
      msg: expect.stringContaining('the reason'),
    });
    expect(harness.leftOver()).toEqual(nothingBut(2));
    expect(links(netns).map(({ ifname }) => ifname)).toEqual(['lo']);
  });

  it('refuses a name that the pod has already, and leaves that interface alone', async () => {
    const { network } = await harness.start(2);
    const netns = network.addNetns('a');
    ipIn(netns, 'tuntap', 'add', 'dev', 'eth0', 'mode', 'tap');
    const { json } = await harness.cni('ADD', { netns });
    expect(json).toMatchObject({ code: 100, msg: expect.stringContaining('already has an interface eth0') });
    expect(harness.leftOver()).toEqual(nothingBut(2));
    expect(links(netns).map(({ ifname }) => ifname)).toContain('eth0');
  });

  it('refuses a second ADD without taking anything from the first', async () => {
    const { network, manager } = await harness.start(3);
    const netns = network.addNetns('a');
    await harness.cni('ADD', { netns });
    const { json } = await harness.cni('ADD', { netns });
    expect(json).toMatchObject({
      code: 100,
      msg: expect.stringContaining('attached already, with address 10.244.7.2'),
    });
    expect(harness.leases()).toEqual(['10.244.7.2']);
    expect(manager.pods.size).toBe(1);
  });

  it('attaches a second interface of the same pod with the routes that IPAM names', async () => {
    const { network } = await harness.start(3);
    const netns = network.addNetns('a');
    await harness.cni('ADD', { netns });
    const ipam = {
      type: 'host-local',
      dataDir: join(network.directory, 'ipam'),
      ranges: [[{ subnet: '10.9.0.0/24' }]],
      routes: [{ dst: '10.9.0.0/16', gw: '10.9.0.1' }],
    };
    const { json } = await harness.cni('ADD', { netns, ifname: 'net1', config: { name: 'second', ipam } });
    expect(json?.routes).toEqual([{ dst: '10.9.0.0/16', gw: '169.254.1.1' }]);
    expect(ipIn(netns, '-4', 'route', 'show', '10.9.0.0/16')).toContain('via 169.254.1.1 dev net1');
    expect(
      (await harness.cni('DEL', { netns, ifname: 'net1', config: { name: 'second', ipam } })).exitCode,
    ).toBe(0);
    expect(links(netns).map(({ ifname }) => ifname)).toContain('eth0');
  });

  it('takes an address that the runtime has chosen, and names who holds it already', async () => {
    const { network } = await harness.start(3);
    const [a, b] = [network.addNetns('a'), network.addNetns('b')];
    const config = { ipam: undefined, runtimeConfig: { ips: ['10.1.2.3/24'] } };
    const args = 'K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart';
    const { json } = await harness.cni('ADD', { netns: a, args, config });
    expect(json?.ips).toEqual([{ address: '10.1.2.3/32', gateway: '169.254.1.1', interface: 0 }]);
    const other = {
      containerId: 'c2',
      netns: b,
      config: { ipam: undefined, args: { cni: { ips: ['10.1.2.3'] } } },
    };
    expect((await harness.cni('ADD', other)).json).toMatchObject({
      code: 101,
      msg: 'address 10.1.2.3 is held by pod shop/cart (c1/eth0)',
    });
    // Its namespace goes, but the runtime never says DEL: the address is free nevertheless.
    network.removeNetns(a);
    expect((await harness.cni('ADD', other)).exitCode).toBe(0);
    expect(harness.manager.pods.has('c1/eth0')).toBe(false);
  });

  it('passes on what an earlier plugin of the chain has made', async () => {
    const { network } = await harness.start(2);
    const prevResult = {
      cniVersion: '1.1.0',
      interfaces: [{ name: 'x', mtu: 9000 }],
      ips: [{ address: '10.0.0.1/8', interface: 0 }],
      dns: { nameservers: ['10.96.0.10'] },
    };
    const netns = network.addNetns('a');
    const config = { cniVersion: '1.1.0', ipam: undefined, runtimeConfig: { ips: ['10.1.2.3'] }, prevResult };
    const { json } = await harness.cni('ADD', { netns, config: { ...config, dns: { search: ['a.b'] } } });
    expect(json).toMatchObject({
      interfaces: [
        { name: 'x', mtu: 9000 },
        { name: 'eth0', mtu: 1500, sandbox: netns },
      ],
      ips: [
        { address: '10.0.0.1/8', interface: 0 },
        { address: '10.1.2.3/32', interface: 1 },
      ],
      dns: { nameservers: ['10.96.0.10'], search: ['a.b'] },
    });
  });

  it.each([
    ['/var/run/netns/no-such-netns', 8, /does not exist/],
    ['/etc/hostname', 8, /is not a network namespace/],
    ['/proc/self/ns/mnt', 8, /is not a network namespace/],
    ['/proc/self/ns/net', 8, /of the node itself/],
  ])('refuses the namespace %s', async (netns, code, message) => {
    await harness.start(2);
    const { json } = await harness.cni('ADD', { netns });
    expect(json).toMatchObject({ code, msg: expect.stringMatching(message) });
    expect(harness.leftOver()).toEqual(nothingBut(2));
  });
});
