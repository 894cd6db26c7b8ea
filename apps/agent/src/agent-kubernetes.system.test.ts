import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Service } from '@infra-offload/infra-api';
import { FakeApiServer } from '@infra-offload/k8s-watch/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Harness } from './testing/harness.js';
import { eventually, ip } from './testing/network.js';

let harness: Harness;
let api: FakeApiServer;

beforeEach(async () => {
  harness = new Harness();
  api = await FakeApiServer.start();
});

afterEach(async () => {
  await harness.stop();
  await api.stop();
});

function node(name: string, spec: object, address: string, zone?: string) {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name, labels: zone ? { 'topology.kubernetes.io/zone': zone } : {} },
    spec,
    status: { addresses: [{ type: 'InternalIP', address }] },
  };
}

function service(spec: object = {}) {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'default', name: 'web' },
    spec: { clusterIP: '10.96.0.10', ports: [{ name: 'http', port: 80, ...spec }] },
  };
}

function slice(endpoints: readonly object[], metadata: object = {}) {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace: 'default',
      name: 'web-1',
      labels: { 'kubernetes.io/service-name': 'web' },
      ...metadata,
    },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: 8080 }],
    endpoints,
  };
}

const here = { addresses: ['10.244.0.2'], nodeName: 'node-1' };

function wanted(name = 'default/web:http/TCP'): Service | undefined {
  const object = harness.manager.objects.get(`3:${name}`)?.object;
  return object?.$case === 'service' ? object.value : undefined;
}

const addresses = () => wanted()?.endpoints.map(({ address }) => address);

/** A port that nobody listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}

describe('the face of kube-proxy', () => {
  it('answers on health check node ports, which come and go with the service', async () => {
    const port = await freePort();
    const balanced = (more: object = {}) => ({
      ...service(),
      spec: {
        ...service().spec,
        type: 'LoadBalancer',
        externalTrafficPolicy: 'Local',
        healthCheckNodePort: port,
        externalIPs: ['192.0.2.1'],
        ...more,
      },
    });
    const gone = { addresses: ['10.244.0.3'], nodeName: 'node-1', conditions: { ready: false } };
    const elsewhere = { addresses: ['10.244.1.2'], nodeName: 'node-2' };
    api.database.create(balanced());
    api.database.create(slice([here, gone, elsewhere]));
    await harness.start(1, harness.watching(api));
    const ask = async () => {
      const response = await fetch(`http://127.0.0.1:${port}/healthz`).catch(() => undefined);
      const weight = response?.headers.get('x-load-balancing-endpoint-weight');
      return response && { status: response.status, weight, body: await response.json() };
    };
    const body = { service: { namespace: 'default', name: 'web' }, serviceProxyHealthy: true };
    await eventually(async () => (await ask()) !== undefined, 'the port is open');
    expect(await ask()).toEqual({ status: 200, weight: '1', body: { ...body, localEndpoints: 1 } });

    api.database.update(slice([gone, elsewhere]));
    await eventually(async () => (await ask())?.status === 503, 'no endpoint here');
    expect(await ask()).toEqual({ status: 503, weight: '0', body: { ...body, localEndpoints: 0 } });
    const metrics = await (await fetch(`http://${harness.agent?.monitoringAddress}/metrics`)).text();
    expect(metrics).toMatch(/no_local_endpoints_total\{traffic_policy="external"\} 1$/m);

    api.database.update(balanced({ externalTrafficPolicy: 'Cluster', healthCheckNodePort: undefined }));
    await eventually(async () => (await ask()) === undefined, 'the port is closed');
  });

  it('measures changes on their way to the data plane', async () => {
    api.database.create(service());
    api.database.create(slice([here]));
    await harness.start(1, harness.watching(api));
    const metric = async (name: string) => {
      const text = await (await fetch(`http://${harness.agent?.monitoringAddress}/metrics`)).text();
      return Number(new RegExp(`^kubeproxy_${name} (.*)$`, 'm').exec(text)?.[1]);
    };
    expect(await metric('sync_proxy_rules_endpoint_changes_total')).toBe(0);
    expect(await metric('sync_proxy_rules_last_timestamp_seconds')).toBeGreaterThan(Date.now() / 1000 - 60);

    harness.manager.acknowledges = false;
    const annotations = { 'endpoints.kubernetes.io/last-change-trigger-time': new Date().toISOString() };
    const other = { addresses: ['10.244.0.7'], nodeName: 'node-1' };
    api.database.update(slice([here, other], { annotations }));
    await eventually(() => addresses()?.length === 2, 'the change is with the manager');
    expect(await metric('sync_proxy_rules_endpoint_changes_pending')).toBe(1);
    expect(await metric('network_programming_duration_seconds_count')).toBe(0);
    harness.manager.acknowledge();
    await eventually(
      async () => (await metric('network_programming_duration_seconds_count')) === 1,
      'it is measured',
    );
    expect(await metric('network_programming_duration_seconds_sum')).toBeLessThan(20);
    expect(await metric('sync_proxy_rules_endpoint_changes_pending')).toBe(0);
    expect(await metric('sync_proxy_rules_endpoint_changes_total')).toBe(1);

    // A slice of a service that nobody wants is no change for the data plane.
    const unknown = {
      ...slice([here]),
      metadata: { ...slice([]).metadata, name: 'x-1', labels: { 'kubernetes.io/service-name': 'x' } },
    };
    api.database.create(unknown);
    await eventually(
      async () => (await metric('sync_proxy_rules_endpoint_changes_total')) === 2,
      'it is counted',
    );
    expect(await metric('sync_proxy_rules_endpoint_changes_pending')).toBe(0);
  });

  it('says on /healthz that the node is about to go, and is alive on /livez', async () => {
    api.database.create(node('node-1', { podCIDR: '10.244.0.0/24' }, '192.0.2.11'));
    await harness.start(1, harness.watching(api, { healthzAddress: '127.0.0.1:0' }));
    const status = async (path: string) =>
      (await fetch(`http://${harness.agent?.healthzAddress}${path}`)).status;
    expect(await status('/healthz')).toBe(200);
    const taints = [{ key: 'ToBeDeletedByClusterAutoscaler', effect: 'NoSchedule' }];
    api.database.update(node('node-1', { podCIDR: '10.244.0.0/24', taints }, '192.0.2.11'));
    await eventually(async () => (await status('/healthz')) === 503, 'not eligible');
    expect(await status('/livez')).toBe(200);
    expect(await status('/metrics')).toBe(404);
  });

  it('runs beside kube-proxy, which has that port, and warns', async () => {
    const kubeProxy = createServer().listen(0, '127.0.0.1');
    await once(kubeProxy, 'listening');
    const address = kubeProxy.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    try {
      const healthzAddress = `127.0.0.1:${address.port}`;
      const { agent } = await harness.start(1, harness.watching(api, { healthzAddress }));
      expect(agent?.healthzAddress).toBeUndefined();
      const readyz = await (await fetch(`http://${agent?.monitoringAddress}/readyz`)).text();
      expect(readyz).toContain(`warning: healthzAddress: cannot listen on ${healthzAddress}: `);
    } finally {
      kubeProxy.close();
    }
  });
});

describe('services of the Kubernetes API', () => {
  it('are in the first snapshot, and follow changes of services, slices and the node', async () => {
    api.database.create(node('node-1', { podCIDR: '10.244.0.0/24' }, '192.0.2.11', 'a'));
    api.database.create(node('node-2', { podCIDR: '10.244.1.0/24' }, '192.0.2.12', 'b'));
    api.database.create(service({ nodePort: 30080 }));
    const zones = [
      { ...here, hints: { forZones: [{ name: 'a' }] } },
      { addresses: ['10.244.1.2'], nodeName: 'node-2', hints: { forZones: [{ name: 'b' }] } },
    ];
    api.database.create(slice(zones));
    const { manager, network } = await harness.start(1, harness.watching(api));

    const [first] = manager.changes;
    expect(first?.change?.$case).toBe('snapshotBegin');
    expect(manager.messages).toHaveLength(1);
    expect(wanted()?.frontends).toEqual([
      { address: '10.96.0.10', port: 80 },
      { address: '169.254.1.1', port: 30080 },
      { address: '192.0.2.11', port: 30080 },
    ]);
    const { facts } = harness.kernel;
    expect(facts?.outside).toEqual([{ protocol: 'TCP', nodePort: 30080, addresses: [] }]);
    expect(facts).toMatchObject({ hostInterface: `${network.prefix}0`, masquerade: true });
    expect(facts?.exempt).toEqual(expect.arrayContaining(['10.244.0.0/24', '10.244.1.0/24']));
    expect(addresses()).toEqual(['10.244.0.2']);
    expect(ip('route', 'show', 'dev', `${network.prefix}0`)).toMatch(
      /^10\.244\.0\.0\/24 via 169\.254\.1\.1/m,
    );

    api.database.update(node('node-1', { podCIDR: '10.244.0.0/24' }, '192.0.2.21', 'b'));
    await eventually(() => addresses()?.[0] === '10.244.1.2', 'endpoints of the other zone');
    await eventually(() => wanted()?.frontends[2]?.address === '192.0.2.21', 'the new address of the node');
    api.database.delete({ kind: 'Service', namespace: 'default', name: 'web' });
    await eventually(() => wanted() === undefined, 'the service is gone');
    await eventually(() => harness.kernel.facts?.outside.length === 0, 'its node port is gone');
  });

  it('leave the rules of the kernel alone until they are known, so that a restart takes none away', async () => {
    api.forbid('list', 'endpointslices');
    const { manager, network, kernel } = harness;
    await manager.start();
    network.addTaps(1);
    await harness.startAgent(harness.watching(api));
    expect(kernel.facts).toBeUndefined();
    api.allow('list', 'endpointslices');
    await eventually(() => kernel.facts !== undefined, 'the rules');
  });

  it('come with the addresses of the node, and those of its network as neighbours', async () => {
    const { network } = harness;
    api.database.create(node('node-1', { podCIDR: '10.244.0.0/24' }, '192.0.2.11'));
    api.database.create(node('node-2', { podCIDR: '10.244.1.0/24' }, '198.51.100.66'));
    await harness.start(2, harness.watching(api, { masquerade: { exemptCidrs: ['203.0.113.0/24'] } }));
    ip('address', 'add', '198.51.100.65/29', 'dev', `${network.prefix}1`);
    const route = { cidr: '10.244.1.0/24', via: '198.51.100.66' };
    await eventually(() => harness.kernel.routes.length === 1, 'the route');
    expect(harness.kernel.routes).toEqual([route]);
    expect(harness.kernel.facts?.exempt).toEqual(
      expect.arrayContaining(['203.0.113.0/24', '198.51.100.66/32']),
    );
    const told = () => {
      const object = harness.manager.objects.get('1:node-1')?.object;
      return object?.$case === 'node' ? object.value.addresses : [];
    };
    await eventually(() => told().includes('198.51.100.65'), 'the address');
    expect(told().some((address) => address.startsWith('127.'))).toBe(false);
  });

  it('come with routes to the pods of nodes that are neighbours of an uplink', async () => {
    const mac = '02:00:00:00:00:01';
    api.database.create(node('node-1', { podCIDR: '10.244.0.0/24' }, '192.0.2.11'));
    const uplink = { interface: 'P4TAP_9', mac };
    const { manager, network } = await harness.start(1, harness.watching(api, { uplink }));
    const wantedNode = () => {
      const object = manager.objects.get('1:node-1')?.object;
      return object?.$case === 'node' ? object.value : undefined;
    };
    const host = () => wantedNode()?.hostInterface;
    const routes = () => wantedNode()?.routes;
    expect(routes()).toEqual([]);
    const nextHopMac = '02:00:00:00:00:02';
    const device = `${network.prefix}0`;
    ip('neighbour', 'add', '192.0.2.12', 'lladdr', nextHopMac, 'dev', device, 'nud', 'permanent');
    api.database.create(node('node-2', { podCIDRs: ['10.244.1.0/24', 'fd00::/64'] }, '192.0.2.12'));
    await eventually(() => routes()?.length === 1, 'the route');
    expect(routes()).toEqual([
      {
        cidr: '10.244.1.0/24',
        interfaceName: 'P4TAP_9',
        nextHopMac,
        sourceMac: mac,
        sourceAddress: '10.244.0.0',
        masquerade: false,
      },
    ]);
    // Now the node has an uplink, too, and its data plane answers.
    const dataPlane = '02:00:00:00:00:03';
    ip('neighbour', 'add', '10.244.1.0', 'lladdr', dataPlane, 'dev', device, 'nud', 'permanent');
    api.database.create(node('node-3', {}, '192.0.2.13'));
    await eventually(() => routes()?.length === 2, 'the route to the node');
    expect(routes()?.map(({ cidr, nextHopMac }) => ({ cidr, nextHopMac }))).toEqual([
      { cidr: '10.244.1.0/24', nextHopMac: dataPlane },
      { cidr: '192.0.2.12/32', nextHopMac: dataPlane },
    ]);
    const kernelRoutes = () => ip('route', 'show', 'dev', device);
    expect(kernelRoutes()).toMatch(/^10\.244\.1\.0\/24 via 169\.254\.1\.1 proto 85 src 10\.244\.0\.1 /m);
    ip('route', 'add', '198.51.100.0/24', 'dev', device);
    api.database.delete({ kind: 'Node', name: 'node-2' });
    await eventually(() => routes()?.length === 0, 'the routes are gone');
    expect(kernelRoutes()).not.toContain('10.244.1.0/24');
    expect(kernelRoutes()).toContain('198.51.100.0/24');
    expect(host()?.addresses).toEqual(['10.244.0.1', '10.244.0.0']);
  });

  it('never hand the uplink to a pod', async () => {
    const { network } = harness;
    const uplink = { interface: `${network.prefix}1` };
    await harness.start(3, { uplink });
    const netns = network.addNetns('blue');
    expect((await harness.cni('ADD', { netns })).exitCode).toBe(0);
    expect(network.taps()).toEqual([`${network.prefix}0`, `${network.prefix}1`]);
    expect((await harness.cni('DEL', { netns })).exitCode).toBe(0);
  });

  it('keep the agent waiting while the API may not be read, and it says why', async () => {
    api.forbid('list', 'endpointslices');
    api.database.create(service());
    api.database.create(slice([here]));
    const { manager, network } = harness;
    await manager.start();
    network.addTaps(1);
    const agent = await harness.startAgent(harness.watching(api));

    const reason = /services are not known yet: cannot list endpointslices.*ClusterRole/;
    expect(agent.problems()).toContainEqual(expect.stringMatching(reason));
    expect(manager.streams).toBe(0);
    const metrics = await (await fetch(`http://${agent.monitoringAddress}/metrics`)).text();
    expect(metrics).toMatch(/^infra_agent_source_problems\{source="api"\} 1$/m);
    // It may have just started, so there is no word of missing rights in the log yet.
    expect(harness.log.filter(({ code }) => code === 'FORBIDDEN')).toEqual([]);

    api.allow('list', 'endpointslices');
    await eventually(() => agent.problems().length === 0, 'ready');
    expect(manager.messages).toHaveLength(1);
    expect(addresses()).toEqual(['10.244.0.2']);
  });

  it('stay while the API is away', async () => {
    api.database.create(service());
    api.database.create(slice([here]));
    await harness.start(1, harness.watching(api));
    await api.stop();
    harness.manager.cutStream();
    const away =
      /^the Kubernetes API has not been serving the agent since 20[0-9TZ:-]+ \([0-9]+ s\): cannot watch/;
    await eventually(() => {
      const [problem = '', ...others] = harness.agent?.problems() ?? [];
      return harness.manager.streams === 2 && away.test(problem) && others.length === 0;
    }, 'nothing but the API is away');
    expect(addresses()).toEqual(['10.244.0.2']);
    const metrics = await (await fetch(`http://${harness.agent?.monitoringAddress}/metrics`)).text();
    expect(metrics).toMatch(/^infra_agent_kubernetes_api_away_seconds [0-9.]*[1-9]/m);
    expect(metrics).toMatch(/^infra_agent_problem\{reason="kubernetes_api",severity="error"\} 1$/m);
  });

  it('cannot come from a configuration that names nothing', async () => {
    await harness.manager.start();
    const kubernetes = { kubeconfig: '/nonexistent/kubeconfig' };
    await expect(harness.startAgent({ manifestsDirectory: undefined, kubernetes })).rejects.toMatchObject({
      code: 'CONFIG',
      message: expect.stringMatching(/^kubernetes: kubeconfig \/nonexistent\/kubeconfig: /),
    });
  });
});
