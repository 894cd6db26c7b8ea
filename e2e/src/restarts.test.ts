import {
  endpointSlice,
  eventually,
  type ServiceOptions,
  service,
  Testbed,
  type TestPod,
} from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let bed: Testbed;
let client: TestPod;
let webs: TestPod[];

const WEB: ServiceOptions = {
  name: 'web',
  clusterIp: '10.96.0.10',
  ports: [{ name: 'http', port: 80, targetPort: 8080 }],
};
const HTTP = { protocol: 'tcp', address: WEB.clusterIp, port: 80 } as const;

beforeAll(async () => {
  bed = await Testbed.start({ tapCount: 6 });
  client = await bed.addPod('client');
  webs = [];
  for (const name of ['web-1', 'web-2']) {
    const pod = await bed.addPod(name);
    await pod.process.serve('tcp', 8080);
    webs.push(pod);
  }
  bed.apply('web.yaml', [
    service(WEB),
    endpointSlice(
      WEB,
      webs.map(({ ip }) => ({ ip })),
    ),
  ]);
  await bed.balanced(
    'default/web:http/TCP',
    webs.map(({ ip }) => ip),
  );
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
    bed.apply('web.yaml', [service(WEB), endpointSlice(WEB, [{ ip: first.ip }])]);
    await bed.startManager();
    await bed.balanced('default/web:http/TCP', [first.ip]);
    expect(Object.keys((await client.process.spread(HTTP, 30)).servers)).toEqual(['web-1']);
    bed.apply('web.yaml', [
      service(WEB),
      endpointSlice(
        WEB,
        webs.map(({ ip }) => ({ ip })),
      ),
    ]);
    await bed.balanced(
      'default/web:http/TCP',
      webs.map(({ ip }) => ip),
    );
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
