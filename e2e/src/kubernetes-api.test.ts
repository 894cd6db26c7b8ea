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

/** What the API server holds of the node that the agent runs on. */
const NODE = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'zone-a' } },
  spec: { podCIDR: '10.244.0.0/24', podCIDRs: ['10.244.0.0/24'] },
  status: { addresses: [{ type: 'InternalIP', address: '172.31.255.1' }] },
};

beforeAll(async () => {
  bed = await Testbed.start({
    source: 'api',
    tapCount: 5,
    manifests: { 'node.yaml': [NODE] },
  });
  client = await bed.addPod('client');
  webs = await addServers(bed, WEB, ['web-1', 'web-2']);
  await scaleService(bed, WEB, webs);
});

afterAll(() => bed?.stop());

describe('with services from a Kubernetes API server', () => {
  it('connections are spread over the endpoints', async () => {
    const { servers, failures } = await client.process.spread(HTTP, 60);
    expect(failures).toEqual({});
    expect(Object.keys(servers).sort()).toEqual(['web-1', 'web-2']);
  });

  it('a change of a slice is followed', async () => {
    await scaleService(bed, WEB, webs.slice(0, 1));
    expect(Object.keys((await client.process.spread(HTTP, 30)).servers)).toEqual(['web-1']);
    await scaleService(bed, WEB, webs);
    expect(Object.keys((await client.process.spread(HTTP, 60)).servers).sort()).toEqual(['web-1', 'web-2']);
  });

  it('an API server that is away changes nothing, and what changed meanwhile is learned', async () => {
    await bed.apiServer.stop('SIGKILL');
    expect((await client.process.spread(HTTP, 30)).failures).toEqual({});
    await bed.agent.stop();
    const rest = webs.slice(1);
    applyService(bed, WEB, rest);
    await bed.startApiServer();
    await bed.startAgent();
    await serviceBalanced(bed, WEB, rest);
    expect(Object.keys((await client.process.spread(HTTP, 30)).servers)).toEqual(['web-2']);
  });

  it('an API server that comes back with lower resource versions is followed', async () => {
    // Let the versions grow first; the new server counts from its beginning.
    for (const pod of [...webs, ...webs]) await scaleService(bed, WEB, [pod]);
    await bed.apiServer.stop();
    applyService(bed, WEB, webs);
    await bed.startApiServer();
    await serviceBalanced(bed, WEB, webs);
  });

  it('a deleted service is gone', async () => {
    bed.removeManifest('web.yaml');
    await eventually(
      'the service is gone',
      async () => (await bed.client.serviceState('default/web:http/TCP')) === undefined || undefined,
    );
    expect((await client.process.spread(HTTP, 2, 500)).servers).toEqual({});
  });
});
