import { once } from 'node:events';
import { mkdtempSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ObjectState, type PodIsolation } from '@infra-offload/infra-api';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { buildFelixProxy, endpointOf, FakeFelix, session } from './testing/fake-felix.js';
import { Harness } from './testing/harness.js';
import { eventually } from './testing/network.js';

let directory: string;
let program: string;
let harness: Harness;
let felixes: FakeFelix[];

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'felix-proxy-'));
  program = await buildFelixProxy(directory);
});
afterAll(() => rmSync(directory, { recursive: true }));

beforeEach(() => {
  harness = new Harness();
  felixes = [];
});
afterEach(async () => {
  for (const felix of felixes) felix.stop();
  await harness.stop();
});

const socketPath = () => join(harness.network.directory, 'calico', 'felix-dataplane.sock');
const settings = () => ({
  networkPolicy: 'felix',
  felix: { socket: socketPath() },
  manifestsDirectory: undefined,
});

/** Starts Felix with its driver. */
function startFelix(): FakeFelix {
  const felix = new FakeFelix(program, socketPath());
  felixes.push(felix);
  return felix;
}

const everything = Object.values(session);

/** Starts manager, agent and Felix, and waits until pods can be attached. */
async function start(taps = 2): Promise<FakeFelix> {
  await harness.manager.start();
  harness.network.addTaps(taps);
  await harness.startAgent(settings());
  const felix = startFelix();
  felix.say(...everything);
  await eventually(() => harness.agent?.problems().length === 0, 'ready');
  return felix;
}

function isolation(name = 'ns/web'): PodIsolation | undefined {
  const object = harness.manager.objects.get(`6:${name}`)?.object;
  return object?.$case === 'podIsolation' ? object.value : undefined;
}

const tiers = () => isolation()?.ingress?.tiers.map(({ policies }) => policies.join());
/** Names of sets and policies that the manager has. */
const names = () =>
  [...harness.manager.objects.keys()]
    .filter((key) => /^[45]:/.test(key))
    .map((key) => key.slice(2))
    .sort();
const web = { args: 'IgnoreUnknown=1;K8S_POD_NAMESPACE=ns;K8S_POD_NAME=web' };
const removeEndpoint = {
  $case: 'workloadEndpointRemove' as const,
  value: { id: { orchestratorId: 'k8s', workloadId: 'ns/web', endpointId: 'eth0' } },
};

describe('policies of Felix', () => {
  it('are waited for before the manager hears anything', async () => {
    await harness.manager.start();
    harness.network.addTaps(1);
    const agent = await harness.startAgent(settings());
    expect(agent.problems()).toContainEqual(
      expect.stringMatching(/policies are not known yet: Felix has not connected to .*felix-dataplane.sock/),
    );
    const felix = startFelix();
    felix.say(session.set, session.policy, session.profile, endpointOf('ns/web'));
    await eventually(
      () => agent.problems().some((problem) => problem.includes('Felix has not sent all of them')),
      'Felix is connected',
    );
    expect((await fetch(`http://${agent.monitoringAddress}/readyz`)).status).toBe(503);
    expect(harness.manager.streams).toBe(0);
    const refused = await harness.cni('ADD', { netns: harness.network.addNetns('a'), ...web });
    expect(refused.json?.code).toBe(11);

    felix.say(session.inSync);
    await eventually(() => agent.problems().length === 0, 'ready');
    expect(names()).toEqual(['ipset/s:clients', 'policy/default/ns/knp.default.web', 'profile/kns.ns']);
    expect(tiers()).toEqual(['policy/default/ns/knp.default.web', 'profile/kns.ns']);
    const metrics = await (await fetch(`http://${agent.monitoringAddress}/metrics`)).text();
    expect(metrics).toMatch(/^infra_agent_felix_in_sync 1$/m);
    expect(metrics).toMatch(/^infra_agent_felix_messages_total\{type="policyUpdate"\} 1$/m);
  });

  it('close a pod before it is added, until Felix has told its endpoint, and after it has taken that back', async () => {
    const felix = await start();
    const { manager, network } = harness;
    let atAdd: PodIsolation | undefined;
    manager.onAddPod = () => {
      atAdd = isolation();
    };
    const netns = network.addNetns('a');
    expect((await harness.cni('ADD', { netns, ...web })).exitCode).toBe(0);
    const closed = {
      namespace: 'ns',
      name: 'web',
      ingress: { tiers: [] },
      egress: { tiers: [] },
      conditions: [],
    };
    expect(atAdd).toEqual(closed);

    felix.say(endpointOf('ns/web'));
    await eventually(() => tiers()?.length === 2, 'the isolation of Felix');
    await eventually(() => felix.statusOf('ns/web') === 'up', 'Felix hears that it is up');
    const object = { kind: 6, name: 'ns/web' };
    manager.report([{ object, state: ObjectState.OBJECT_STATE_DEGRADED, reason: 'TableFull', message: '' }]);
    await eventually(() => felix.statusOf('ns/web') === 'error', 'Felix hears of the error');

    felix.say(removeEndpoint);
    await eventually(() => tiers()?.length === 0, 'closed again');
    expect(names()).toEqual([]);
    await eventually(() => felix.statusOf('ns/web') === undefined, 'Felix hears that it is gone');
    expect((await harness.cni('DEL', { netns, ...web })).exitCode).toBe(0);
    await eventually(() => isolation() === undefined, 'nothing is left');
  });

  it('stay while a pod is attached that the agent has found at its start', async () => {
    await start();
    const netns = harness.network.addNetns('a');
    await harness.cni('ADD', { netns, ...web });
    await harness.agent?.stop();
    await harness.startAgent(settings());
    const felix = startFelix();
    felix.say(...everything);
    await eventually(() => harness.agent?.problems().length === 0, 'ready');
    const kinds = harness.manager.changes.map(({ change }) =>
      change?.$case === 'upsert' ? change.value.object?.$case : change?.$case,
    );
    expect(kinds.filter((kind) => kind === 'podIsolation' || kind === 'pod')).toEqual([
      'podIsolation',
      'pod',
    ]);
    expect(tiers()).toEqual([]);
  });

  it('of a Felix that has started anew replace the others when it has said everything, not before', async () => {
    const first = await start();
    first.say(endpointOf('ns/web'));
    await eventually(() => tiers()?.length === 2, 'the isolation');
    first.stop();
    await eventually(() => harness.log.some(({ msg }) => msg.includes('has ended')), 'the end is noticed');

    const second = startFelix();
    const other = endpointOf('ns/db', '10.244.7.3');
    second.say(session.config, session.profile, other);
    await eventually(() => second.heard.length > 0, 'the agent reads');
    const changes = harness.manager.changes.length;
    expect(tiers()?.length).toBe(2);
    second.say(session.inSync);
    await eventually(() => isolation() === undefined, 'the old ones are gone');
    expect(isolation('ns/db')?.ingress?.tiers).toHaveLength(2);
    expect(names()).toEqual(['profile/kns.ns']);
    // The profile is the same: it is not told again.
    const told = harness.manager.changes.slice(changes).map(({ change }) => change?.$case);
    expect(told).toEqual(['upsert', 'remove', 'remove', 'remove']);
  });

  it('outlive a Felix that sends what cannot be read', async () => {
    const felix = await start();
    felix.say(endpointOf('ns/web'));
    await eventually(() => tiers()?.length === 2, 'the isolation');
    felix.write(Buffer.from('GET / HTTP/1.1\r\n\r\n'));
    expect(await felix.driver.ended).toMatch(/infra-agent has ended/);
    expect(harness.log).toContainEqual(
      expect.objectContaining({
        code: 'FRAME_TOO_LARGE',
        reason: expect.stringMatching(/larger than the limit/),
      }),
    );
    const malformed = startFelix();
    malformed.write(Uint8Array.from([2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]));
    expect(await malformed.driver.ended).toMatch(/infra-agent has ended/);
    expect(tiers()?.length).toBe(2);
    const again = startFelix();
    again.say(...everything);
    await eventually(() => isolation() === undefined, 'the third is heard');
  });

  it('are not disturbed by messages that make no sense here or are of a newer version', async () => {
    const felix = await start();
    felix.say(endpointOf('ns/web'), {
      $case: 'ipsetDeltaUpdate',
      value: { id: 's:unknown', addedMembers: ['10.0.0.1'], removedMembers: [] },
    });
    felix.write(Uint8Array.from([3, 0, 0, 0, 0, 0, 0, 0, 0x9a, 0x06, 0]));
    felix.say({
      $case: 'ipsetDeltaUpdate',
      value: { id: 's:clients', addedMembers: [], removedMembers: ['10.244.7.9'] },
    });
    const set = () => {
      const object = harness.manager.objects.get('4:ipset/s:clients')?.object;
      return object?.$case === 'addressSet' ? object.value.cidrs : undefined;
    };
    await eventually(() => set()?.join() === '10.244.7.10', 'the change');
    const texts = harness.log.map(({ msg }) => msg);
    expect(texts).toContainEqual(expect.stringMatching(/change to the unknown IP set s:unknown/));
    expect(texts).toContainEqual(expect.stringMatching(/unknown kind \(99\)/));
  });
});

describe('the socket', () => {
  it('is for root only, takes the place of one that was left, and of one connection at a time', async () => {
    const felix = await start();
    expect(statSync(socketPath()).mode & 0o777).toBe(0o600);
    const other = startFelix();
    expect(await felix.driver.ended).toMatch(/infra-agent has ended/);
    other.say(...everything, endpointOf('ns/web'));
    await eventually(() => isolation() !== undefined, 'the other is heard');
    // An agent that was killed leaves its socket.
    await harness.agent?.stop();
    expect(readdirSync(join(harness.network.directory, 'calico'))).toEqual([]);
    const left = createServer().listen(socketPath());
    await once(left, 'listening');
    // Closing would remove it.
    renameSync(socketPath(), `${socketPath()}.left`);
    left.close();
    await once(left, 'close');
    renameSync(`${socketPath()}.left`, socketPath());
    await harness.startAgent(settings());
    const probe = connect(socketPath());
    await once(probe, 'connect');
    probe.destroy();
  });

  it('cannot be where something else is', async () => {
    await harness.manager.start();
    const path = join(harness.network.directory, 'file');
    writeFileSync(path, '');
    await expect(harness.startAgent({ ...settings(), felix: { socket: path } })).rejects.toMatchObject({
      code: 'SOCKET',
      message: expect.stringMatching(/felix\.socket .*not a socket/),
    });
  });
});
