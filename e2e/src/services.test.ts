import {
  addServers,
  eventually,
  type ServiceOptions,
  scaleService,
  Testbed,
  type TestPod,
} from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN, DNS, HTTP, WEB_ADMIN_DNS as WEB } from './web.js';

let bed: Testbed;
let client: TestPod;
let webs: TestPod[];

// The pipeline drops a connection whose client port is in use towards the same endpoint through another address, so each
// service of these tests has a target port of its own.
const STICKY_PORT = 8081;
const TEMPORARY_PORT = 8082;
const SHORT_PORT = 8083;

/** Removes a service's manifest and waits until the manager has dropped it. */
async function remove(name: string): Promise<void> {
  bed.removeManifest(`${name}.yaml`);
  await eventually(`service ${name} is gone`, async () => {
    const { objects } = await bed.client.status(true);
    return objects.every(({ object }) => !object?.name.startsWith(`default/${name}:`)) || undefined;
  });
}

beforeAll(async () => {
  bed = await Testbed.start({ tapCount: 6 });
  client = await bed.addPod('client');
  webs = await addServers(bed, WEB, ['web-1', 'web-2', 'web-3']);
  for (const { process } of webs) {
    await process.serve('tcp', STICKY_PORT);
    await process.serve('tcp', TEMPORARY_PORT);
  }
  await scaleService(bed, WEB, webs);
});

afterAll(() => bed?.stop());

/** Checksum errors that the kernels of all pods counted. */
async function checksumErrors(): Promise<number> {
  let errors = 0;
  for (const pod of [client, ...webs]) {
    const snmp = await pod.namespace.must('cat', ['/proc/net/snmp', '/proc/net/netstat']);
    const lines = snmp.split('\n');
    for (let index = 0; index + 1 < lines.length; index += 2) {
      const names = lines[index]?.split(' ') ?? [];
      const values = lines[index + 1]?.split(' ') ?? [];
      names.forEach((name, column) => {
        if (/CsumErrors|InErrs|InHdrErrors/.test(name)) errors += Number(values[column]);
      });
    }
  }
  return errors;
}

describe('a ClusterIP service', () => {
  it.each([
    ['TCP', HTTP],
    ['UDP', DNS],
  ])('spreads %s connections over all endpoints', async (_name, target) => {
    const { servers, failures, clientAddresses } = await client.process.spread(target, 90);
    expect(failures).toEqual({});
    expect(Object.keys(servers).sort()).toEqual(['web-1', 'web-2', 'web-3']);
    // 90 connections by hash over 3 endpoints: fewer than 12 at one of them has a chance below 1 in 10,000.
    for (const count of Object.values(servers)) expect(count).toBeGreaterThan(11);
    // The endpoints see the client itself: no source translation.
    expect(clientAddresses).toEqual([client.ip]);
  });

  it('is reached from the node', async () => {
    const script = `require('node:net').connect(80,'10.96.0.10',function(){this.write('A\\n')}).on('data',d=>{console.log(String(d));process.exit(0)}).on('error',e=>{console.log(e.code);process.exit(1)})`;
    const output = await bed.node.must(process.execPath, ['-e', script]);
    expect(JSON.parse(output).server).toMatch(/^web-/);
  });

  it('sends each port to its own target port', async () => {
    for (const pod of webs) await pod.process.unserve('tcp', 9090);
    expect(Object.keys((await client.process.spread(ADMIN, 5)).failures)).toEqual(['ECONNREFUSED']);
    expect((await client.process.spread(HTTP, 5)).failures).toEqual({});
    for (const pod of webs) await pod.process.serve('tcp', 9090);
    expect((await client.process.spread(ADMIN, 20)).failures).toEqual({});
  });

  it('keeps every packet of a connection on its endpoint', async () => {
    const { server } = await client.process.open('kept', HTTP);
    for (let index = 0; index < 20; index++) expect((await client.process.ask('kept')).server).toBe(server);
    await client.process.close('kept');
  });

  it('carries data intact, with right checksums', async () => {
    const before = await checksumErrors();
    const { bytes } = await client.process.transfer(HTTP, 1_000);
    expect(bytes).toBeGreaterThan(100_000);
    expect(await checksumErrors()).toBe(before);
  });

  it('lets a pod reach itself through the service', async () => {
    const [self] = webs;
    if (!self) throw new Error('no pod');
    const { servers, failures } = await self.process.spread(HTTP, 60);
    expect(failures).toEqual({});
    expect(servers['web-1']).toBeGreaterThan(0);
  });
});

describe('scaling', () => {
  it('moves new connections and leaves the established ones alone', async () => {
    const [first, second, third] = webs;
    if (!first || !second || !third) throw new Error('three pods are needed');
    for (let index = 0; ; index++) {
      expect(index).toBeLessThan(200);
      if ((await client.process.open(`to-third`, HTTP)).server === 'web-3') break;
      await client.process.close('to-third');
    }
    await scaleService(bed, WEB, [first, second]);
    expect(Object.keys((await client.process.spread(HTTP, 60)).servers).sort()).toEqual(['web-1', 'web-2']);
    expect((await client.process.ask('to-third')).server).toBe('web-3');
    await scaleService(bed, WEB, webs);
    expect(Object.keys((await client.process.spread(HTTP, 90)).servers).sort()).toEqual([
      'web-1',
      'web-2',
      'web-3',
    ]);
    expect((await client.process.ask('to-third')).server).toBe('web-3');
    await client.process.close('to-third');
  });

  it('moves a UDP flow away from an endpoint that left', async () => {
    const { server } = await client.process.open('flow', DNS);
    expect((await client.process.ask('flow')).server).toBe(server);
    await scaleService(
      bed,
      WEB,
      webs.filter((pod) => pod.name !== server),
    );
    expect((await client.process.ask('flow')).server).not.toBe(server);
    await client.process.close('flow');
    await scaleService(bed, WEB, webs);
  });

  it('to zero refuses with the reason "no endpoints", and back works', async () => {
    const before = await bed.rejects(/endpoint/i);
    await scaleService(bed, WEB, []);
    expect((await client.process.spread(HTTP, 3, 500)).servers).toEqual({});
    expect(await bed.rejects(/endpoint/i)).toBeGreaterThan(before);
    await scaleService(bed, WEB, webs);
    expect((await client.process.spread(HTTP, 30)).failures).toEqual({});
  });
});

describe('ClientIP affinity', () => {
  const sticky: ServiceOptions = {
    name: 'sticky',
    clusterIp: '10.96.0.20',
    affinitySeconds: 300,
    ports: [{ name: 'http', port: 80, targetPort: STICKY_PORT }],
  };
  const target = { protocol: 'tcp', address: sticky.clusterIp, port: 80 } as const;

  it('gives a client the same endpoint for every connection, also after scaling up', async () => {
    const [first, second, third] = webs;
    if (!first || !second || !third) throw new Error('three pods are needed');
    await scaleService(bed, sticky, [first, second]);
    const { servers } = await client.process.spread(target, 30);
    expect(Object.values(servers)).toEqual([30]);
    await scaleService(bed, sticky, webs);
    expect((await client.process.spread(target, 30)).servers).toEqual(servers);
  });
});

describe('a pod that is deleted', () => {
  it('ends its connections at once, also when its endpoint goes only afterwards', async () => {
    const short: ServiceOptions = {
      name: 'short',
      clusterIp: '10.96.0.50',
      ports: [{ name: 'http', port: 80, targetPort: SHORT_PORT }],
    };
    const target = { protocol: 'tcp', address: short.clusterIp, port: 80 } as const;
    const late = await bed.addPod('late');
    await late.process.serve('tcp', SHORT_PORT);
    const [web] = webs;
    if (!web) throw new Error('no pod');
    await web.process.serve('tcp', SHORT_PORT);
    await scaleService(bed, short, [web, late]);
    for (let index = 0; ; index++) {
      expect(index).toBeLessThan(200);
      if ((await client.process.open('to-late', target)).server === 'late') break;
      await client.process.close('to-late');
    }
    await bed.removePod(late);
    await scaleService(bed, short, [web]);
    await expect(client.process.ask('to-late')).rejects.toThrow(/ECONNRESET|EPIPE|closed/);
    await remove('short');
  });
});

describe('a service that goes', () => {
  it('is unreachable, and its entries are gone', async () => {
    const temporary: ServiceOptions = {
      name: 'temporary',
      clusterIp: '10.96.0.30',
      ports: [{ port: 80, targetPort: TEMPORARY_PORT }],
    };
    const target = { protocol: 'tcp', address: temporary.clusterIp, port: 80 } as const;
    const before = await bed.tableSizes();
    await scaleService(bed, temporary, webs);
    expect((await client.process.spread(target, 6)).failures).toEqual({});
    await remove('temporary');
    expect((await client.process.spread(target, 2, 500)).servers).toEqual({});
    const after = await bed.tableSizes();
    for (const table of ['service', 'endpoint_group']) expect(after.get(table)).toBe(before.get(table));
  });
});
