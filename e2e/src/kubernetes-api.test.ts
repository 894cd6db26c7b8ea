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

/** What the API server holds of the node that the agent runs on. */
const NODE = {
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: 'node-1', labels: { 'topology.kubernetes.io/zone': 'zone-a' } },
  spec: { podCIDR: '10.244.0.0/24', podCIDRs: ['10.244.0.0/24'] },
  status: { addresses: [{ type: 'InternalIP', address: '172.31.255.1' }] },
};

async function scale(pods: readonly TestPod[]): Promise<void> {
  const addresses = pods.map(({ ip }) => ip);
  bed.apply('web.yaml', [
    service(WEB),
    endpointSlice(
      WEB,
      addresses.map((ip) => ({ ip })),
    ),
  ]);
  await bed.balanced('default/web:http/TCP', addresses);
}

beforeAll(async () => {
  bed = await Testbed.start({
    source: 'api',
    tapCount: 5,
    manifests: { 'node.yaml': [NODE] },
  });
  client = await bed.addPod('client');
  webs = [];
  for (const name of ['web-1', 'web-2']) {
    const pod = await bed.addPod(name);
    await pod.process.serve('tcp', 8080);
    webs.push(pod);
  }
  await scale(webs);
});

afterAll(() => bed?.stop());

describe('with services from a Kubernetes API server', () => {
  it('connections are spread over the endpoints', async () => {
    const { servers, failures } = await client.process.spread(HTTP, 60);
    expect(failures).toEqual({});
    expect(Object.keys(servers).sort()).toEqual(['web-1', 'web-2']);
  });

  it('a change of a slice is followed', async () => {
    await scale(webs.slice(0, 1));
    expect(Object.keys((await client.process.spread(HTTP, 30)).servers)).toEqual(['web-1']);
    await scale(webs);
    expect(Object.keys((await client.process.spread(HTTP, 60)).servers).sort()).toEqual(['web-1', 'web-2']);
  });

  it('an API server that is away changes nothing, and what changed meanwhile is learned', async () => {
    await bed.apiServer.stop('SIGKILL');
    expect((await client.process.spread(HTTP, 30)).failures).toEqual({});
    await bed.agent.stop();
    bed.apply('web.yaml', [
      service(WEB),
      endpointSlice(
        WEB,
        webs.slice(1).map(({ ip }) => ({ ip })),
      ),
    ]);
    await bed.startApiServer();
    await bed.startAgent();
    await bed.balanced(
      'default/web:http/TCP',
      webs.slice(1).map(({ ip }) => ip),
    );
    expect(Object.keys((await client.process.spread(HTTP, 30)).servers)).toEqual(['web-2']);
  });

  it('an API server that comes back with lower resource versions is followed', async () => {
    // Let the versions grow first; the new server counts from its beginning.
    for (const pod of [...webs, ...webs]) await scale([pod]);
    await bed.apiServer.stop();
    bed.apply('web.yaml', [
      service(WEB),
      endpointSlice(
        WEB,
        webs.map(({ ip }) => ({ ip })),
      ),
    ]);
    await bed.startApiServer();
    await bed.balanced(
      'default/web:http/TCP',
      webs.map(({ ip }) => ip),
    );
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
