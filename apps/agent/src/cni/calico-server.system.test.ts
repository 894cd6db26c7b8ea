import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { credentials, status } from '@grpc/grpc-js';
import {
  type AddReply,
  AddRequest,
  CniDataplaneClient,
  type DelReply,
  type DelRequest,
} from '@infra-offload/cni-types/proto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { checkHealth } from '../health-client.js';
import { grpcError } from '../testing/fake-manager.js';
import { Harness } from '../testing/harness.js';
import { eventually, ipIn, links } from '../testing/network.js';

let harness: Harness;
let clients: CniDataplaneClient[];

beforeEach(() => {
  harness = new Harness();
  clients = [];
});

afterEach(async () => {
  for (const client of clients) client.close();
  await harness.stop();
});

const socketOf = () => `unix://${join(harness.network.directory, 'calico', 'cni-server.sock')}`;

async function start(taps = 3, listen = socketOf()) {
  await harness.start(taps, { calico: { listen } });
  const client = new CniDataplaneClient(harness.agent?.calicoAddress ?? '', credentials.createInsecure());
  clients.push(client);
  return {
    add: promisify<AddRequest, AddReply>(client.add.bind(client)),
    del: promisify<DelRequest, DelReply>(client.del.bind(client)),
    client,
  };
}

function request(netns: string, more: Partial<AddRequest> = {}): AddRequest {
  return AddRequest.fromPartial({
    interfaceName: 'eth0',
    netns,
    desiredHostInterfaceName: 'cali0123456789a',
    settings: { allowIpForwarding: false, mtu: 1400 },
    containerIps: [{ address: '10.244.7.9/32', gateway: '10.244.7.1' }],
    containerRoutes: ['0.0.0.0/0'],
    workload: { name: 'cart', namespace: 'shop', pod: 'cart-1', orchestrator: 'k8s', node: 'node-1' },
    ...more,
  });
}

const stateFiles = () => readdirSync(join(harness.network.directory, 'state', 'tap'));
const ok = { successful: true, errorMessage: '' };

describe('cni.CniDataplane', () => {
  it('attaches a pod as Calico asks, once more with the same answer, and detaches it as often as it is told', async () => {
    const { add, del } = await start();
    const { network, manager } = harness;
    const netns = network.addNetns('a');
    const mac = links().find(({ ifname }) => ifname === `${network.prefix}1`)?.address ?? '';
    const reply = { ...ok, hostInterfaceName: `${network.prefix}1`, containerMac: mac };

    expect(await add(request(netns))).toEqual(reply);
    const id = `${netns.slice('/var/run/netns/'.length)}/eth0`;
    expect(manager.pods.get(id)).toMatchObject({
      namespace: 'shop',
      name: 'cart-1',
      addresses: ['10.244.7.9'],
      mac,
    });
    expect(links(netns).find(({ ifname }) => ifname === 'eth0')).toMatchObject({ address: mac, mtu: 1400 });
    expect(ipIn(netns, '-4', 'route', 'show')).toMatch(/^default via 169\.254\.1\.1 dev eth0/m);

    expect(await add(request(netns))).toEqual(reply);
    expect(manager.addPodCalls).toHaveLength(1);
    expect(await harness.cni('GC', { config: { 'cni.dev/valid-attachments': [] } })).toMatchObject({
      exitCode: 0,
    });
    expect(manager.pods.size).toBe(1);

    const del1 = { interfaceName: 'eth0', netns: netns.replace('/var/run', '/run') };
    expect(await del(del1)).toEqual(ok);
    expect(await del(del1)).toEqual(ok);
    expect(manager.pods.size).toBe(0);
    expect(stateFiles()).toEqual([]);
    expect(network.taps()).toHaveLength(3);
  });

  it.each<[string, Partial<AddRequest>, RegExp]>([
    ['no address', { containerIps: [] }, /container_ips: a pod gets exactly one IPv4 address; given: none/],
    [
      'IPv6 beside IPv4',
      {
        containerIps: [
          { address: '10.244.7.9/32', gateway: '' },
          { address: 'fd00::9/128', gateway: '' },
        ],
      },
      /container_ips: a pod gets exactly one IPv4 address; given: 10\.244\.7\.9\/32, fd00::9\/128/,
    ],
    ['IPv6', { containerIps: [{ address: 'fd00::9/128', gateway: '' }] }, /'fd00::9\/128' is not an IPv4/],
    ['no namespace', { netns: '' }, /CNI_NETNS/],
    ['a namespace that is not there', { netns: '/var/run/netns/none-such' }, /does not exist/],
    ['the namespace of the node', { netns: '/proc/self/ns/net' }, /namespace of the node itself/],
    ['no interface name', { interfaceName: '' }, /CNI_IFNAME/],
    ['an MTU out of range', { settings: { allowIpForwarding: false, mtu: 68 } }, /settings\.mtu 68/],
    ['a route that is none', { containerRoutes: ['default'] }, /container_routes: 'default'/],
  ])('refuses %s with a reply that says so', async (_what, change, message) => {
    const { add } = await start(2);
    const netns = harness.network.addNetns('a');
    const reply = await add(request(netns, change));
    expect(reply).toEqual({
      successful: false,
      errorMessage: expect.stringMatching(message),
      hostInterfaceName: '',
      containerMac: '',
    });
    expect(stateFiles()).toEqual([]);
    expect(harness.network.taps()).toHaveLength(2);
  });

  it('leaves nothing behind when the manager refuses, nor when Calico gives up', async () => {
    const { add, client } = await start(2);
    const { network, manager } = harness;
    const netns = network.addNetns('a');
    manager.onAddPod = () => {
      throw grpcError(status.RESOURCE_EXHAUSTED, 'table pod_forward is full');
    };
    expect(await add(request(netns))).toMatchObject({
      successful: false,
      errorMessage: expect.stringMatching(/pod_forward is full/),
    });
    expect(stateFiles()).toEqual([]);

    let isAsked = false;
    let proceed = () => {};
    manager.onAddPod = () => {
      isAsked = true;
      return new Promise((resolve) => {
        proceed = resolve;
      });
    };
    const call = client.add(request(netns), () => {});
    await eventually(() => isAsked, 'the call is under way');
    call.cancel();
    await new Promise((resolve) => setTimeout(resolve, 50));
    proceed();
    await eventually(() => stateFiles().length === 0 && network.taps().length === 2, 'nothing is left');
    expect(manager.pods.size).toBe(0);
  });

  it('makes room for the next pod when a namespace is gone, named or not', async () => {
    const { add, del } = await start();
    const { network, manager } = harness;
    const gone = network.addNetns('gone');
    const alive = network.addNetns('alive');
    expect(await add(request(gone))).toMatchObject(ok);
    const other = [{ address: '10.244.7.10/32', gateway: '' }];
    expect(await add(request(alive, { containerIps: other }))).toMatchObject(ok);
    network.removeNetns(gone);
    expect(await del({ interfaceName: 'eth0', netns: '' })).toEqual(ok);
    expect([...manager.pods.values()].map(({ addresses }) => addresses[0])).toEqual(['10.244.7.10']);
    expect(stateFiles()).toHaveLength(1);
  });

  it('tells by grpc.health.v1 and /check whether it serves', async () => {
    await start(2);
    const { agent, manager } = harness;
    expect(await checkHealth(agent?.calicoAddress ?? '', credentials.createInsecure(), 1000)).toEqual({
      serving: true,
    });
    const check = async () => {
      const response = await fetch(`http://${agent?.monitoringAddress}/check`);
      return [response.status, await response.text()];
    };
    expect(await check()).toEqual([200, 'ok\n']);
    manager.health.setStatus('', 'NOT_SERVING');
    expect(await check()).toEqual([500, 'infra-manager is not serving: it says NOT_SERVING\n']);
    manager.kill();
    expect(await check()).toEqual([
      500,
      expect.stringMatching(/^infra-manager is not serving: .*ECONNREFUSED/),
    ]);
  });

  it('listens on a unix socket for its own user only, and removes it', async () => {
    const path = join(harness.network.directory, 'calico', 'cni-server.sock');
    const { del } = await start(1);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await del({ interfaceName: 'eth0', netns: '/var/run/netns/unknown' })).toEqual(ok);
    await harness.agent?.stop();
    expect(existsSync(path)).toBe(false);
  });

  it('listens on TCP if it is told to, and says what that means', async () => {
    const { del } = await start(1, '127.0.0.1:0');
    expect(await del({ interfaceName: 'eth0', netns: '/var/run/netns/unknown' })).toEqual(ok);
    const warning = /every process in the network namespace of the node can move interfaces/;
    expect(harness.log.some(({ level, msg }) => level === 40 && warning.test(msg))).toBe(true);
    const get = async (path: string) =>
      (await fetch(`http://${harness.agent?.monitoringAddress}${path}`)).text();
    expect(await get('/readyz')).toMatch(new RegExp(`^ready\nwarning: calico.listen is .*${warning.source}`));
    expect(await get('/metrics')).toMatch(
      /^infra_agent_problem\{reason="calico_tcp",severity="warning"\} 1$/m,
    );
  });

  it('is told a namespace from an earlier one at its path, even if it has the same inode', async () => {
    const { add } = await start(3);
    const { network, manager } = harness;
    const netns = network.addNetns('a');
    expect(await add(request(netns))).toMatchObject(ok);
    // As far as paths and inodes tell, the pod of before: but nothing of it is inside.
    ipIn(netns, 'link', 'set', 'dev', 'lo', 'alias', '');
    ipIn(netns, 'link', 'delete', 'dev', 'eth0');
    expect(await add(request(netns))).toMatchObject({ ...ok, hostInterfaceName: `${network.prefix}2` });
    expect(links(netns).map(({ ifname }) => ifname)).toEqual(['lo', 'eth0']);
    expect(manager.addPodCalls).toHaveLength(2);
  });

  it('is off unless it is configured', async () => {
    await harness.start(1);
    expect(harness.agent?.calicoAddress).toBeUndefined();
    const response = await fetch(`http://${harness.agent?.monitoringAddress}/check`);
    expect([response.status, await response.text()]).toEqual([500, expect.stringMatching(/not served/)]);
  });
});
