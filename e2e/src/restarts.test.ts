import {
  addServers,
  applyService,
  eventually,
  scaleService,
  serviceBalanced,
  Testbed,
  type TestPod,
} from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { HTTP, WEB } from './web.js';

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

describe('a restart of the manager', () => {
  it('in the middle of a transfer does not break it, and writes nothing', async () => {
    const transfer = client.process.transfer(HTTP, 5_000);
    await bed.manager.stop();
    await bed.startManager();
    await bed.inSync();
    const { target } = await bed.client.status();
    expect(target?.updatesWritten).toBe(0n);
    const { bytes, longestGapMs } = await transfer;
    expect(bytes).toBeGreaterThan(100_000);
    expect(longestGapMs).toBeLessThan(2_000);
  });

  it('that crashed is not different', async () => {
    const transfer = client.process.transfer(HTTP, 4_000);
    await bed.manager.stop('SIGKILL');
    await bed.startManager();
    await bed.inSync();
    expect((await bed.client.status()).target?.updatesWritten).toBe(0n);
    expect((await transfer).bytes).toBeGreaterThan(100_000);
  });

  it('learns what changed in the manifests while it was away', async () => {
    await bed.manager.stop();
    const [first] = webs;
    if (!first) throw new Error('no pod');
    applyService(bed, WEB, [first]);
    await bed.startManager();
    await serviceBalanced(bed, WEB, [first]);
    expect(Object.keys((await client.process.spread(HTTP, 30)).servers)).toEqual(['web-1']);
    await scaleService(bed, WEB, webs);
  });
});

describe('a restart of the agent', () => {
  it('keeps pods, connections and interfaces, and goes on', async () => {
    const transfer = client.process.transfer(HTTP, 4_000);
    await bed.agent.stop();
    const links = await bed.tapLinks();
    await bed.startAgent();
    await bed.inSync();
    expect((await transfer).bytes).toBeGreaterThan(100_000);
    expect(await bed.tapLinks()).toEqual(links);
    const late = await bed.addPod('late');
    expect((await late.process.spread(HTTP, 10)).failures).toEqual({});
    await bed.removePod(late);
  });

  it('cleans up after a pod that went while it was away', async () => {
    const short = await bed.addPod('short');
    await bed.agent.stop('SIGKILL');
    await short.process.stop();
    await short.namespace.remove();
    await bed.startAgent();
    await bed.removePod(short);
    await bed.inSync();
    const { objects } = await bed.client.status(true);
    expect(objects.filter(({ object }) => object?.name.startsWith(short.containerId))).toEqual([]);
  });
});

describe('a restart of the target', () => {
  it('with its data plane has everything programmed again, and the pods get their interfaces back', async () => {
    const before = await bed.tableSizes();
    await bed.softswitch.stop();
    await bed.stopDataplane();
    await bed.startSoftswitch();
    await bed.inSync();
    expect(await bed.tableSizes()).toEqual(before);
    const { servers } = await eventually('traffic flows again', async () => {
      const spread = await client.process.spread(HTTP, 30, 1_000);
      return Object.keys(spread.failures).length === 0 ? spread : undefined;
    });
    expect(Object.keys(servers).sort()).toEqual(['web-1', 'web-2']);
  });
});
