import { mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Harness } from './testing/harness.js';
import { eventually, ip, ipIn, links } from './testing/network.js';

let harness: Harness;

beforeEach(() => {
  harness = new Harness();
});

afterEach(async () => {
  await harness.stop();
});

const stateDirectory = () => join(harness.network.directory, 'state', 'tap');
const args = 'IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=cart';

async function restart(betweenRuns: () => void): Promise<void> {
  await harness.agent?.stop();
  betweenRuns();
  await harness.startAgent();
  await eventually(() => harness.agent?.problems().length === 0, 'ready again');
}

const loseState = () => rmSync(join(harness.network.directory, 'state'), { recursive: true });

/** What makes up a pod, as far as it must survive. */
const podAt = (netns: string) => ({
  link: links(netns).find(({ ifname }) => ifname === 'eth0'),
  routes: ipIn(netns, '-4', 'route', 'show'),
});

describe('an agent that has lost its state directory', () => {
  it('finds its pods in the system: they keep their network, and nothing of theirs is given away twice', async () => {
    const { network, manager } = await harness.start(4);
    const [a, b] = [network.addNetns('a'), network.addNetns('b')];
    const config = { mtu: 1400 };
    const added = await harness.cni('ADD', { containerId: 'a', netns: a, args, config });
    const other = { name: 'other', ipam: undefined, runtimeConfig: { ips: ['10.9.0.9'] } };
    expect(await harness.cni('ADD', { containerId: 'b', netns: b, config: other })).toMatchObject({
      exitCode: 0,
    });
    const before = { pods: new Map(manager.pods), a: podAt(a), b: podAt(b) };
    await restart(loseState);
    expect({ pods: manager.pods, a: podAt(a), b: podAt(b) }).toEqual(before);
    expect(manager.changes.filter(({ change }) => change?.$case === 'remove')).toEqual([]);
    expect(readdirSync(stateDirectory()).sort()).toEqual(['a:eth0.json', 'b:eth0.json']);
    expect(
      harness.log.filter(({ msg }) => msg === 'attached, but in no state file; taken over'),
    ).toHaveLength(2);

    const check = { containerId: 'a', netns: a, config: { ...config, prevResult: added.json } };
    expect(await harness.cni('CHECK', check)).toMatchObject({ exitCode: 0 });
    // IPAM has lost its state, too.
    rmSync(join(network.directory, 'ipam'), { recursive: true });
    const c = { containerId: 'c', netns: network.addNetns('c') };
    expect((await harness.cni('ADD', c)).json).toMatchObject({
      code: 101,
      msg: expect.stringMatching(/10\.244\.7\.\d+ is held by pod shop\/cart/),
    });
    for (const [containerId, netns] of [
      ['a', a],
      ['b', b],
    ] as const) {
      expect(await harness.cni('DEL', { containerId, netns })).toEqual({ exitCode: 0, json: undefined });
      expect(links(netns).map(({ ifname }) => ifname)).toEqual(['lo']);
    }
    expect(network.taps()).toHaveLength(4);
    expect(await harness.cni('ADD', c)).toMatchObject({ exitCode: 0 });
  });

  it.each<[string, (path: string) => void]>([
    ['gone', (path) => rmSync(path)],
    ['empty', (path) => truncateSync(path, 0)],
    ['cut', (path) => truncateSync(path, 50)],
    ['garbage', (path) => writeFileSync(path, '\u0000{"version":1}')],
  ])('in part: one file is %s', async (_what, damage) => {
    const { network, manager } = await harness.start(4);
    const netns = network.addNetns('a');
    await harness.cni('ADD', { containerId: 'a', netns, args });
    await harness.cni('ADD', { containerId: 'b', netns: network.addNetns('b') });
    // A second interface of the same pod.
    const config = { ipam: undefined, runtimeConfig: { ips: ['10.9.0.1'] } };
    await harness.cni('ADD', { containerId: 'a', ifname: 'net1', netns, config });
    const before = new Map(manager.pods);
    await restart(() => damage(join(stateDirectory(), 'a:eth0.json')));
    expect(manager.pods).toEqual(before);
    expect(before.get('a/eth0')).toMatchObject({ namespace: 'shop', name: 'cart' });
    for (const ifname of ['eth0', 'net1']) {
      expect(await harness.cni('DEL', { containerId: 'a', ifname, netns })).toMatchObject({ exitCode: 0 });
    }
    expect([...manager.pods.keys()]).toEqual(['b/eth0']);
  });

  it('moves the interfaces that a restarted target has made anew back into the pods that it found', async () => {
    const { network } = await harness.start(2);
    const netns = network.addNetns('a');
    const { json } = await harness.cni('ADD', { netns, config: { mtu: 1400 } });
    const before = podAt(netns);
    await restart(loseState);
    ipIn(netns, 'link', 'delete', 'dev', 'eth0');
    network.addTap(1);
    const check = { netns, config: { prevResult: json } };
    await eventually(async () => (await harness.cni('CHECK', check)).exitCode === 0, 'repaired');
    expect(podAt(netns).routes).toBe(before.routes);
    expect(podAt(netns).link).toMatchObject({ address: before.link?.address, mtu: 1400 });
  });

  it("believes the runtime's cache more than marks, and no mark that two links have", async () => {
    const { network, manager } = await harness.start(5);
    const netns = { a: network.addNetns('a'), b: network.addNetns('b'), c: network.addNetns('c') };
    for (const [containerId, path] of Object.entries(netns)) {
      await harness.cni('ADD', { containerId, netns: path, args });
    }
    const address = (id: string) => manager.pods.get(`${id}/eth0`)?.addresses[0];
    const [ofA, ofB] = [address('a'), address('b')];
    // The one in the cache is a; b claims to be it; c claims what another one, which is not in the cache, has.
    const cache = join(network.directory, 'cni', 'results');
    mkdirSync(cache, { recursive: true });
    const cached = {
      kind: 'cniCacheV1',
      containerId: 'a',
      ifName: 'eth0',
      networkName: 'renamed',
      cniArgs: [
        ['K8S_POD_NAMESPACE', 'real'],
        ['K8S_POD_NAME', 'name'],
      ],
      result: { ips: [{ address: `${ofA}/32` }] },
    };
    writeFileSync(join(cache, 'pods-a-eth0'), JSON.stringify(cached));
    writeFileSync(join(cache, 'pods-x-eth0'), '{"kind"');
    writeFileSync(join(cache, 'pods-y-eth0'), '[]');
    const claims = (path: string, from: string, to: string) => {
      const [{ ifalias = '' } = {}] = JSON.parse(ipIn(path, '-json', 'link', 'show', 'dev', 'eth0'));
      ipIn(path, 'link', 'set', 'dev', 'eth0', 'alias', ifalias.replace(`|${from}|`, `|${to}|`));
    };
    await restart(() => {
      loseState();
      claims(netns.b, String(ofB), String(ofA));
      claims(netns.c, `${network.prefix}3`, `${network.prefix}2`);
    });
    expect([...manager.pods.keys()]).toEqual(['a/eth0']);
    expect(manager.pods.get('a/eth0')).toMatchObject({ namespace: 'real', name: 'name' });
    expect(harness.log.filter(({ msg }) => /claims something that another one has/.test(msg))).toHaveLength(
      2,
    );
  });

  it('takes over pods of an agent that has written no marks, and marks them', async () => {
    const { network } = await harness.start(3);
    const netns = network.addNetns('a');
    await harness.cni('ADD', { netns, args });
    const file = join(stateDirectory(), 'c1:eth0.json');
    await restart(() => {
      for (const dev of ['lo', 'eth0']) ipIn(netns, 'link', 'set', 'dev', dev, 'alias', '');
      const json = JSON.parse(readFileSync(file, 'utf8'));
      delete json.netns.mark;
      writeFileSync(file, JSON.stringify(json), { mode: 0o600 });
    });
    await restart(loseState);
    expect(harness.manager.pods.get('c1/eth0')).toMatchObject({ namespace: 'shop', name: 'cart' });
  });

  it('leaves no marks on what is back in the pool', async () => {
    const { network } = await harness.start(2);
    const netns = network.addNetns('a');
    await harness.cni('ADD', { netns });
    await harness.cni('DEL', { netns });
    expect(ip('-json', 'link', 'show', 'dev', `${network.prefix}1`)).not.toMatch(/ifalias/);
  });
});

describe('an agent that cannot store', () => {
  it('says so, refuses new pods with code 11, serves those that are there, and recovers by itself', async () => {
    const { network, manager } = await harness.start(3);
    const [a, b] = [network.addNetns('a'), network.addNetns('b')];
    await harness.cni('ADD', { containerId: 'a', netns: a });
    const before = podAt(a);
    await harness.agent?.stop();
    loseState();
    // A file in the place of the directory: it can neither be read nor made.
    writeFileSync(join(network.directory, 'state'), '');
    const agent = await harness.startAgent();
    await eventually(() => manager.pods.size === 1 && agent.problems().length === 1, 'all but the state');
    expect(agent.problems()).toEqual([expect.stringMatching(/^attachments cannot be stored in .*: /)]);
    expect(podAt(a)).toEqual(before);
    const refused = await harness.cni('ADD', { containerId: 'b', netns: b });
    expect(refused.json).toMatchObject({ code: 11, msg: expect.stringMatching(/cannot be stored/) });
    expect((await harness.cni('STATUS')).json).toMatchObject({ code: 50 });
    const metrics = await (await fetch(`http://${agent.monitoringAddress}/metrics`)).text();
    expect(metrics).toMatch(/^infra_agent_problem\{reason="state",severity="error"\} 1$/m);
    expect(await harness.cni('DEL', { containerId: 'a', netns: a })).toMatchObject({ exitCode: 0 });

    rmSync(join(network.directory, 'state'));
    await eventually(() => agent.problems().length === 0, 'recovered');
    expect(await harness.cni('ADD', { containerId: 'b', netns: b })).toMatchObject({ exitCode: 0 });
    expect(readdirSync(stateDirectory())).toEqual(['b:eth0.json']);
  });
});
