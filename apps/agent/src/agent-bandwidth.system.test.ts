import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Harness, nothingBut } from './testing/harness.js';
import { eventually, ip, links } from './testing/network.js';

const bandwidth = { IngressRate: 8_000_000, IngressBurst: 160_000, EgressRate: 16_000_000 };
const config = { runtimeConfig: { bandwidth } };

let harness: Harness;

beforeEach(() => {
  harness = new Harness();
});

afterEach(async () => {
  await harness.stop();
});

/** The limits in a namespace, by the device that they are of: bytes per second, and bytes at once. */
function limits(netns: string): Record<string, { rate: number; burst: number }> {
  const text = execFileSync('nsenter', [`--net=${netns}`, 'tc', '-json', 'qdisc', 'show'], {
    encoding: 'utf8',
  });
  const queues = JSON.parse(text) as {
    kind: string;
    dev: string;
    options: { rate: number; burst: number };
  }[];
  return Object.fromEntries(
    queues.flatMap(({ kind, dev, options: { rate, burst } }) =>
      kind === 'tbf' ? [[dev.replace(/^bw-.*/, 'ingress'), { rate, burst }]] : [],
    ),
  );
}

/** The burst is in ticks of the kernel. */
const near = (value: number) => expect.toSatisfy((it: number) => Math.abs(it - value) <= 1, `about ${value}`);
const wanted = {
  ingress: { rate: 1_000_000, burst: near(20_000) },
  // What 100 ms bring, since the runtime names none.
  eth0: { rate: 2_000_000, burst: near(200_000) },
};

describe('a pod with limits of bandwidth', () => {
  it('has them from ADD to DEL, and CHECK sees whether it has', async () => {
    const { network } = await harness.start(2);
    const netns = network.addNetns('a');
    const added = await harness.cni('ADD', { netns, config });
    expect(added).toMatchObject({ exitCode: 0 });
    expect(limits(netns)).toEqual(wanted);
    const check = { netns, config: { prevResult: added.json } };
    expect(await harness.cni('CHECK', check)).toMatchObject({ exitCode: 0 });
    execFileSync('nsenter', [`--net=${netns}`, 'tc', 'qdisc', 'delete', 'dev', 'eth0', 'ingress']);
    execFileSync('nsenter', [`--net=${netns}`, 'tc', 'qdisc', 'delete', 'dev', 'eth0', 'root']);
    expect((await harness.cni('CHECK', check)).json).toMatchObject({
      code: 103,
      msg: 'eth0 sends without a limit; eth0 receives without a limit',
    });
    expect(await harness.cni('DEL', { netns })).toMatchObject({ exitCode: 0 });
    expect(links(netns).map(({ ifname }) => ifname)).toEqual(['lo']);
    expect(harness.leftOver()).toEqual(nothingBut(2));
  });

  it('has them again when the target has created its interface again', async () => {
    const { network } = await harness.start(2);
    const netns = network.addNetns('a');
    await harness.cni('ADD', { netns, config });
    execFileSync('nsenter', [`--net=${netns}`, 'ip', 'link', 'delete', 'dev', 'eth0']);
    expect(Object.keys(limits(netns))).toEqual(['ingress']);
    network.addTap(1);
    await eventually(() => 'eth0' in limits(netns), 'the interface is back, with its limit');
    await eventually(() => 'ingress' in limits(netns), 'both limits');
    expect(limits(netns)).toEqual(wanted);
  });

  it('has them again even if the agent must ask the runtime for them', async () => {
    const { network } = await harness.start(2);
    const netns = network.addNetns('a');
    const added = await harness.cni('ADD', { netns, config });
    await harness.agent?.stop();
    rmSync(join(network.directory, 'state'), { recursive: true });
    const results = join(network.directory, 'cni', 'results');
    mkdirSync(results, { recursive: true });
    const cached = { kind: 'cniCacheV1', containerId: 'c1', ifName: 'eth0', networkName: 'pods' };
    const capabilityArgs = config.runtimeConfig;
    writeFileSync(
      join(results, 'pods-c1-eth0'),
      JSON.stringify({ ...cached, capabilityArgs, result: added.json }),
    );
    await harness.startAgent();
    await eventually(() => harness.agent?.problems().length === 0, 'ready again');
    execFileSync('nsenter', [`--net=${netns}`, 'ip', 'link', 'delete', 'dev', 'eth0']);
    network.addTap(1);
    await eventually(() => 'eth0' in limits(netns), 'the interface is back, with its limit');
  });

  it('needs neither when the runtime names none, and loses none to another interface', async () => {
    const { network } = await harness.start(3);
    const netns = network.addNetns('a');
    expect(await harness.cni('ADD', { netns })).toMatchObject({ exitCode: 0 });
    expect(await harness.cni('ADD', { netns, ifname: 'net1', config })).toMatchObject({ exitCode: 0 });
    expect(Object.keys(limits(netns)).sort()).toEqual(['ingress', 'net1']);
    expect(await harness.cni('DEL', { netns })).toMatchObject({ exitCode: 0 });
    expect(Object.keys(limits(netns)).sort()).toEqual(['ingress', 'net1']);
    // The next pod on the same interface starts without.
    const other = network.addNetns('b');
    expect(await harness.cni('DEL', { netns, ifname: 'net1' })).toMatchObject({ exitCode: 0 });
    for (const containerId of ['b', 'c'])
      expect(
        await harness.cni('ADD', { containerId, netns: other, ifname: `eth-${containerId}` }),
      ).toMatchObject({
        exitCode: 0,
      });
    expect(limits(other)).toEqual({});
  });

  it('is refused with numbers that are none', async () => {
    const { network } = await harness.start(2);
    const netns = network.addNetns('a');
    for (const wrong of ['10M', { ingressRate: '10M' }]) {
      const { json } = await harness.cni('ADD', { netns, config: { runtimeConfig: { bandwidth: wrong } } });
      expect(json).toMatchObject({ code: 7 });
    }
    expect(harness.leftOver()).toEqual(nothingBut(2));
    expect(ip('-json', 'link', 'show')).not.toContain('"bw-');
  });
});
