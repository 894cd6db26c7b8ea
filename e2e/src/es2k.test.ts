import { addServers, eventually, scaleService, Testbed, type TestPod } from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN, DNS, HTTP, WEB_ADMIN_DNS as WEB } from './web.js';

/** The driver for ES2K on the portable program, with the processes and kernels of a whole node. */

let bed: Testbed;
let client: TestPod;
let webs: TestPod[];

const servers = async (target: typeof HTTP | typeof ADMIN | typeof DNS, count = 24) => {
  const { servers, failures } = await client.process.spread(target, count);
  expect(failures).toEqual({});
  return Object.keys(servers).sort();
};

beforeAll(async () => {
  bed = await Testbed.start({ pipeline: 'es2k', tapCount: 7 });
  client = await bed.addPod('client');
  webs = await addServers(bed, WEB, ['web-1', 'web-2', 'web-3']);
  await scaleService(bed, WEB, webs);
});

afterAll(() => bed?.stop());

describe('the ES2K driver', () => {
  it('lets pods and the node reach each other; ARP is answered by the proxy', async () => {
    const [web] = webs;
    if (web === undefined) throw new Error('no pods');
    await client.namespace.must('ping', ['-c', '2', '-W', '2', web.ip]);
    await bed.node.must('ping', ['-c', '2', '-W', '2', client.ip]);
    const neighbours = await client.namespace.must('ip', ['neighbour', 'show']);
    expect(neighbours).toMatch(/169\.254\.1\.1 .*lladdr 02:00:a9:fe:01:01/);
  });

  it('balances TCP and UDP with replies from the service address', async () => {
    const all = ['web-1', 'web-2', 'web-3'];
    expect(await servers(HTTP, 48)).toEqual(all);
    expect(await servers(ADMIN, 48)).toEqual(all);
    expect(await servers(DNS, 48)).toEqual(all);
  });

  it('scales down and up with open connections', async () => {
    const opened = new Map<string, string>();
    for (let i = 0; i < 12; i++) opened.set(`c${i}`, (await client.process.open(`c${i}`, HTTP)).server);
    const still = async () => {
      for (const [connection, server] of opened)
        expect((await client.process.ask(connection)).server).toBe(server);
    };
    await scaleService(bed, WEB, webs.slice(0, 1));
    expect(await servers(HTTP)).toEqual(['web-1']);
    await still();
    await scaleService(bed, WEB, webs);
    expect(await servers(HTTP, 48)).toEqual(['web-1', 'web-2', 'web-3']);
    await still();
  });

  it('a restarted manager writes nothing', async () => {
    const before = await client.process.open('restart', HTTP);
    await bed.manager.stop();
    await bed.startManager();
    await bed.inSync();
    const { target } = await bed.client.status();
    expect([target?.writeRequests, target?.updatesWritten]).toEqual([0n, 0n]);
    expect((await client.process.ask('restart')).server).toBe(before.server);
    expect(await servers(HTTP, 48)).toEqual(['web-1', 'web-2', 'web-3']);
  });

  it('a target that lost everything is programmed anew', async () => {
    await bed.softswitch.stop();
    await bed.stopDataplane();
    await bed.startSoftswitch();
    await bed.inSync();
    await eventually('the service answers again', async () => {
      const { failures } = await client.process.spread(HTTP, 4, 500);
      return Object.keys(failures).length === 0 || undefined;
    });
    expect(await servers(DNS, 48)).toEqual(['web-1', 'web-2', 'web-3']);
  });

  it('ports of one address are removed one by one', async () => {
    const without = (...names: string[]) => ({
      ...WEB,
      ports: WEB.ports.filter(({ name }) => !names.includes(name ?? '')),
    });
    const refuses = async (target: typeof HTTP | typeof ADMIN | typeof DNS) => {
      await eventually('nobody answers', async () => {
        const { servers } = await client.process.spread(target, 2, 300);
        return Object.keys(servers).length === 0 || undefined;
      });
    };
    await scaleService(bed, without('http'), webs);
    await refuses(HTTP);
    expect(await servers(ADMIN, 8)).not.toEqual([]);
    await scaleService(bed, without('http', 'admin'), webs);
    await refuses(ADMIN);
    expect(await servers(DNS, 8)).not.toEqual([]);
    bed.removeManifest('web.yaml');
    await refuses(DNS);
  });

  it('enforces what its tables can express of a policy', async () => {
    const [web, other] = webs;
    if (web === undefined || other === undefined) throw new Error('no pods');
    const labelled = ({ podName, podNamespace, ip }: TestPod) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { namespace: podNamespace, name: podName, labels: { role: podName.replace(/-.*/, '') } },
      spec: { containers: [] },
      status: { phase: 'Running', podIP: ip, podIPs: [{ ip }] },
    });
    const passes = async (from: TestPod, port: number) => {
      const { servers } = await from.process.spread({ protocol: 'tcp', address: web.ip, port }, 1, 500);
      return Object.keys(servers).length === 1;
    };
    const verdicts = async () => [
      await passes(client, 8080),
      await passes(client, 9090),
      await passes(other, 8080),
    ];
    expect(await verdicts()).toEqual([true, true, true]);
    bed.apply('pods.yaml', [client, ...webs].map(labelled));
    bed.apply('policy.yaml', [
      {
        apiVersion: 'networking.k8s.io/v1',
        kind: 'NetworkPolicy',
        metadata: { namespace: 'default', name: 'web' },
        spec: {
          podSelector: { matchLabels: { role: 'web' } },
          policyTypes: ['Ingress'],
          ingress: [
            {
              from: [{ podSelector: { matchLabels: { role: 'client' } } }],
              ports: [{ protocol: 'TCP', port: 8080 }],
            },
          ],
        },
      },
    ]);
    await eventually('only the client passes, and only to the port that is allowed', async () => {
      const found = (await verdicts()).join();
      if (found !== 'true,false,false') throw new Error(`the verdicts are ${found}`);
      return true;
    });
    bed.removeManifest('policy.yaml');
    await eventually('everybody passes again', async () => !(await verdicts()).includes(false) || undefined);
  });
});
