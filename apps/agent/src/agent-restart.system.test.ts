import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Harness } from './testing/harness.js';
import { eventually, ipIn, links } from './testing/network.js';

let harness: Harness;

beforeEach(() => {
  harness = new Harness();
});

afterEach(async () => {
  await harness.stop();
});

async function restart(betweenRuns: () => void = () => {}): Promise<void> {
  await harness.agent?.stop();
  betweenRuns();
  await harness.startAgent();
  await eventually(() => harness.agent?.problems().length === 0, 'ready again');
}

describe('an agent that starts again', () => {
  it('leaves pods as they are and does not give their interfaces away', async () => {
    const { network, manager } = await harness.start(3);
    const netns = network.addNetns('a');
    await harness.cni('ADD', { netns });
    const before = { link: links(netns), pod: manager.pods.get('c1/eth0') };
    await restart();
    expect({ link: links(netns), pod: manager.pods.get('c1/eth0') }).toEqual(before);
    const removals = manager.changes.filter(({ change }) => change?.$case === 'remove');
    expect(removals).toEqual([]);
    await harness.cni('ADD', { containerId: 'c2', netns: network.addNetns('b') });
    expect(manager.pods.get('c2/eth0')?.interfaceName).toBe(`${network.prefix}2`);
    expect((await harness.cni('DEL', { netns })).exitCode).toBe(0);
    expect(network.taps()).toContain(`${network.prefix}1`);
  });

  it('forgets pods whose namespace went while it was away, and undoes what was half attached', async () => {
    const { network, manager } = await harness.start(4);
    const [gone, half] = [network.addNetns('gone'), network.addNetns('half')];
    await harness.cni('ADD', { containerId: 'gone', netns: gone });
    await harness.cni('ADD', { containerId: 'half', netns: half });
    const path = join(network.directory, 'state', 'tap', 'half:eth0.json');
    await restart(() => {
      network.removeNetns(gone);
      writeFileSync(path, readFileSync(path, 'utf8').replace('"attached"', '"allocated"'));
    });
    expect(manager.pods.size).toBe(0);
    expect(harness.stateFiles()).toEqual([]);
    expect(links(half).map(({ ifname }) => ifname)).toEqual(['lo']);
    expect(network.taps()).toContain(`${network.prefix}2`);
  });

  it('moves an unreadable state file aside, and goes on', async () => {
    const { network } = await harness.start(2);
    await harness.cni('ADD', { netns: network.addNetns('a') });
    await restart(() => {
      writeFileSync(join(network.directory, 'state', 'tap', 'x:eth0.json'), '{"version":1}');
      writeFileSync(join(network.directory, 'state', 'tap', 'y:eth0.json.tmp'), '{');
    });
    expect(harness.stateFiles()).toEqual(['c1:eth0.json', 'x:eth0.json.corrupt']);
    expect(harness.log.some(({ msg }) => msg.includes('moved aside'))).toBe(true);
  });

  it('refuses to start beside another one on the same socket', async () => {
    await harness.start(1);
    const first = harness.agent;
    await expect(harness.startAgent()).rejects.toThrow(/another infra-agent listens there/);
    harness.agent = first;
    expect((await harness.cni('STATUS')).exitCode).toBe(0);
  });

  it('takes over the socket of one that was killed', async () => {
    const { network } = await harness.start(1);
    await harness.agent?.stop();
    // A socket on which nobody listens, as a killed process leaves it.
    const script = `require('node:net').createServer().listen(${JSON.stringify(harness.socket)}, () => process.kill(process.pid, 'SIGKILL'))`;
    expect(() => execFileSync(process.execPath, ['-e', script])).toThrow();
    expect(readdirSync(join(network.directory, 'run'))).toEqual(['cni.sock']);
    await harness.startAgent();
    await eventually(async () => (await harness.cni('STATUS')).exitCode === 0, 'it serves');
  });

  it('does not remove a file that is no socket', async () => {
    await harness.start(1);
    await harness.agent?.stop();
    writeFileSync(harness.socket, 'precious');
    await expect(harness.startAgent()).rejects.toThrow(/that is not a socket/);
    harness.agent = undefined;
  });
});

describe('a target that starts again', () => {
  it('gets its new interface moved into the pod, with the old MAC address', async () => {
    const { network } = await harness.start(2);
    const netns = network.addNetns('a');
    const { json } = await harness.cni('ADD', { netns });
    const config = { prevResult: json };
    ipIn(netns, 'link', 'delete', 'dev', 'eth0');
    expect((await harness.cni('CHECK', { netns, config })).json).toMatchObject({ code: 103 });
    network.addTap(1);
    await eventually(async () => (await harness.cni('CHECK', { netns, config })).exitCode === 0, 'repaired');
    expect(links(netns).find(({ ifname }) => ifname === 'eth0')?.address).toBe(json?.interfaces?.[0]?.mac);
  });

  it('may do so while the agent is away', async () => {
    const { network } = await harness.start(2);
    const netns = network.addNetns('a');
    const { json } = await harness.cni('ADD', { netns });
    await restart(() => {
      ipIn(netns, 'link', 'delete', 'dev', 'eth0');
      network.addTap(1);
    });
    expect((await harness.cni('CHECK', { netns, config: { prevResult: json } })).exitCode).toBe(0);
  });
});

describe('an agent that stops', () => {
  it('lets an ADD finish that has begun', async () => {
    const { network, manager } = await harness.start(2);
    const netns = network.addNetns('a');
    manager.onAddPod = () => new Promise((resolve) => setTimeout(resolve, 300));
    const adding = harness.cni('ADD', { netns });
    await eventually(() => manager.addPodCalls.length === 1, 'AddPod');
    await harness.agent?.stop();
    expect((await adding).exitCode).toBe(0);
    expect(links(netns).map(({ ifname }) => ifname)).toContain('eth0');
    expect((await harness.cni('ADD', { containerId: 'c2', netns })).json).toMatchObject({
      code: 11,
      msg: expect.stringContaining('infra-agent does not answer'),
    });
    expect((await harness.cni('STATUS')).json).toMatchObject({ code: 50 });
    expect((await harness.cni('DEL', { netns })).json).toMatchObject({ code: 11 });
  });
});

describe('manifests', () => {
  const service = (name: string, clusterIP: string, endpoint: string) => `
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: default }
spec: { clusterIP: ${clusterIP}, ports: [{ name: http, port: 80, targetPort: 8080 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}-1, namespace: default, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
ports: [{ name: http, port: 8080, protocol: TCP }]
endpoints: [{ addresses: [${endpoint}], conditions: { ready: true } }]
`;

  it('become wanted services; a broken one is reported, and everything else goes on', async () => {
    const { manager } = await harness.start(1);
    const write = (name: string, text: string) => writeFileSync(join(harness.manifests, name), text);
    write('web.yaml', service('web', '10.96.0.10', '10.244.0.2'));
    const key = '3:default/web:http/TCP';
    await eventually(() => manager.objects.has(key), 'the service');
    expect(manager.objects.get(key)?.object).toMatchObject({
      value: {
        frontends: [{ address: '10.96.0.10', port: 80 }],
        endpoints: [{ address: '10.244.0.2', port: 8080 }],
      },
    });
    write(
      'web.yaml',
      'apiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { ports: [{ port: 70000 }] }\n',
    );
    write('shop.yaml', service('shop', '10.96.0.11', '10.244.0.3'));
    await eventually(() => manager.objects.has('3:default/shop:http/TCP'), 'the other service');
    await eventually(() => harness.log.some(({ msg }) => /web\.yaml.*port/.test(msg)), 'a report');
    expect(manager.objects.has(key)).toBe(true);
    const metrics = await (await fetch(`http://${harness.agent?.monitoringAddress}/metrics`)).text();
    expect(metrics).toMatch(/^infra_agent_source_problems\{source="manifests"\} [1-9]/m);
    // The first snapshot of the next run has them all.
    await restart();
    expect(manager.objects.has('3:default/shop:http/TCP')).toBe(true);
  });
});
