import {
  applyService,
  eventually,
  infractl,
  type ServiceOptions,
  scaleService,
  type TestPod,
} from '@infra-offload/testbed';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PolicyCluster } from './policies/cluster.js';
import { pods, policy, tcp } from './policies/objects.js';

/** Time in which an answer comes, if one does. */
const PATIENCE_MS = 400;
const WEB: ServiceOptions = { name: 'web', clusterIp: '10.96.0.10', ports: [{ port: 80, targetPort: 8080 }] };
const EMPTY: ServiceOptions = { name: 'empty', clusterIp: '10.96.0.11', ports: [{ port: 80 }] };

interface Traced {
  readonly verdict: string;
  readonly summary: string;
  readonly remedy: string;
  readonly steps: readonly { readonly text: string; readonly lookups: readonly object[] }[];
  readonly received?: { readonly destination: { readonly address: string; readonly port: number } };
  readonly flow?: { readonly state: string };
}

let cluster: PolicyCluster;
let client: TestPod;
let webs: readonly TestPod[];
let sourcePort = 45_000;

beforeAll(async () => {
  cluster = await PolicyCluster.start(8);
  cluster.setNamespace('x', {});
  client = await cluster.addPod('x', 'client', { role: 'client' });
  webs = await Promise.all(['one', 'two'].map((name) => cluster.addPod('x', name, { role: name })));
  for (const { process } of webs) await process.serve('tcp', 8080);
  await scaleService(cluster.bed, WEB, webs);
  applyService(cluster.bed, EMPTY, []);
  await eventually(
    'the service without endpoints',
    async () => (await trace('default/empty')).verdict === 'REJECTED' || undefined,
  );
});
afterAll(() => cluster?.stop());

async function trace(to: string, ...more: readonly string[]): Promise<Traced> {
  const question = ['trace', '--from', 'x/client', '--to', to, ...more];
  return JSON.parse(await infractl(cluster.bed, 'operator', '-o', 'json', ...question));
}

/** Asks what would happen, does it, and gives both: who has answered, or why nobody has. */
async function both(to: string, address: string, port: number) {
  const localPort = ++sourcePort;
  const told = await trace(to, '--source-port', `${localPort}`);
  const target = { protocol: 'tcp', address, port, localPort } as const;
  const name = `${localPort}`;
  const seen = await client.process
    .open(name, target, PATIENCE_MS)
    .then(() => client.process.ask(name, PATIENCE_MS))
    .then(({ server }) => server)
    .catch((error: Error) => (/ECONNREFUSED/.test(error.message) ? 'refused' : 'nothing'));
  return { told, seen, localPort, close: () => client.process.close(name).catch(() => undefined) };
}

const nameAt = (address: string | undefined) => webs.find(({ ip }) => ip === address)?.name;

it('a service: the endpoint that is told is the one that answers, and then its flow is told', async () => {
  const chosen = new Set<string>();
  for (let i = 0; i < 8; i++) {
    const { told, seen, localPort, close } = await both('default/web', WEB.clusterIp, 80);
    expect(told).toMatchObject({ verdict: 'DELIVERED', remedy: '' });
    expect(nameAt(told.received?.destination.address)).toBe(seen);
    chosen.add(seen);
    const known = await trace('default/web', '--source-port', `${localPort}`);
    expect(known).toMatchObject({
      verdict: 'DELIVERED',
      flow: { state: 'established' },
      received: told.received,
    });
    await close();
  }
  expect(chosen.size).toBe(2);
});

it('a pod, a service without endpoints, a port that no service has, an address that nobody has', async () => {
  const [one] = webs;
  const ip = one?.ip ?? '';
  const cases: readonly (readonly [
    to: string,
    address: string,
    port: number,
    seen: string,
    verdict: string,
  ])[] = [
    ['x/one:8080', ip, 8080, one?.name ?? '', 'DELIVERED'],
    [`${ip}:8080`, ip, 8080, one?.name ?? '', 'DELIVERED'],
    // The pod is reached, and refuses by itself.
    ['x/one:9', ip, 9, 'refused', 'DELIVERED'],
    ['default/empty', EMPTY.clusterIp, 80, 'refused', 'REJECTED'],
    ['default/web:81', WEB.clusterIp, 81, 'refused', 'REJECTED'],
    ['10.96.0.99:80', '10.96.0.99', 80, 'nothing', 'DROPPED'],
  ];
  for (const [to, address, port, seen, verdict] of cases) {
    const outcome = await both(to, address, port);
    expect([to, outcome.told.verdict, outcome.seen]).toEqual([to, verdict, seen]);
    expect(outcome.told.remedy !== '').toBe(verdict !== 'DELIVERED');
    await outcome.close();
  }
});

it('policies: a default deny by name, then the rule that lets the packet in', async () => {
  const [one] = webs;
  const ip = one?.ip ?? '';
  const selects = { podSelector: { matchLabels: { role: 'one' } } };
  const deny = policy({ ...selects, policyTypes: ['Ingress'] });
  cluster.apply('policies.yaml', [deny]);
  await cluster.agrees();
  const denied = await both('x/one:8080', ip, 8080);
  expect([denied.told.verdict, denied.seen]).toEqual(['DROPPED', 'nothing']);
  expect(denied.told.summary).toMatch(/ingress of pod x\/one: denied: .*\(x\/policy-\d+\)/);
  expect(denied.told.remedy).toBe(
    'a policy that selects pod x/one must allow ingress from pod x/client with tcp 8080',
  );
  const allow = policy({ ...selects, ingress: [{ from: [pods({ role: 'client' })], ports: [tcp(8080)] }] });
  cluster.apply('policies.yaml', [deny, allow]);
  await cluster.agrees();
  const allowed = await both('x/one:8080', ip, 8080);
  expect([allowed.told.verdict, allowed.seen]).toEqual(['DELIVERED', one?.name]);
  expect(allowed.told.steps.map(({ text }) => text)).toContainEqual(
    expect.stringMatching(
      /^ingress of pod x\/one: allowed by policy x\/policy-\d+ \(allow from .*; tcp 8080\)$/,
    ),
  );
  await allowed.close();
  cluster.apply('policies.yaml', []);
  await cluster.agrees();
});

it('as text, and in words when the question makes no sense', async () => {
  const text = await infractl(cluster.bed, 'operator', 'trace', '--from', 'x/client', '--to', 'default/web');
  expect(text).toMatch(/^Packet {2}tcp 10\.244\.0\.\d+:32768 -> 10\.96\.0\.10:80$/m);
  expect(text).toMatch(/^ {2}service +dst_ip=10\.96\.0\.10 protocol=6 dst_port=80 +hit +set_service\(/m);
  expect(text).toMatch(/^Verdict {2}delivered to pod x\/(one|two), 10\.244\.0\.\d+:8080$/m);
  await expect(trace('x/nobody:80')).rejects.toThrow('NOT_FOUND');
  await expect(trace('x/one')).rejects.toThrow('port: tcp needs one');
});
