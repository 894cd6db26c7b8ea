import { endpointSlice, eventually, HOST_ADDRESS, service, type TestPod } from '@infra-offload/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PolicyCluster } from './policies/cluster.js';
import { EVERYBODY, ipBlock, pods, policy, tcp, udp } from './policies/objects.js';
import { ProbeStream } from './policies/probe-stream.js';

const POLICIES = 'policies.yaml';
const TCP = 6;
const FLIPS = 30;
const FLIP_MS = 150;
const SERVER = { matchLabels: { app: 'server' } };
const FROM_FRIEND = { from: [pods({ app: 'friend' })] };
const DENY_ALL = policy({ policyTypes: ['Ingress', 'Egress'] });
/** Addresses of pods that are made while others already send to them. */
const NEW_CLOSED = '10.244.0.100';
const NEW_OPEN = '10.244.0.101';

let cluster: PolicyCluster;
let server: TestPod;
let friend: TestPod;
let stranger: TestPod;

beforeAll(async () => {
  cluster = await PolicyCluster.start(9);
  cluster.setNamespace('x', { ns: 'x' });
  cluster.setNamespace('y', { ns: 'y' });
  server = await cluster.addPod('x', 'server', { app: 'server' });
  friend = await cluster.addPod('x', 'friend', { app: 'friend' });
  stranger = await cluster.addPod('x', 'stranger', { app: 'stranger' });
  await server.process.serve('tcp', 80);
  await server.process.serve('udp', 53);
});

afterAll(() => cluster?.stop());

it('while policies flip, what both allow always passes, and what both deny never does', async () => {
  // Each allows the friend TCP 80, and the stranger nothing but, now and then, TCP 81.
  const states: readonly (readonly object[])[] = [
    [policy({ podSelector: SERVER, ingress: [FROM_FRIEND] })],
    [policy({ podSelector: SERVER, ingress: [{ ...FROM_FRIEND, ports: [tcp(80)] }] })],
    [
      policy({ podSelector: SERVER }),
      policy({
        ingress: [
          { ...FROM_FRIEND, ports: [tcp(80), udp(53)] },
          { from: [EVERYBODY], ports: [tcp(81)] },
        ],
      }),
    ],
    [policy({ podSelector: SERVER, ingress: [{ from: [ipBlock('10.244.0.0/24', `${stranger.ip}/32`)] }] })],
    [
      policy({
        podSelector: SERVER,
        policyTypes: ['Ingress', 'Egress'],
        ingress: [
          { ...FROM_FRIEND, ports: [tcp(79, 90)] },
          { from: [pods({ app: 'stranger' })], ports: [tcp(81)] },
        ],
      }),
    ],
  ];
  const apply = (i: number) => cluster.apply(POLICIES, states[i % states.length] ?? []);
  apply(0);
  await cluster.agrees();
  const to = { address: server.ip, protocol: TCP };
  const allowed = new ProbeStream(cluster, friend, { ...to, port: 80 });
  const denied = new ProbeStream(cluster, stranger, { ...to, port: 80 });
  const changing = new ProbeStream(cluster, stranger, { ...to, port: 81 });
  for (let i = 1; i <= FLIPS; i++) {
    apply(i);
    await new Promise((resolve) => setTimeout(resolve, FLIP_MS));
  }
  const [passed, stopped, some] = await Promise.all([allowed.end(), denied.end(), changing.end()]);
  const arrived = await cluster.exchange(new Map());
  expect(passed.length).toBeGreaterThan(200);
  expect(passed.filter((id) => !arrived.has(id))).toEqual([]);
  expect(stopped.filter((id) => arrived.has(id))).toEqual([]);
  // The flips did reach the device.
  const came = some.filter((id) => arrived.has(id)).length;
  expect(came).toBeGreaterThan(0);
  expect(came).toBeLessThan(some.length);
  await cluster.agrees();
});

it('behind a service it is the endpoint and its port that policies are about', async () => {
  const web = {
    namespace: 'x',
    name: 'web',
    clusterIp: '10.96.0.20',
    ports: [{ name: 'http', port: 8000, targetPort: 80 }],
  };
  cluster.apply(POLICIES, []);
  cluster.apply('web.yaml', [service(web), endpointSlice(web, [{ ip: server.ip }])]);
  await cluster.bed.balanced('x/web:http/TCP', [server.ip]);
  const through = { protocol: 'tcp', address: web.clusterIp, port: 8000 } as const;
  const answered = async (pod: TestPod) => {
    const { servers } = await pod.process.spread(through, 3, 300);
    return servers[server.name] ?? 0;
  };
  const expectAnswers = async (policies: readonly object[], toFriend: number, toStranger: number) => {
    cluster.apply(POLICIES, policies);
    await cluster.agrees();
    expect([await answered(friend), await answered(stranger)]).toEqual([toFriend, toStranger]);
  };
  await expectAnswers([], 3, 3);
  await expectAnswers(
    [policy({ podSelector: SERVER, ingress: [{ ...FROM_FRIEND, ports: [tcp(80)] }] })],
    3,
    0,
  );
  // The port of the service is nothing to the policy.
  await expectAnswers([policy({ podSelector: SERVER, ingress: [{ ports: [tcp(8000)] }] })], 0, 0);
  const toServer = { to: [{ podSelector: SERVER }] };
  await expectAnswers(
    [policy({ policyTypes: ['Egress'], egress: [{ ...toServer, ports: [tcp(80)] }] })],
    3,
    3,
  );
  await expectAnswers(
    [policy({ policyTypes: ['Egress'], egress: [{ to: [ipBlock('10.96.0.0/16')] }] })],
    0,
    0,
  );
});

it('replies pass, whatever the policies of either side', async () => {
  cluster.apply(POLICIES, [
    policy({ podSelector: SERVER, policyTypes: ['Ingress', 'Egress'], ingress: [FROM_FRIEND] }),
    policy({
      podSelector: { matchLabels: { app: 'friend' } },
      policyTypes: ['Ingress', 'Egress'],
      egress: [{ to: [{ podSelector: SERVER }] }],
    }),
  ]);
  await cluster.agrees();
  for (const [protocol, port] of [
    ['tcp', 80],
    ['udp', 53],
  ] as const) {
    const target = { protocol, address: server.ip, port };
    expect((await friend.process.spread(target, 5)).servers).toEqual({ [server.name]: 5 });
    expect((await stranger.process.spread(target, 2, 300)).servers).toEqual({});
  }
});

it('what the node sends to its pods always arrives; what they send to it does if they may send', async () => {
  const ping = ['-c', '3', '-i', '0.05', '-W', '1'];
  cluster.apply(POLICIES, [DENY_ALL]);
  await cluster.agrees();
  expect(await cluster.bed.node.must('ping', [...ping, server.ip])).toContain('3 received');
  expect((await server.namespace.run('ping', [...ping, HOST_ADDRESS])).code).not.toBe(0);
  cluster.apply(POLICIES, [policy({})]);
  await cluster.agrees();
  expect(await server.namespace.must('ping', [...ping, HOST_ADDRESS])).toContain('3 received');
});

it('a pod is isolated from its first packet', async () => {
  cluster.apply(POLICIES, [policy({})]);
  await cluster.agrees();
  const to = { protocol: TCP, port: 80 };
  const streams = [NEW_CLOSED, NEW_OPEN].map(
    (address) => new ProbeStream(cluster, stranger, { ...to, address }),
  );
  const closed = await cluster.addPod('x', 'closed', { app: 'closed' }, { ip: NEW_CLOSED });
  const open = await cluster.addPod('y', 'open', { app: 'open' }, { ip: NEW_OPEN });
  // Of packets before its process could look, only the kernel of the pod knows.
  await eventually('the open pod gets packets', async () => (await ipPackets(open)) > 10 || undefined);
  expect(await ipPackets(closed)).toBe(0);
  for (const stream of streams) expect((await stream.end()).length).toBeGreaterThan(50);
  await cluster.agrees();
});

it('a data plane that was killed lets nothing through that was denied when it is back', async () => {
  cluster.apply(POLICIES, [policy({}), policy({ podSelector: SERVER, ingress: [FROM_FRIEND] })]);
  await cluster.agrees();
  const streams = ['server', 'closed', 'friend'].map((name) => {
    return new ProbeStream(cluster, stranger, {
      address: cluster.pod(`x/${name}`).ip,
      protocol: TCP,
      port: 80,
    });
  });
  await cluster.bed.softswitch.stop('SIGKILL');
  await cluster.bed.stopDataplane();
  await cluster.bed.startSoftswitch();
  await eventually('the friend is answered again', async () => {
    const { servers } = await friend.process.spread(
      { protocol: 'tcp', address: server.ip, port: 80 },
      1,
      200,
    );
    return servers[server.name] === 1 || undefined;
  });
  await cluster.agrees();
  const denied = (await Promise.all(streams.map((stream) => stream.end()))).flat();
  const arrived = await cluster.exchange(new Map());
  expect(denied.length).toBeGreaterThan(100);
  expect(denied.filter((id) => arrived.has(id))).toEqual([]);
});

/** IPv4 packets that the kernel of a pod has received from its interface. */
async function ipPackets(pod: TestPod): Promise<number> {
  const [names = '', values = ''] = (await pod.namespace.must('cat', ['/proc/net/snmp']))
    .split('\n')
    .filter((line) => line.startsWith('Ip:'));
  const index = names.split(' ').indexOf('InReceives');
  return Number(values.split(' ')[index]);
}
