import {
  endpointSlice,
  eventually,
  type PodProcess,
  type ServiceOptions,
  service,
  serviceBalanced,
} from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { API, nodeObject, type TestNode, TwoNodes, WEB } from './two-nodes/two-nodes.js';

/** One of its endpoints is the second node itself, one the first. */
const MIXED: ServiceOptions = {
  name: 'mixed',
  clusterIp: '10.96.0.11',
  ports: [{ name: 'http', port: 80, targetPort: 8080 }],
};
const HTTP = { protocol: 'tcp', address: WEB.clusterIp, port: 80 } as const;
const DNS = { protocol: 'udp', address: WEB.clusterIp, port: 53 } as const;
const APISERVER = { protocol: 'tcp', address: API.clusterIp, port: 443 } as const;

let both: TwoNodes;
const nodeAt = (index: number): TestNode => both.at(index);

const served = async (
  from: PodProcess,
  target: typeof HTTP | typeof DNS | typeof APISERVER,
  count: number,
) => {
  const { servers, failures, clientAddresses } = await from.spread(target, count);
  return { servers: Object.keys(servers).sort(), failures, clientAddresses };
};

describe('nodes whose data planes share a wire', () => {
  beforeAll(async () => {
    both = await TwoNodes.start(true);
  });
  afterAll(() => both?.stop());

  it("their kernels have no routes to each other's pods but those into the data plane", async () => {
    for (const { bed } of both.nodes)
      expect(await bed.node.must('ip', ['route', 'show', 'dev', 'eth0'])).not.toContain('10.244.');
  });

  it.each([
    [0, 1],
    [1, 0],
  ])('a pod of node %i reaches one of node %i, and is seen under its own address', async (from, to) => {
    const { client } = nodeAt(from);
    const target = { protocol: 'tcp', address: nodeAt(to).pod.ip, port: 8080 } as const;
    expect(await client.process.spread(target, 5)).toEqual({
      servers: { [nodeAt(to).pod.name]: 5 },
      failures: {},
      clientAddresses: [client.ip],
    });
    const ping = await client.namespace.must('ping', ['-c', '3', '-i', '0.1', '-W', '2', nodeAt(to).pod.ip]);
    expect(ping).toContain('3 received');
  });

  it.each([0, 1])('a service spreads clients on node %i over both nodes', spread);

  it.each([0, 1])('node %i itself reaches pods and services of both', async (index) => {
    const { host } = nodeAt(index);
    for (const { pod } of both.nodes) {
      const target = { protocol: 'tcp', address: pod.ip, port: 8080 } as const;
      expect((await host.spread(target, 5)).servers).toEqual({ [pod.name]: 5 });
    }
    for (const target of [HTTP, DNS]) {
      expect(await served(host, target, 60)).toMatchObject({ servers: ['pod-1', 'pod-2'], failures: {} });
    }
  });

  it('pods of both nodes reach an API server that is a node, and so do both nodes', async () => {
    for (const client of [
      nodeAt(0).client.process,
      nodeAt(1).client.process,
      nodeAt(0).host,
      nodeAt(1).host,
    ]) {
      expect(await served(client, APISERVER, 5)).toMatchObject({ servers: ['host-2'], failures: {} });
    }
  });

  it('a node reaches a service whose endpoints are both nodes and pods of both', mixed);

  it('a node that leaves takes its routes along', async () => {
    const { bed } = nodeAt(0);
    bed.apply('nodes.yaml', [nodeObject(1)]);
    await eventually('the route is gone', async () => {
      const routes = await bed.node.must('ip', ['route', 'show', 'dev', 'P4TAP_0']);
      return !routes.includes('10.244.2.0/24') || undefined;
    });
    await bed.inSync();
    const target = { protocol: 'tcp', address: nodeAt(1).pod.ip, port: 8080 } as const;
    expect((await nodeAt(0).client.process.spread(target, 1, 500)).servers).toEqual({});
  });
});

describe('nodes whose kernels forward to each other', () => {
  beforeAll(async () => {
    both = await TwoNodes.start(false);
  });
  afterAll(() => both?.stop());

  it.each([0, 1])('a service spreads clients on node %i over both nodes', spread);

  it('pods reach an API server that is a node, and each node the pods of the other', async () => {
    for (const { client } of both.nodes) {
      expect(await served(client.process, APISERVER, 5)).toMatchObject({ servers: ['host-2'], failures: {} });
    }
    const target = { protocol: 'tcp', address: nodeAt(1).pod.ip, port: 8080 } as const;
    expect((await nodeAt(0).host.spread(target, 5)).servers).toEqual({ 'pod-2': 5 });
  });

  it.each([0, 1])('node %i itself reaches services with endpoints on both', async (index) => {
    for (const target of [HTTP, DNS]) {
      expect(await served(nodeAt(index).host, target, 60)).toMatchObject({
        servers: ['pod-1', 'pod-2'],
        failures: {},
      });
    }
    expect(await served(nodeAt(index).host, APISERVER, 5)).toMatchObject({
      servers: ['host-2'],
      failures: {},
    });
  });

  it('a node reaches a service whose endpoints are both nodes and pods of both', mixed);

  it('a node that leaves takes its routes along', async () => {
    const { bed } = nodeAt(0);
    bed.apply('nodes.yaml', [nodeObject(1)]);
    await eventually('the route is gone', async () => {
      return (await bed.node.must('ip', ['route', 'show', '10.244.2.0/24'])) === '' || undefined;
    });
  });
});

async function spread(index: number): Promise<void> {
  const { client } = nodeAt(index);
  for (const target of [HTTP, DNS]) {
    expect(await served(client.process, target, 60)).toEqual({
      servers: ['pod-1', 'pod-2'],
      failures: {},
      clientAddresses: [client.ip],
    });
  }
}

async function mixed(): Promise<void> {
  const endpoints = both.nodes.flatMap(({ pod, address }) => [pod, { ip: address }]);
  for (const { host } of both.nodes) await host.serve('tcp', 8080);
  await both.apply('mixed.yaml', [service(MIXED), endpointSlice(MIXED, endpoints)]);
  for (const { bed } of both.nodes) await serviceBalanced(bed, MIXED, endpoints);
  const target = { protocol: 'tcp', address: MIXED.clusterIp, port: 80 } as const;
  for (const { host, client } of both.nodes)
    for (const process of [host, client.process]) {
      const { servers, failures } = await process.spread(target, 100);
      expect(failures).toEqual({});
      expect(Object.keys(servers).sort()).toEqual(['host-1', 'host-2', 'pod-1', 'pod-2']);
    }
}
