import {
  addServers,
  infractl as runInfractl,
  scaleService,
  Testbed,
  type TestPod,
} from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HTTP, WEB_ADMIN_DNS as WEB } from './web.js';

/** Time in which an answer comes, if one does. */
const PATIENCE_MS = 400;

interface ListedFlow {
  readonly protocol: number;
  readonly client: { readonly address: string; readonly port: number };
  readonly service?: { readonly address: string; readonly port: number };
  readonly endpoint: { readonly address: string; readonly port: number };
  readonly state: string;
  readonly idleMs: string;
  readonly remainingMs: string;
}

let bed: Testbed;
let client: TestPod;
let webs: TestPod[];

beforeAll(async () => {
  bed = await Testbed.start({ tapCount: 6 });
  client = await bed.addPod('client');
  webs = await addServers(bed, WEB, ['web-1', 'web-2']);
  await scaleService(bed, WEB, webs);
});

afterAll(() => bed?.stop());

/** Runs infractl, as an operator unless it is to change something. */
async function infractl(...args: string[]): Promise<string> {
  return runInfractl(bed, args.includes('--end') ? 'agent' : 'operator', ...args);
}

const list = async (...filter: string[]): Promise<ListedFlow[]> =>
  JSON.parse(await infractl('-o', 'json', 'flows', ...filter));

async function open(connection: string, localPort: number): Promise<string> {
  await client.process.open(connection, { ...HTTP, localPort });
  return (await client.process.ask(connection)).server;
}

describe('infractl flows', () => {
  it('lists a connection with its service, its endpoint and its state', async () => {
    const server = await open('listed', 42_001);
    const endpoint = webs.find(({ name }) => name === server)?.ip;
    const [flow, ...others] = await list('--port', '42001');
    expect(others).toEqual([]);
    expect(flow).toMatchObject({
      protocol: 6,
      client: { address: client.ip, port: 42_001 },
      service: { address: WEB.clusterIp, port: 80 },
      endpoint: { address: endpoint, port: 8080 },
      state: 'established',
    });
    // DPDK counts in steps of about 1.5 s.
    expect(Number(flow?.idleMs)).toBeLessThan(60_000);
    expect(Number(flow?.remainingMs)).toBeGreaterThan(86_000_000);
    await client.process.close('listed');
    const [closed] = await list('--port', '42001');
    expect(['fin-client', 'closing', 'closed']).toContain(closed?.state);
  });

  it('finds flows by pod, service, address, protocol and state, and counts them', async () => {
    const servers = await Promise.all([42_010, 42_011, 42_012].map((port) => open(`${port}`, port)));
    await client.process.open('dns', {
      protocol: 'udp',
      address: WEB.clusterIp,
      port: 53,
      localPort: 42_013,
    });
    await client.process.ask('dns');
    const [direct] = webs;
    await client.process.open('direct', {
      protocol: 'tcp',
      address: direct?.ip ?? '',
      port: 8080,
      localPort: 42_014,
    });
    await client.process.ask('direct');
    const ports = async (...filter: string[]): Promise<number[]> =>
      (await list(...filter))
        .map((flow) => flow.client.port)
        .filter((port) => port >= 42_010)
        .sort();
    expect(await ports()).toEqual([42_010, 42_011, 42_012, 42_013, 42_014]);
    expect(await ports('--service', 'default/web')).toEqual([42_010, 42_011, 42_012, 42_013]);
    expect(await ports('--service', 'default/web', '--protocol', 'udp')).toEqual([42_013]);
    expect(await ports('--address', WEB.clusterIp, '--protocol', 'tcp')).toEqual([42_010, 42_011, 42_012]);
    expect(await ports('--pod', 'default/client', '--state', 'established')).toEqual([
      42_010, 42_011, 42_012, 42_013, 42_014,
    ]);
    expect(await ports('--pod', 'default/web-1', '--protocol', 'tcp')).toEqual(
      [...servers, 'web-1'].flatMap((name, i) =>
        name === 'web-1' ? [[42_010, 42_011, 42_012, 42_014][i]] : [],
      ),
    );
    const [udp] = await list('--port', '42013');
    expect(udp).toMatchObject({ protocol: 17, state: 'established' });
    const [pod] = await list('--port', '42014');
    expect(pod).toMatchObject({ endpoint: { address: direct?.ip, port: 8080 } });
    expect(pod?.service).toBeUndefined();
    expect((await infractl('flows', '--count', '--port', '42010')).trim()).toBe('1');
    expect(Number(await infractl('flows', '--count'))).toBeGreaterThanOrEqual(5);
    const text = await infractl('flows', '--port', '42010');
    expect(text.split('\n')[0]).toMatch(/^PROTOCOL +CLIENT +SERVICE +ENDPOINT +STATE +IDLE +ENDS IN$/);
    expect(text).toMatch(new RegExp(`^tcp +${client.ip}:42010 +${WEB.clusterIp}:80 .* established`, 'm'));
  });

  it('ends one flow, and no other', async () => {
    await open('ended', 42_020);
    await open('lives', 42_021);
    expect((await infractl('flows', '--end', '--port', '42020')).trim()).toBe('1');
    expect(await list('--port', '42020')).toEqual([]);
    expect((await list('--port', '42021')).length).toBe(1);
    // Its next segment is the first of a flow of which the service knows nothing, and may go to another endpoint.
    const before = await list('--port', '42021');
    await client.process.ask('ended', PATIENCE_MS).catch(() => undefined);
    expect((await client.process.ask('lives')).server).toMatch(/^web-/);
    expect((await list('--port', '42021'))[0]?.endpoint).toEqual(before[0]?.endpoint);
    expect((await infractl('flows', '--end', '--port', '42999')).trim()).toBe('0');
  });

  it('tells nothing wrong, and ends nothing else, while connections come and go', async () => {
    await open('steady', 42_030);
    const before = await list('--port', '42030');
    let isBusy = true;
    const traffic = client.process.spread(HTTP, 200, 30_000).finally(() => {
      isBusy = false;
    });
    const endpoints = webs.map(({ ip }) => `${ip}:8080`);
    while (isBusy) {
      for (const flow of await list('--service', 'default/web', '--protocol', 'tcp')) {
        expect(flow).toMatchObject({
          protocol: 6,
          client: { address: client.ip },
          service: { address: WEB.clusterIp, port: 80 },
        });
        expect(endpoints).toContain(`${flow.endpoint.address}:${flow.endpoint.port}`);
      }
      await infractl('flows', '--end', '--service', 'default/web', '--state', 'closed');
    }
    expect((await traffic).failures).toEqual({});
    expect((await client.process.ask('steady')).server).toMatch(/^web-/);
    expect((await list('--port', '42030'))[0]?.endpoint).toEqual(before[0]?.endpoint);
  });

  it('refuses what makes no sense, or is too much', async () => {
    await expect(runInfractl(bed, 'operator', 'flows', '--end', '--port', '1')).rejects.toThrow(
      'PERMISSION_DENIED',
    );
    await expect(infractl('flows', '--end')).rejects.toThrow('INVALID_ARGUMENT');
    await expect(infractl('flows', '--pod', 'default/nobody')).rejects.toThrow('NOT_FOUND');
    await expect(infractl('flows', '--service', 'default/nothing')).rejects.toThrow('NOT_FOUND');
    await expect(infractl('flows', '--address', '10.0.0')).rejects.toThrow('INVALID_ARGUMENT');
    await expect(infractl('flows', '--port', '70000')).rejects.toThrow('65535');
    expect((await infractl('flows', '--end', '--all')).trim()).toMatch(/^\d+$/);
    expect(await list()).toEqual([]);
  });
});
