import { infra, ObjectKind } from '@infra-offload/infra-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Manager } from '../manager.js';
import { DEGRADED, node, PROGRAMMED, pod, podObject, type TestAgent, web } from '../testing/agent.js';
import { arpReplyMac, arpRequest } from '../testing/arp.js';
import { decodeFrame, tcpSegment } from '../testing/frames.js';
import { startReady, world, worldForEachTest } from '../testing/world.js';
import { REFUSALS } from './refusals.js';
import { addRequest, DONE, network, release, TestIpdkAgent, translation, unary } from './testing.js';

let manager: Manager;
let agent: TestAgent;
let ipdk: TestIpdkAgent;
worldForEachTest();
beforeEach(async () => {
  ({ manager, agent } = await startReady(world));
  ipdk = new TestIpdkAgent(manager.address);
});
afterEach(() => ipdk.close());

/** Entries of a table that the device has, as texts. */
async function installed(table: string): Promise<string[]> {
  return (await agent.entries(table)).filter((entry) => entry.installed).map((entry) => entry.text);
}

async function objects(): Promise<Record<string, string>> {
  const status = await agent.managerStatus();
  return Object.fromEntries(
    status.objects.map(({ object, state, reason }) => [
      object?.name,
      `${state === PROGRAMMED ? 'programmed' : state === DEGRADED ? 'degraded' : 'pending'} ${reason}`.trim(),
    ]),
  );
}

const CLIENT = { mac: '02:00:00:00:01:01', ip: '10.244.1.1' };

/** A SYN of pod 1 to an address; returns where it arrives on a port. */
async function syn(dst: string, dstPort: number, srcPort: number, port: number): Promise<string> {
  const header = { srcMac: CLIENT.mac, dstMac: '02:00:00:00:00:01', src: CLIENT.ip, srcPort };
  world.ports.send(1, tcpSegment({ ...header, dst, dstPort }));
  const packet = decodeFrame(await world.ports.receive(port));
  return `${packet?.dst}:${packet?.dstPort}`;
}

describe('what an IPDK agent does', () => {
  it('at start and for pods and services: it is programmed and carries traffic', async () => {
    expect(await ipdk.setupHostInterface()).toEqual(DONE);
    expect(await ipdk.createNetwork(network(1))).toEqual({
      ...DONE,
      hostInterfaceName: 'mem1',
      containerMac: '02:00:00:00:01:01',
    });
    expect(await ipdk.createNetwork(network(2))).toMatchObject(DONE);
    expect(await ipdk.addTranslation(translation('10.96.0.10:80', ['10.244.1.2:8080']))).toEqual(DONE);
    expect(await objects()).toEqual({
      '~ipdk': 'programmed',
      '~ipdk/netns/var/run/netns/cni-1/eth0': 'programmed',
      '~ipdk/netns/var/run/netns/cni-2/eth0': 'programmed',
      '~ipdk/10.96.0.10:80/TCP': 'programmed',
    });
    world.ports.send(1, arpRequest(CLIENT, '169.254.1.1'));
    expect(arpReplyMac(await world.ports.receive(1))).toBe('02:00:00:00:00:01');
    expect(await syn('10.96.0.10', 80, 40_000, 2)).toBe('10.244.1.2:8080');
    expect(await syn('200.1.1.2', 22, 40_001, 0)).toBe('200.1.1.2:22');

    expect(await ipdk.deleteNetwork(release(2))).toEqual(DONE);
    expect((await installed('pod_forward')).join()).not.toContain('10.244.1.2');
    expect(await ipdk.deleteTranslation(translation('10.96.0.10:80', ['10.244.1.2:8080']))).toEqual(DONE);
    expect(await installed('service')).toEqual([]);
  });

  it('retries change nothing, and deleting what is not there succeeds', async () => {
    for (let i = 0; i < 3; i++) {
      expect(await ipdk.setupHostInterface()).toEqual(DONE);
      expect(await ipdk.createNetwork(network(1))).toMatchObject(DONE);
      expect(await ipdk.addTranslation(translation('10.96.0.10:80', ['10.244.1.1:80']))).toEqual(DONE);
    }
    const { target, programmed } = await agent.managerStatus();
    expect(programmed).toBe(3);
    for (let i = 0; i < 3; i++) {
      expect(await ipdk.deleteNetwork(release(1))).toEqual(DONE);
      expect(await ipdk.deleteTranslation(translation('10.96.0.10:80', []))).toEqual(DONE);
    }
    expect(await ipdk.deleteNetwork(release(9))).toEqual(DONE);
    const after = await agent.managerStatus();
    expect(after.programmed).toBe(1);
    // Three entries of the pod, and the service's own; its endpoint drains.
    expect(Number(after.target?.updatesWritten) - Number(target?.updatesWritten)).toBeLessThan(10);
  });

  it('several calls at once', async () => {
    const numbers = Array.from({ length: 12 }, (_, i) => i + 1);
    const replies = await Promise.all(
      numbers.flatMap((i) => [ipdk.createNetwork(network(i)), ipdk.createNetwork(network(i))]),
    );
    expect(replies.every(({ successful }) => successful)).toBe(true);
    expect(await installed('pod_forward')).toHaveLength(12);
    await Promise.all(numbers.map((i) => ipdk.deleteNetwork(release(i))));
    expect(await installed('pod_forward')).toEqual([]);
  });
});

describe('pods', () => {
  it.each([
    ['address', { ipv4Addr: '10.244.1.1' }],
    ['address with prefix length', { ipv4Addr: '10.244.1.1/32' }],
    ['MAC', { macAddr: '02:00:00:00:01:01' }],
    ['interface', { hostIfName: 'mem1' }],
    ['network namespace', { delRequest: { netns: '/var/run/netns/cni-1', interfaceName: '' } }],
    ['sandbox', { delRequest: { netns: '/var/run/netns/cni-1', interfaceName: 'eth0' } }],
  ])('a pod is deleted by its %s alone, and only that pod', async (_, request) => {
    await ipdk.createNetwork(network(1));
    await ipdk.createNetwork(network(2));
    expect(await ipdk.deleteNetwork(request)).toEqual(DONE);
    expect(Object.keys(await objects())).toEqual(['~ipdk/netns/var/run/netns/cni-2/eth0']);
  });

  it('a request without a network namespace works, too', async () => {
    const bare = { ...addRequest(1), netns: '', interfaceName: '', workload: undefined };
    expect(await ipdk.createNetwork(network(1, { addRequest: bare }))).toMatchObject(DONE);
    expect(Object.keys(await objects())).toEqual(['~ipdk/address/10.244.1.1/eth0']);
    // The namespace of the release is not known, its address is.
    expect(await ipdk.deleteNetwork(release(1))).toEqual(DONE);
    expect(await objects()).toEqual({});
  });

  it('who comes with the address or interface of another has it: the agent deletes nothing whose namespace is gone', async () => {
    await ipdk.createNetwork(network(1));
    await ipdk.createNetwork(network(2));
    // A new sandbox with the address of pod 1 on the interface of pod 2.
    const addressOf1 = { ...addRequest(3), containerIps: [{ address: '10.244.1.1/32', gateway: '' }] };
    expect(
      await ipdk.createNetwork(network(2, { addRequest: addressOf1, macAddr: '02:00:00:00:01:03' })),
    ).toMatchObject(DONE);
    expect(await objects()).toEqual({ '~ipdk/netns/var/run/netns/cni-3/eth0': 'programmed' });
    expect(await installed('port_table')).toHaveLength(1);
    // A late DeleteNetwork of the pod that had the address does not touch the new one.
    expect(await ipdk.deleteNetwork(release(1))).toEqual(DONE);
    expect(await objects()).toEqual({ '~ipdk/netns/var/run/netns/cni-3/eth0': 'programmed' });
  });

  it('a failed CreateNetwork says why, keeps nothing, and takes nothing away', async () => {
    await ipdk.createNetwork(network(1));
    const unknown = await ipdk.createNetwork(
      network(1, { hostIfName: 'P4TAP_77', addRequest: addRequest(2) }),
    );
    expect(unknown).toMatchObject({ successful: false, hostInterfaceName: '', containerMac: '' });
    expect(unknown.errorMessage).toContain('P4TAP_77');
    // The pod of our own agent is not an IPDK agent's to replace.
    await agent.addPod(pod(3));
    const taken = await ipdk.createNetwork(network(3));
    expect(taken).toMatchObject({ successful: false });
    expect(taken.errorMessage).toMatch(/address 10\.244\.1\.3 is held by pod c3\/eth0/);
    expect(await objects()).toEqual({
      'c3/eth0': 'programmed',
      '~ipdk/netns/var/run/netns/cni-1/eth0': 'programmed',
    });
  });

  it('without a target nothing is promised, and removals are done when it is back', async () => {
    await ipdk.createNetwork(network(1));
    await world.stopTarget();
    const added = await ipdk.createNetwork(network(2));
    expect(added).toMatchObject({ successful: false });
    expect(added.errorMessage).toContain('target');
    expect(await ipdk.deleteNetwork(release(1))).toMatchObject({ successful: false });
    // Still not gone: a retry must not be told otherwise.
    expect(await ipdk.deleteNetwork(release(1))).toMatchObject({ successful: false });
    await world.startTarget();
    await expect.poll(() => manager.readiness()).toBeUndefined();
    expect(await ipdk.deleteNetwork(release(1))).toEqual(DONE);
    expect(await installed('pod_forward')).toEqual([]);
  });
});

describe('translations', () => {
  it('a further Add replaces the endpoints; an empty list leaves none', async () => {
    await ipdk.setupHostInterface();
    await ipdk.createNetwork(network(1));
    await ipdk.createNetwork(network(2));
    await ipdk.addTranslation(translation('10.96.0.10:80', ['10.244.1.9:80'], { proto: 'tcp' }));
    await ipdk.addTranslation(translation('10.96.0.10:80', ['10.244.1.2:8080', '10.244.1.2:8080']));
    expect(await syn('10.96.0.10', 80, 41_000, 2)).toBe('10.244.1.2:8080');
    expect(await ipdk.addTranslation(translation('10.96.0.10:80', []))).toEqual(DONE);
    expect(await objects()).toMatchObject({ '~ipdk/10.96.0.10:80/TCP': 'programmed NoEndpoints' });
    expect((await installed('service')).join()).toContain('10.96.0.10');
  });

  it('an agent changes one by deleting and adding it: connections to endpoints that stay go on', async () => {
    await ipdk.setupHostInterface();
    for (const i of [1, 2, 3]) await ipdk.createNetwork(network(i));
    const both = translation('10.96.0.10:80', ['10.244.1.2:80', '10.244.1.3:80']);
    await ipdk.addTranslation(both);
    const entries = [await installed('service'), await installed('endpoint')];
    await ipdk.deleteTranslation(both);
    expect(await installed('service')).toEqual([]);
    await ipdk.addTranslation(both);
    // The same numbers of service and endpoints: what flows remember.
    expect([await installed('service'), await installed('endpoint')]).toEqual(entries);
  });

  it('TCP and UDP of one address and port are two; their protocol may be of any case', async () => {
    expect(await ipdk.addTranslation(translation('10.96.0.53:53', ['10.244.1.1:53']))).toEqual(DONE);
    const udp = translation('10.96.0.53:53', ['10.244.1.1:53'], { proto: 'udp' });
    expect(await ipdk.addTranslation(udp)).toEqual(DONE);
    expect(await installed('service')).toHaveLength(2);
    expect(await ipdk.deleteTranslation({ ...udp, proto: 'Udp' })).toEqual(DONE);
    expect(Object.keys(await objects())).toEqual(['~ipdk/10.96.0.53:53/TCP']);
  });

  it('what is only partly in force is said, and what can be done is done', async () => {
    const nodePort = translation('192.168.1.10:30080', ['10.244.1.1:80'], { isRealIp: true });
    for (const backend of nodePort.backends) backend.srcEp = { ipv4Addr: '192.168.1.10', port: 0 };
    const reply = await ipdk.addTranslation(nodePort);
    expect(reply.successful).toBe(false);
    expect(reply.errorMessage).toMatch(/in force without the source address 192\.168\.1\.10/);
    expect(await installed('service')).toHaveLength(1);

    const sctp = await ipdk.addTranslation(
      translation('10.96.0.11:80', ['10.244.1.1:81'], { proto: 'SCTP' }),
    );
    expect(sctp.successful).toBe(false);
    expect(sctp.errorMessage).toContain('cannot change the ports of SCTP');
    const many = Array.from({ length: 256 }, (_, i) => `10.244.${2 + (i >> 7)}.${1 + (i & 127)}:80`);
    const tooMany = await ipdk.addTranslation(translation('10.96.0.12:80', many));
    expect(tooMany.successful).toBe(false);
    expect(tooMany.errorMessage).toMatch(/256 endpoints, 255 of which are served.*it is kept/);
  });

  it('without a target they are kept, and programmed when it is back', async () => {
    await world.stopTarget();
    const reply = await ipdk.addTranslation(translation('10.96.0.10:80', ['10.244.1.1:80']));
    expect(reply.successful).toBe(false);
    expect(reply.errorMessage).toMatch(/target is not connected.*it is kept/);
    await world.startTarget();
    await expect.poll(() => installed('service')).toHaveLength(1);
    expect(await ipdk.addTranslation(translation('10.96.0.10:80', ['10.244.1.1:80']))).toEqual(DONE);
  });
});

describe('the host interface', () => {
  it('another call replaces it', async () => {
    await ipdk.setupHostInterface();
    expect(await ipdk.setupHostInterface({ ipv4Addr: '200.1.1.3/32' })).toEqual(DONE);
    const arp = (await installed('arp_table')).join();
    expect(arp).toContain('200.1.1.3');
    expect(arp).not.toContain('200.1.1.2');
  });

  it('one that is not port 0 is refused with the reason, because the agent must not start on it', async () => {
    const reply = await ipdk.setupHostInterface({ ifName: 'mem1' });
    expect(reply.successful).toBe(false);
    expect(reply.errorMessage).toMatch(/HostPortMismatch.*mem1 is port 1.*port 0/);
    expect(await ipdk.setupHostInterface()).toEqual(DONE);
  });
});

describe('beside Sync', () => {
  it('neither takes the objects of the other away', async () => {
    await ipdk.createNetwork(network(1));
    await ipdk.addTranslation(translation('10.96.0.20:80', ['10.244.1.1:80']));
    await agent.snapshot(node(), podObject(2), web('10.244.1.2:8080'));
    const all = {
      'node-1': 'programmed',
      'c2/eth0': 'programmed',
      'default/web:/TCP': 'programmed',
      '~ipdk/netns/var/run/netns/cni-1/eth0': 'programmed',
      '~ipdk/10.96.0.20:80/TCP': 'programmed',
    };
    expect(await objects()).toEqual(all);
    // A snapshot that names less removes its own only.
    await agent.snapshot(node());
    expect(await objects()).toEqual({
      'node-1': 'programmed',
      '~ipdk/netns/var/run/netns/cni-1/eth0': 'programmed',
      '~ipdk/10.96.0.20:80/TCP': 'programmed',
    });
    await agent.upsert(podObject(2), web('10.244.1.2:8080'));
    await ipdk.deleteNetwork({ ipv4Addr: '10.244.1.2' });
    await ipdk.deleteTranslation(translation('10.96.0.10:80', []));
    expect(await objects()).toEqual(all);
  });

  it('the first to have a node, address or frontend keeps it; the other gets it afterwards', async () => {
    await agent.snapshot(node(), web('10.244.1.2:8080'));
    const host = await ipdk.setupHostInterface();
    expect(host.successful).toBe(false);
    expect(host.errorMessage).toMatch(/held by node node-1.*it is kept/);
    const frontend = await ipdk.addTranslation(translation('10.96.0.10:80', ['10.244.1.1:80']));
    expect(frontend.errorMessage).toMatch(/FrontendConflict.*held by service default\/web:\/TCP/);
    await agent.snapshot();
    await expect.poll(objects).toEqual({ '~ipdk': 'programmed', '~ipdk/10.96.0.10:80/TCP': 'programmed' });
    await agent.upsert(node());
    expect(agent.statuses.get('node-1')).toMatchObject({ state: DEGRADED, reason: 'NodeConflict' });
  });

  it('a Sync stream cannot name what an IPDK agent made', async () => {
    await ipdk.addTranslation(translation('10.96.0.20:80', ['10.244.1.1:80']));
    await agent.snapshot();
    const value = { kind: ObjectKind.OBJECT_KIND_SERVICE, name: '~ipdk/10.96.0.20:80/TCP' };
    await expect(agent.remove(value.kind, value.name)).rejects.toThrow(/not the agent's/);
    expect(await installed('service')).toHaveLength(1);
  });
});

describe('restarts', () => {
  it('a manager that starts again has everything, and writes nothing', async () => {
    await ipdk.setupHostInterface();
    await ipdk.createNetwork(network(1));
    await ipdk.createNetwork(network(2));
    await ipdk.addTranslation(translation('10.96.0.10:80', ['10.244.1.2:8080']));
    await agent.snapshot(web('10.244.1.2:8080'));
    const before = await objects();
    ipdk.close();
    agent.close();
    await manager.stop();
    ({ manager, agent } = await startReady(world));
    ipdk = new TestIpdkAgent(manager.address);
    expect(await objects()).toEqual(before);
    expect((await agent.managerStatus()).target).toMatchObject({ updatesWritten: 0n });
    // The snapshot after the restart removes what it does not name, and nothing of the IPDK agent.
    await agent.snapshot();
    expect(Object.keys(await objects()).sort()).toEqual(
      Object.keys(before)
        .filter((name) => name.startsWith('~ipdk'))
        .sort(),
    );
    // An agent that starts again, too, sends the same.
    expect(await ipdk.setupHostInterface()).toEqual(DONE);
    expect(await ipdk.createNetwork(network(1))).toMatchObject(DONE);
    expect(await ipdk.deleteNetwork(release(2))).toEqual(DONE);
    expect(await installed('pod_forward')).toHaveLength(1);
  });
});

describe('what is not carried', () => {
  it('every other call is refused in words, and never with a gRPC error', async () => {
    for (const [name, method] of Object.entries(infra.InfraAgentService)) {
      const message = Object.entries(REFUSALS).find(([call]) => call === name)?.[1];
      if (message === undefined) continue;
      const reply = await unary<infra.Reply>((done) =>
        ipdk.client.makeUnaryRequest(
          method.path,
          (value: Buffer) => value,
          (value: Buffer) => infra.Reply.decode(value),
          Buffer.alloc(0),
          (error, value) => done(error, value ?? { successful: true, errorMessage: 'no reply' }),
        ),
      );
      expect([name, reply]).toEqual([name, { successful: false, errorMessage: message }]);
    }
    expect(Object.keys(REFUSALS)).toHaveLength(Object.keys(infra.InfraAgentService).length - 16);
    expect(await objects()).toEqual({});
  });

  it('malformed requests get a reply that names the field', async () => {
    const calls: [Promise<{ successful: boolean; errorMessage: string }>, RegExp][] = [
      [ipdk.createNetwork({ addRequest: undefined, hostIfName: '', macAddr: '' }), /add_request is missing/],
      [ipdk.createNetwork(network(1, { macAddr: 'x' })), /mac_addr is "x"; expected a unicast MAC/],
      [ipdk.deleteNetwork({}), /ipv4_addr.* is missing/],
      [ipdk.setupHostInterface({ ipv4Addr: '::1' }), /ipv4_addr is "::1"/],
      [ipdk.addTranslation(translation('10.96.0.10:80', [], { endpoint: undefined })), /endpoint is missing/],
      [ipdk.deleteTranslation(translation('10.96.0.10:0', [])), /endpoint\.port is "0"/],
    ];
    for (const [call, message] of calls) {
      const reply = await call;
      expect(reply.successful).toBe(false);
      expect(reply.errorMessage).toMatch(message);
    }
    expect(await objects()).toEqual({});
  });
});
