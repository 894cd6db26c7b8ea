import type { ServiceError } from '@grpc/grpc-js';
import { felix, type infra } from '@infra-offload/infra-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Manager } from '../manager.js';
import { DEGRADED, PROGRAMMED, type TestAgent } from '../testing/agent.js';
import { decodeFrame, tcpSegment } from '../testing/frames.js';
import { startReady, world, worldForEachTest } from '../testing/world.js';
import { DONE, network, release, TestIpdkAgent, unary } from './testing.js';

let manager: Manager;
let agent: TestAgent;
let ipdk: TestIpdkAgent;
worldForEachTest();
beforeEach(async () => {
  ({ manager, agent } = await startReady(world));
  ipdk = new TestIpdkAgent(manager.address);
});
afterEach(() => ipdk.close());

type Done = (error: ServiceError | null, reply: infra.Reply) => void;

/** Calls a method of the service. */
function call<Request>(
  method: (this: infra.InfraAgentClient, request: Request, done: Done) => unknown,
  request: Request,
): Promise<infra.Reply> {
  return unary<infra.Reply>((done) => method.call(ipdk.client, request, done));
}

const rule = (fields: Partial<felix.Rule>) => felix.Rule.fromPartial(fields);
const tcp: felix.Protocol = { numberOrName: { $case: 'name', value: 'tcp' } };
const http = [{ first: 80, last: 80 }];

const setClients = (...members: string[]) =>
  call(ipdk.client.updateIpSet, { id: 's:clients', members, type: felix.IPSetUpdate_IPSetType.IP });
const setProfile = () =>
  call(ipdk.client.updateActiveProfile, {
    id: { name: 'kns.default' },
    profile: { inboundRules: [rule({ action: 'allow' })], outboundRules: [rule({ action: 'allow' })] },
  });
const policyId = { tier: 'default', name: 'default/knp.default.web' };
const setPolicy = (...inboundRules: felix.Rule[]) =>
  call(ipdk.client.activePolicyUpdate, {
    id: policyId,
    policy: { namespace: 'default', inboundRules, outboundRules: [], untracked: false, preDnat: false },
  });
const allowClients = rule({ action: 'allow', protocol: tcp, srcIpSetIds: ['s:clients'], dstPorts: http });
const endpointId = (i: number) => ({
  orchestratorId: 'k8s',
  workloadId: `default/pod-${i}`,
  endpointId: 'eth0',
});
const setEndpoint = (i: number, ...ingressPolicies: string[]) =>
  call(ipdk.client.updateLocalEndpoint, {
    id: endpointId(i),
    endpoint: felix.WorkloadEndpoint.fromPartial({
      state: 'active',
      profileIds: ['kns.default'],
      ipv4Nets: [`10.244.1.${i}/32`],
      tiers: ingressPolicies.length > 0 ? [{ name: 'default', ingressPolicies }] : [],
    }),
  });

let sourcePort = 40_000;

/** Whether a connection of one pod to another gets through. */
function connects(from: number, to: number, dstPort = 80): boolean {
  sourcePort += 1;
  const header = { srcMac: `02:00:00:00:01:0${from}`, dstMac: '02:00:00:00:00:01', srcPort: sourcePort };
  let hasArrived = false;
  world.ports.onTransmit((port, packet) => {
    hasArrived ||= port === to && decodeFrame(packet)?.srcPort === sourcePort;
  });
  world.ports.send(from, tcpSegment({ ...header, src: `10.244.1.${from}`, dst: `10.244.1.${to}`, dstPort }));
  world.ports.onTransmit(undefined);
  return hasArrived;
}

async function objects(): Promise<Record<string, string>> {
  const { objects: all } = await agent.managerStatus();
  return Object.fromEntries(
    all.map(({ object, state, reason }) => [
      object?.name,
      state === PROGRAMMED ? 'programmed' : `${state === DEGRADED ? 'degraded' : 'pending'} ${reason}`,
    ]),
  );
}

async function makePods(...numbers: number[]): Promise<void> {
  expect(await ipdk.setupHostInterface()).toEqual(DONE);
  for (const i of numbers) expect(await ipdk.createNetwork(network(i))).toMatchObject(DONE);
}

/** What an agent passes on when Felix starts. */
async function passOnEverything(): Promise<void> {
  expect(await setClients('10.244.1.1')).toEqual(DONE);
  expect(await setPolicy(allowClients)).toEqual(DONE);
  expect(await setProfile()).toEqual(DONE);
  for (const i of [1, 3]) expect(await setEndpoint(i)).toEqual(DONE);
  expect(await setEndpoint(2, policyId.name)).toEqual(DONE);
}

describe('policies that an IPDK agent passes on', () => {
  it('hold for packets, and follow changes of sets, policies and endpoints', async () => {
    await makePods(1, 2, 3);
    expect(connects(3, 2)).toBe(true);
    await passOnEverything();
    expect([connects(1, 2)]).toEqual([true]);
    expect([connects(3, 2), connects(1, 2, 81), connects(2, 3)]).toEqual([false, false, true]);

    const delta = { id: 's:clients', addedMembers: ['10.244.1.3'], removedMembers: ['10.244.1.1'] };
    expect(await call(ipdk.client.updateIpSetDelta, delta)).toEqual(DONE);
    expect([connects(3, 2), connects(1, 2)]).toEqual([true, false]);
    expect(await setPolicy(rule({ action: 'deny' }))).toEqual(DONE);
    expect(connects(3, 2)).toBe(false);
    expect(await setEndpoint(2)).toEqual(DONE);
    expect(connects(1, 2)).toBe(true);
    expect(await call(ipdk.client.activePolicyRemove, { id: policyId })).toEqual(DONE);
    expect(await call(ipdk.client.removeIpSet, { id: 's:clients' })).toEqual(DONE);
    expect(Object.keys(await objects()).filter((name) => /ipset|policy/.test(name))).toEqual([]);
  });

  it('close pods that Felix has told no endpoint of, as soon as there are any', async () => {
    await makePods(1, 2);
    expect(connects(1, 2)).toBe(true);
    expect(await setProfile()).toEqual(DONE);
    expect(connects(1, 2)).toBe(false);
    await makePods(3);
    for (const i of [1, 2, 3]) await setEndpoint(i);
    expect([connects(1, 2), connects(1, 3)]).toEqual([true, true]);
    // An endpoint goes before its pod does.
    expect(await call(ipdk.client.removeLocalEndpoint, { id: endpointId(3) })).toEqual(DONE);
    expect(connects(1, 3)).toBe(false);
    expect(await ipdk.deleteNetwork(release(3))).toEqual(DONE);
    expect(Object.keys(await objects())).not.toContain('~ipdk/default/pod-3');
    // And a pod before its endpoint.
    expect(await ipdk.deleteNetwork(release(2))).toEqual(DONE);
    expect(await call(ipdk.client.removeLocalEndpoint, { id: endpointId(2) })).toEqual(DONE);
    expect(Object.keys(await objects())).not.toContain('~ipdk/default/pod-2');
  });

  it('are not successful if not all of it is in force, and say why', async () => {
    await makePods(1, 2);
    await passOnEverything();
    const sourcePorts = await setPolicy(rule({ action: 'allow', srcPorts: http }), allowClients);
    expect(sourcePorts.successful).toBe(false);
    expect(sourcePorts.errorMessage).toMatch(
      /policy ~ipdk\/policy\/default\/default\/knp\.default\.web: SourcePortsNotSupported: ingress rule 1 .*is left out; it is kept/,
    );
    expect(connects(1, 2)).toBe(true);
    const unknown = { id: 's:unknown', addedMembers: ['10.0.0.1'], removedMembers: [] };
    expect((await call(ipdk.client.updateIpSetDelta, unknown)).errorMessage).toMatch(/unknown IP set/);
    expect((await call(ipdk.client.activePolicyRemove, { id: undefined })).errorMessage).toMatch(
      /about a policy, but does not name it/,
    );
    const host = felix.HostEndpoint.fromPartial({ name: 'eth0', tiers: [{ name: 'default' }] });
    const reply = await call(ipdk.client.updateHostEndpoint, {
      id: { endpointId: 'node-1-eth0' },
      endpoint: host,
    });
    expect(reply.errorMessage).toMatch(/HostEndpointsNotSupported: policies of host endpoint node-1-eth0/);
    expect(await call(ipdk.client.removeHostEndpoint, { id: { endpointId: 'node-1-eth0' } })).toEqual(DONE);
    await world.stopTarget();
    expect((await setClients('10.244.1.2')).successful).toBe(false);
  });

  it('outlive a restart of the manager, which goes on where they were', async () => {
    await makePods(1, 2, 3);
    await passOnEverything();
    ipdk.close();
    agent.close();
    await manager.stop();
    ({ manager, agent } = await startReady(world));
    ipdk = new TestIpdkAgent(manager.address);
    expect((await agent.managerStatus()).target?.updatesWritten).toBe(0n);
    expect([connects(1, 2), connects(3, 2)]).toEqual([true, false]);
    const delta = { id: 's:clients', addedMembers: ['10.244.1.3'], removedMembers: [] };
    expect(await call(ipdk.client.updateIpSetDelta, delta)).toEqual(DONE);
    expect(connects(3, 2)).toBe(true);
  });

  it('are no business of a Sync stream', async () => {
    await makePods(1, 2, 3);
    await passOnEverything();
    await agent.snapshot();
    expect([connects(1, 2), connects(3, 2)]).toEqual([true, false]);
  });
});
