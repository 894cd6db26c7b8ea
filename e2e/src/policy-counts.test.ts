import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import {
  ADDRESSES,
  eventually,
  programs,
  infractl as runInfractl,
  type TestPod,
} from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PolicyCluster } from './policies/cluster.js';
import { pods, tcp } from './policies/objects.js';

const TCP = 6;
const POLICY = 'x/friends-only';

interface Count {
  readonly direction: string;
  readonly policies: readonly string[];
  readonly pods: readonly string[];
  readonly rules: readonly { readonly ports: string; readonly allowedFlows: string }[];
  readonly deniedPackets: string;
}

interface Denial {
  readonly pod: string;
  readonly peerPod: string;
  readonly port: number;
  readonly direction: string;
  readonly policies: readonly string[];
  readonly packets: string;
}

let cluster: PolicyCluster;
let server: TestPod;
let friend: TestPod;
let stranger: TestPod;

beforeAll(async () => {
  cluster = await PolicyCluster.start(5);
  cluster.setNamespace('x', {});
  server = await cluster.addPod('x', 'server', { app: 'server' });
  friend = await cluster.addPod('x', 'friend', { app: 'friend' });
  stranger = await cluster.addPod('x', 'stranger', { app: 'stranger' });
  const from = [pods({ app: 'friend' })];
  cluster.apply('policy.yaml', [
    {
      apiVersion: 'networking.k8s.io/v1',
      kind: 'NetworkPolicy',
      metadata: { namespace: 'x', name: 'friends-only' },
      spec: {
        podSelector: { matchLabels: { app: 'server' } },
        ingress: [
          { from, ports: [tcp(80)] },
          { from, ports: [tcp(8080)] },
        ],
      },
    },
  ]);
  await cluster.agrees();
});

afterAll(() => cluster?.stop());

const infractl = (...args: string[]) => runInfractl(cluster.bed, 'operator', ...args);

async function counts(): Promise<Record<string, number>> {
  const [count, ...others]: Count[] = JSON.parse(
    await infractl('-o', 'json', 'policies', '--pod', 'x/server'),
  );
  expect(others).toEqual([]);
  expect(count).toMatchObject({ direction: 'ingress', policies: [POLICY], pods: ['x/server'] });
  const rules = (count?.rules ?? []).map(({ ports, allowedFlows }) => [ports, Number(allowedFlows)]);
  return { ...Object.fromEntries(rules), denied: Number(count?.deniedPackets) };
}

const probes = (port: number, count: number) =>
  Array.from({ length: count }, () => cluster.probe(server.ip, TCP, port));

it('policies count the flows that they allow by ports, and the packets that they deny', async () => {
  const before = await counts();
  await cluster.exchange(
    new Map([
      [friend, [...probes(80, 5), ...probes(8080, 3)]],
      [stranger, probes(80, 7)],
    ]),
  );
  const after = await counts();
  const added = Object.fromEntries(
    Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]),
  );
  expect(added).toMatchObject({ 'tcp 80': 5, 'tcp 8080': 3, denied: 7 });
  expect(await infractl('policies', '--policy', POLICY)).toContain('tcp 8080');

  const url = `http://${ADDRESSES.managerHttp}/metrics`;
  const metrics = await cluster.bed.node.must('curl', ['-s', '--fail', url]);
  const labels = `direction="ingress",policies="${POLICY}"`;
  const flows = (after['tcp 80'] ?? 0) + (after['tcp 8080'] ?? 0);
  expect(metrics).toContain(`infra_manager_policy_denied_packets_total{${labels}} ${after.denied}`);
  expect(metrics).toContain(`infra_manager_policy_allowed_flows_total{${labels}} ${flows}`);
});

it('an established connection counts once', async () => {
  await server.process.serve('tcp', 80);
  const before = await counts();
  await friend.process.open('one', { protocol: 'tcp', address: server.ip, port: 80 });
  for (let i = 0; i < 10; i++) await friend.process.ask('one');
  expect((await counts())['tcp 80']).toBe((before['tcp 80'] ?? 0) + 1);
});

describe('infractl drops', () => {
  const denials = async (): Promise<Denial[]> =>
    (JSON.parse(await infractl('-o', 'json', 'drops', '--pod', 'x/server')) as Denial[]).filter(
      ({ port }) => port === 4242,
    );

  it('shows who was denied, and by which policies', async () => {
    await cluster.exchange(new Map([[stranger, probes(4242, 6)]]));
    await eventually('all of them are read', async () => (await denials())[0]?.packets === '6');
    expect(await denials()).toMatchObject([
      {
        pod: 'x/server',
        peerPod: 'x/stranger',
        protocol: TCP,
        direction: 'ingress',
        policies: [POLICY],
        packets: '6',
      },
    ]);
    expect(await infractl('drops')).toMatch(/x\/server +ingress +x\/stranger +tcp +4242 +6 +x\/friends-only/);
  });

  it('follows', async () => {
    const { cert, key, ca } = cluster.bed.layout.identity('operator');
    const manager = `unix:${cluster.bed.layout.managerSocket}`;
    const options = ['--manager', manager, '--cert', cert, '--key', key, '--ca', ca];
    const child = spawn(process.execPath, [programs.infractl, ...options, 'drops', '--follow']);
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
    await eventually('it begins', async () => lines.length > 0);
    await cluster.exchange(new Map([[stranger, probes(4343, 2)]]));
    // They may have been read one after the other.
    const told = () => lines.map((line) => Number(/ 4343 +(\d+) /.exec(line)?.[1] ?? 0));
    await eventually('it goes on', () => told().reduce((sum, packets) => sum + packets, 0) === 2);
    const ended = once(child, 'exit');
    child.kill();
    await ended;
  });
});
