import { status as grpc } from '@grpc/grpc-js';
import { type Flow, ObjectKind, Protocol } from '@infra-offload/infra-api';
import { describe, expect, it } from 'vitest';
import { DEGRADED, node, PROGRAMMED, pod, podObject, service, type TestAgent, web } from './testing/agent.js';
import { arpReplyMac, arpRequest } from './testing/arp.js';
import { decodeFrame, TcpFlags, tcpSegment } from './testing/frames.js';
import { eventually, startReady, world, worldForEachTest, written } from './testing/world.js';

worldForEachTest();

async function refusal(call: Promise<unknown>): Promise<number> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : -1;
}

/** Sockets of all endpoints on the device. */
async function endpointsOf(agent: TestAgent): Promise<(string | undefined)[]> {
  const entries = await agent.entries('endpoint');
  return entries.map(({ text }) => /ip=(\S+?),? port=(\d+)/.exec(text)?.slice(1).join(':')).sort();
}

describe('what the agent wants', () => {
  it('a snapshot is programmed, told, and carries traffic', async () => {
    const { agent, manager } = await startReady(world);
    await agent.snapshot(node(), podObject(1), podObject(2), web('10.244.1.2:8080'));
    for (const name of ['node-1', 'c1/eth0', 'c2/eth0', 'default/web:/TCP']) {
      expect(agent.statuses.get(name)).toMatchObject({ state: PROGRAMMED, reason: '' });
    }
    expect(await agent.managerStatus()).toMatchObject({
      programmed: 4,
      pending: 0,
      degraded: 0,
      agent: { connected: true, nodeName: 'node-1' },
      target: { connected: true, primary: true, inSync: true },
    });

    const client = { mac: '02:00:00:00:01:01', ip: '10.244.1.1' };
    world.ports.send(1, arpRequest(client, '169.254.1.1'));
    const gateway = arpReplyMac(await world.ports.receive(1));
    expect(gateway).toBe('02:00:00:00:00:01');
    const flow = { srcMac: client.mac, dstMac: gateway, src: client.ip, srcPort: 40_000 };
    world.ports.send(1, tcpSegment({ ...flow, dst: '10.96.0.10', dstPort: 80 }));
    expect(decodeFrame(await world.ports.receive(2))).toEqual({
      protocol: 'tcp',
      srcMac: '02:00:a9:fe:01:01',
      dstMac: '02:00:00:00:01:02',
      src: client.ip,
      dst: '10.244.1.2',
      srcPort: 40_000,
      dstPort: 8080,
      flags: TcpFlags.syn,
    });
    // The host asks for a pod, and talks to the gateway; a packet for the host arrives unchanged.
    world.ports.send(0, arpRequest({ mac: '02:00:00:00:00:01', ip: '10.244.1.254' }, '10.244.1.2'));
    expect(arpReplyMac(await world.ports.receive(0))).toBe('02:00:a9:fe:01:01');
    world.ports.send(1, tcpSegment({ ...flow, dst: '10.244.1.254', dstPort: 22 }));
    expect(decodeFrame(await world.ports.receive(0))?.dst).toBe('10.244.1.254');
    // A service address that nobody has is dropped, and so is a spoofed source; a port that a service does not have is refused.
    world.ports.send(1, tcpSegment({ ...flow, dst: '10.96.0.10', dstPort: 81 }));
    expect(decodeFrame(await world.ports.receive(1))).toMatchObject({ src: '10.96.0.10', srcPort: 81 });
    world.ports.send(1, tcpSegment({ ...flow, dst: '10.96.0.99', dstPort: 80 }));
    world.ports.send(1, tcpSegment({ ...flow, src: '10.244.1.9', dst: '10.244.1.2', dstPort: 80 }));
    const { counters } = await agent.managerStatus();
    expect(counters.map(({ name, index, packets }) => [name, index, packets])).toEqual([
      ['drop_counter', "2 (source address is not the pod's)", 1n],
      ['drop_counter', '11 (no such service address)', 1n],
      ['reject_counter', '13 (port that no service has)', 1n],
      ['service_counter', 'default/web:/TCP', 1n],
    ]);
    const metrics = await (await fetch(`http://${manager.monitoringAddress}/metrics`)).text();
    for (const line of [
      'infra_manager_dropped_packets_total{reason="11",text="no such service address"} 1',
      'infra_manager_dropped_packets_total{reason="10",text="flow table full"} 0',
      'infra_manager_refused_packets_total{reason="13",text="port that no service has"} 1',
    ])
      expect(metrics).toContain(`${line}\n`);
  });

  it('flows end after the time that the configuration says', async () => {
    const conntrack = { tcpTimeoutSynSent: 61 };
    const { agent } = await startReady(world, { dataPlane: { conntrack } });
    await agent.snapshot(node(), podObject(1), podObject(2), web('10.244.1.2:8080'));
    const client = { src: '10.244.1.1', srcMac: '02:00:00:00:01:01', srcPort: 40_000 };
    world.ports.send(
      1,
      tcpSegment({ ...client, dstMac: '02:00:a9:fe:01:01', dst: '10.96.0.10', dstPort: 80 }),
    );
    await world.ports.receive(2);
    const flows: Flow[] = [];
    for await (const answer of agent.client.listFlows({ filter: undefined, countOnly: false }))
      flows.push(...answer.flows);
    expect(flows).toMatchObject([{ state: 'new', client: { address: '10.244.1.1', port: 40_000 } }]);
    const [{ idleMs, remainingMs } = expect.unreachable()] = flows;
    // Both directions have been learned at almost the same time.
    expect(Number(idleMs + remainingMs)).toBeGreaterThan(60_000);
    expect(Number(idleMs + remainingMs)).toBeLessThanOrEqual(61_000);
  });

  it('a snapshot removes what it does not name, a change touches only its own entries', async () => {
    const { agent } = await startReady(world);
    await agent.snapshot(web('10.244.1.2:80'), service('old', ['10.96.0.11:80'], ['10.244.1.3:80']));
    await agent.snapshot(web('10.244.1.2:80'));
    expect((await agent.entries('service')).map((entry) => entry.objects[0]?.name)).toEqual([
      'default/web:/TCP',
    ]);
    const before = await written(agent);
    await agent.upsert(web('10.244.1.2:80', '10.244.1.3:80'));
    const after = await written(agent);
    expect(after.updates - before.updates).toBe(2);
    expect(await agent.managerStatus()).toMatchObject({ programmed: 1, degraded: 0 });
  });

  it('scaled to zero and back', async () => {
    const { agent } = await startReady(world);
    await agent.snapshot(node(), web('10.244.1.2:80'));
    await agent.upsert(web());
    expect(await agent.status('default/web:/TCP', ({ reason }) => reason === 'NoEndpoints')).toMatchObject({
      state: PROGRAMMED,
    });
    expect(await agent.entries('endpoint_group')).toEqual([]);
    await agent.upsert(web('10.244.1.2:80'));
    await agent.status('default/web:/TCP', ({ reason }) => reason === '');
    expect((await agent.entries('endpoint')).length).toBe(1);
  });

  it('TCP endpoints drain, until their pod is deleted; UDP endpoints do not', async () => {
    const { agent } = await startReady(world);
    const dns = (...endpoints: string[]) =>
      service('dns', ['10.96.0.10:53'], endpoints, { protocol: Protocol.PROTOCOL_UDP });
    await agent.snapshot(
      podObject(1),
      podObject(2),
      web('10.244.1.1:80', '10.244.1.2:80'),
      dns('10.244.1.1:53', '10.244.1.2:53'),
    );
    await agent.upsert(web('10.244.1.2:80'), dns('10.244.1.2:53'));
    expect(await endpointsOf(agent)).toEqual(['10.244.1.1:80', '10.244.1.2:53', '10.244.1.2:80']);
    await agent.remove(ObjectKind.OBJECT_KIND_POD, 'c1/eth0');
    await eventually(async () => (await endpointsOf(agent)).length === 2, 'the drain to end');
    expect(await endpointsOf(agent)).toEqual(['10.244.1.2:53', '10.244.1.2:80']);
  });

  it.each([
    ['', false],
    [', also when the manager restarts in between', true],
  ])('an endpoint whose pod was deleted before it leaves does not drain%s', async (_, restart) => {
    const first = await startReady(world);
    await first.agent.snapshot(podObject(2), web('10.244.1.1:80', '10.244.1.2:80'));
    await first.agent.addPod(pod(1));
    await first.agent.deletePod('c1/eth0');
    expect(await endpointsOf(first.agent)).toEqual(['10.244.1.1:80', '10.244.1.2:80']);
    if (restart) await first.manager.stop();
    const { agent } = restart ? await startReady(world) : first;
    await agent.snapshot(podObject(2), web('10.244.1.2:80'));
    expect(await endpointsOf(agent)).toEqual(['10.244.1.2:80']);
  });

  it('an address that another pod has taken drains', async () => {
    const { agent } = await startReady(world);
    await agent.snapshot(podObject(1), web('10.244.1.1:80', '10.244.1.2:80'));
    const heir = pod(3, { addresses: ['10.244.1.1'] });
    await agent.deletePod('c1/eth0');
    await agent.addPod(heir);
    await agent.upsert(web('10.244.1.2:80'));
    expect(await endpointsOf(agent)).toEqual(['10.244.1.1:80', '10.244.1.2:80']);
    // Nor does a pod that never had the address end its drain.
    await agent.upsert(podObject(4, { addresses: ['10.244.1.1'] }));
    await agent.deletePod('c4/eth0');
    expect(await endpointsOf(agent)).toEqual(['10.244.1.1:80', '10.244.1.2:80']);
  });

  it('what cannot be served is said, and everything else goes on', async () => {
    const { agent } = await startReady(world);
    const many = Array.from({ length: 300 }, (_, i) => `10.244.${2 + (i >> 8)}.${i & 255}:80`);
    const invalid = web('10.244.1.2:80');
    if (invalid.object?.$case === 'service')
      invalid.object.value = {
        ...invalid.object.value,
        name: 'bad',
        frontends: [{ address: '10.96.0.300', port: 80 }],
      };
    await agent.snapshot(
      web('10.244.1.2:80'),
      invalid,
      service('rival', ['10.96.0.10:80', '10.96.0.12:80'], ['10.244.1.3:80']),
      service(
        'big',
        ['10.96.0.13:80'],
        many.filter((text) => !text.includes('.0:')),
      ),
      service('sctp', ['10.96.0.14:80', '10.96.0.14:81'], ['10.244.1.2:80'], {
        protocol: Protocol.PROTOCOL_SCTP,
      }),
      service('six', ['10.96.0.15:80', 'fd00::1:80'], ['10.244.1.2:80']),
      service('sticky', ['10.96.0.16:80'], ['10.244.1.2:80'], {
        sessionAffinity: { timeoutSeconds: 30_000 },
      }),
      service('exact', ['10.96.0.17:80'], ['10.244.1.2:80'], { sessionAffinity: { timeoutSeconds: 300 } }),
      podObject(1),
      podObject(2, { addresses: ['10.244.1.1'] }),
    );
    const status = (name: string) => {
      const { state, reason, message } = agent.statuses.get(name) ?? {};
      return [state, reason, message];
    };
    expect(status('default/web:/TCP')).toEqual([PROGRAMMED, '', '']);
    expect(status('default/bad:/TCP')).toEqual([
      DEGRADED,
      'ObjectInvalid',
      expect.stringMatching(
        /service default\/bad:\/TCP: frontends\[0\]\.address is "10\.96\.0\.300"; expected a unicast IPv4/,
      ),
    ]);
    expect(status('default/rival:/TCP')).toEqual([
      DEGRADED,
      'FrontendConflict',
      'another service has 10.96.0.10:80 (held by service default/web:/TCP)',
    ]);
    expect(status('default/big:/TCP')).toEqual([
      DEGRADED,
      'TooManyEndpoints',
      expect.stringMatching(/^298 endpoints, 255 of which are served/),
    ]);
    expect(status('default/sctp:/SCTP')).toEqual([
      DEGRADED,
      'SctpPortChanged',
      expect.stringContaining('10.96.0.14:81 (target port 80)'),
    ]);
    expect(status('default/six:/TCP')).toEqual([
      DEGRADED,
      'AddressFamilyNotSupported',
      expect.stringContaining('[fd00::1]:80'),
    ]);
    expect(status('default/sticky:/TCP')).toEqual([
      PROGRAMMED,
      'AffinityTimeoutChanged',
      'session affinity lasts 43200 s instead of 30000 s: the pipeline has fixed timeouts',
    ]);
    expect(status('default/exact:/TCP')).toEqual([PROGRAMMED, '', '']);
    expect(status('c2/eth0')).toEqual([
      DEGRADED,
      'AddressConflict',
      'address 10.244.1.1 is held by pod c1/eth0',
    ]);

    // The loser gets the frontend when the winner goes, and the pod its address.
    await agent.remove(ObjectKind.OBJECT_KIND_SERVICE, 'default/web:/TCP');
    await agent.status('default/rival:/TCP', ({ state }) => state === PROGRAMMED);
    await agent.remove(ObjectKind.OBJECT_KIND_POD, 'c1/eth0');
    await agent.status('c2/eth0', ({ state }) => state === PROGRAMMED);
  });
});

it('what the agent could not carry degrades the service, which is served and keeps that', async () => {
  const first = await startReady(world);
  const conditions = [
    { reason: 'NodePortNotOffloaded', message: 'node port 30080 is left to kube-proxy' },
    ...[1, 2, 3].map((i) => ({ reason: 'IPv6NotSupported', message: `fd00::${i} is left out` })),
  ];
  const said =
    'node port 30080 is left to kube-proxy; fd00::1 is left out; fd00::2 is left out; fd00::3 is left out';
  const rival = service('rival', ['10.96.0.10:80'], ['10.244.1.2:80'], { conditions });
  const own = service('own', ['10.96.0.11:80'], ['10.244.1.2:80'], { conditions });
  await first.agent.snapshot(web('10.244.1.2:80'), own, rival);
  expect((await first.agent.entries('service')).length).toBe(2);
  await first.manager.stop();
  const { agent } = await startReady(world);
  await eventually(async () => (await agent.managerStatus()).pending === 0, 'everything to settle');
  const statuses = new Map((await agent.managerStatus()).objects.map((one) => [one.object?.name, one]));
  expect(statuses.get('default/own:/TCP')).toMatchObject({
    state: DEGRADED,
    reason: 'NodePortNotOffloaded',
    message: said,
  });
  expect(statuses.get('default/rival:/TCP')).toMatchObject({
    state: DEGRADED,
    reason: 'FrontendConflict',
    message: `another service has 10.96.0.10:80 (held by service default/web:/TCP); ${said}`,
  });
});

describe('pods', () => {
  it('AddPod answers with the port when the data plane forwards, DeletePod when nothing is left', async () => {
    const { agent } = await startReady(world);
    await agent.snapshot(node());
    expect(await agent.addPod(pod(3))).toEqual({ port: 3 });
    expect((await agent.entries()).filter((entry) => entry.objects[0]?.name === 'c3/eth0').length).toBe(3);
    expect(await agent.addPod(pod(3))).toEqual({ port: 3 });
    await agent.deletePod('c3/eth0');
    expect((await agent.entries()).filter((entry) => entry.text.includes('10.244.1.3'))).toEqual([]);
    await agent.deletePod('c3/eth0');
    await agent.deletePod('never/was');
  });

  it('failures have their codes, and keep nothing', async () => {
    const { agent } = await startReady(world);
    await agent.addPod(pod(1));
    expect(await refusal(agent.addPod(pod(2, { addresses: ['10.244.1.1'] })))).toBe(grpc.ALREADY_EXISTS);
    expect(await refusal(agent.addPod(pod(2, { interfaceName: 'mem1' })))).toBe(grpc.ALREADY_EXISTS);
    expect(await refusal(agent.addPod(pod(2, { interfaceName: 'nowhere' })))).toBe(grpc.NOT_FOUND);
    expect(await refusal(agent.addPod(pod(2, { mac: 'xx' })))).toBe(grpc.INVALID_ARGUMENT);
    expect(await refusal(agent.addPod(pod(2, { addresses: ['169.254.1.1'] })))).toBe(grpc.INVALID_ARGUMENT);
    expect(await refusal(agent.deletePod(''))).toBe(grpc.INVALID_ARGUMENT);
    expect(await agent.managerStatus()).toMatchObject({ programmed: 1, pending: 0, degraded: 0 });
    await world.stopTarget();
    await eventually(
      async () => (await agent.managerStatus()).target?.connected === false,
      'the loss of the target',
    );
    expect(await refusal(agent.addPod(pod(2)))).toBe(grpc.UNAVAILABLE);
    expect((await agent.managerStatus()).objects.length).toBe(1);
  });

  it('a port that the MAC tells is not asked for; an ipvlan interface is refused', async () => {
    const sriov = await startReady(world, { interfaceType: 'sriov' });
    const other = pod(1, { interfaceName: 'eth7', mac: '00:0d:00:00:03:18' });
    expect(await sriov.agent.addPod(other)).toEqual({ port: 29 });
    await sriov.manager.stop();
    const ipvlan = await startReady(world, { interfaceType: 'ipvlan' });
    expect(await refusal(ipvlan.agent.addPod(pod(2)))).toBe(grpc.NOT_FOUND);
    await ipvlan.agent.snapshot(podObject(3));
    const { message } = await ipvlan.agent.status('c3/eth0', ({ state }) => state === DEGRADED);
    expect(message).toContain('interfaceType is ipvlan');
  });

  it('fifty pods come and go, and nothing is left', async () => {
    const { agent } = await startReady(world);
    const base = (await agent.entries()).length;
    for (let i = 0; i < 50; i++) {
      const one = pod(1 + (i % 15), { attachmentId: `c${i}/eth0` });
      await agent.addPod(one);
      await agent.deletePod(one.attachmentId);
    }
    expect((await agent.entries()).length).toBe(base);
    expect(await agent.managerStatus()).toMatchObject({ programmed: 0, pending: 0, degraded: 0 });
  });
});
