import {
  endpointSlice,
  type ServiceOptions,
  service,
  serviceBalanced,
  type TestPod,
} from '@infra-offload/testbed';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { PolicyCluster } from './policies/cluster.js';
import { pods, policy } from './policies/objects.js';

const WEB: ServiceOptions = { name: 'web', clusterIp: '10.96.0.10', ports: [{ port: 80, targetPort: 8080 }] };
/** Time in which an answer comes, if one does. */
const PATIENCE_MS = 400;

let cluster: PolicyCluster;
let client: TestPod;
let friend: TestPod;
let webs: readonly TestPod[];

beforeAll(async () => {
  cluster = await PolicyCluster.start(8);
  cluster.setNamespace('x', {});
  client = await cluster.addPod('x', 'client', { role: 'client' });
  friend = await cluster.addPod('x', 'friend', { role: 'friend' });
  webs = await Promise.all(['one', 'two'].map((name) => cluster.addPod('x', name, { role: name })));
  for (const { process } of webs) await process.serve('tcp', 8080);
});

afterEach(() => setPolicies());
afterAll(() => cluster?.stop());

/** Puts policies in force, instead of those before, and waits until they are. */
async function setPolicies(...policies: readonly object[]): Promise<void> {
  cluster.apply('policies.yaml', policies);
  await cluster.agrees();
}

const denyAll = (role: string) =>
  policy({ podSelector: { matchLabels: { role } }, policyTypes: ['Ingress'] });

/** A connection from a port that is used again and again; who answered, or undefined. */
async function connectFrom(localPort: number, address: string, port: number): Promise<string | undefined> {
  const target = { protocol: 'tcp', address, port, localPort } as const;
  try {
    await client.process.open('again', target, PATIENCE_MS);
    return (await client.process.ask('again', PATIENCE_MS)).server;
  } catch {
    return undefined;
  } finally {
    await client.process.close('again').catch(() => undefined);
  }
}

describe('a new policy', () => {
  it('denies new connections from a port that was used before', async () => {
    const [{ ip, name } = client] = webs;
    for (let i = 0; i < 5; i++) expect(await connectFrom(40_000, ip, 8080)).toBe(name);
    await setPolicies(denyAll('one'));
    for (let i = 0; i < 10; i++) expect(await connectFrom(40_000, ip, 8080)).toBeUndefined();
  });

  it('ends the connections that it denies, and no others notice', async () => {
    const [{ ip, name } = client] = webs;
    const target = { protocol: 'tcp', address: ip, port: 8080 } as const;
    for (const { process } of [client, friend]) {
      await process.open('kept', target);
      expect((await process.ask('kept')).server).toBe(name);
    }
    await setPolicies(
      policy({
        podSelector: { matchLabels: { role: 'one' } },
        ingress: [{ from: [pods({ role: 'friend' })] }],
      }),
    );
    expect((await friend.process.ask('kept')).server).toBe(name);
    await expect(client.process.ask('kept', PATIENCE_MS)).rejects.toThrow('answer timeout');
    for (const { process } of [client, friend]) await process.close('kept');
  });
});

describe('an endpoint that has left', () => {
  const offer = async (endpoints: readonly TestPod[]) => {
    cluster.apply('web.yaml', [service(WEB), endpointSlice(WEB, endpoints)]);
    await serviceBalanced(cluster.bed, WEB, endpoints);
  };

  it('gets no new connections from ports that were used before', async () => {
    await offer(webs);
    const ports = Array.from({ length: 24 }, (_, i) => 41_000 + i);
    const before = new Set<string | undefined>();
    for (const port of ports) before.add(await connectFrom(port, WEB.clusterIp, 80));
    expect([...before].sort()).toEqual(webs.map(({ name }) => name).sort());
    const [, stays = client] = webs;
    await offer([stays]);
    for (const port of ports) expect(await connectFrom(port, WEB.clusterIp, 80)).toBe(stays.name);
  });
});

describe('a pod with a used address', () => {
  it('under deny-all gets nothing of the flows that its predecessor had', async () => {
    const gone = await cluster.addPod('x', 'gone', { role: 'gone' });
    await gone.process.serve('udp', 5353);
    await client.process.open('old', { protocol: 'udp', address: gone.ip, port: 5353 });
    expect((await client.process.ask('old')).server).toBe(gone.name);
    await cluster.removePod('x', 'gone');
    cluster.apply('policies.yaml', [denyAll('heir')]);
    const heir = await cluster.addPod('x', 'heir', { role: 'heir' }, { ip: gone.ip });
    await heir.process.serve('udp', 5353);
    await cluster.agrees();
    for (let i = 0; i < 3; i++)
      await expect(client.process.ask('old', PATIENCE_MS)).rejects.toThrow('answer timeout');
    await client.process.close('old');
    // It is there, and would answer.
    await setPolicies();
    const target = { protocol: 'udp', address: heir.ip, port: 5353 } as const;
    expect((await client.process.spread(target, 1)).servers).toEqual({ [heir.name]: 1 });
  });
});
