import {
  endpointSlice,
  eventually,
  PodProcess,
  type ServiceOptions,
  service,
  Testbed,
  type TestPod,
  Wire,
} from '@infra-offload/testbed';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Two nodes on one wire, each with a data plane of its own. */
interface TestNode {
  readonly bed: Testbed;
  readonly address: string;
  readonly client: TestPod;
  /** Serves. */
  readonly pod: TestPod;
  /** Serves and asks from the node itself, as pods with hostNetwork do. */
  readonly host: PodProcess;
}

const WEB: ServiceOptions = {
  name: 'web',
  clusterIp: '10.96.0.10',
  ports: [
    { name: 'http', port: 80, targetPort: 8080 },
    { name: 'dns', port: 53, targetPort: 5353, protocol: 'UDP' },
  ],
};
/** Its endpoint is the second node itself, as the API server's is a control plane node. */
const API: ServiceOptions = {
  name: 'kubernetes',
  clusterIp: '10.96.0.1',
  ports: [{ name: 'https', port: 443, targetPort: 16443 }],
};
/** One of its endpoints is the second node itself. */
const MIXED: ServiceOptions = {
  name: 'mixed',
  clusterIp: '10.96.0.11',
  ports: [{ name: 'http', port: 80, targetPort: 8080 }],
};
const HTTP = { protocol: 'tcp', address: WEB.clusterIp, port: 80 } as const;
const DNS = { protocol: 'udp', address: WEB.clusterIp, port: 53 } as const;
const APISERVER = { protocol: 'tcp', address: API.clusterIp, port: 443 } as const;

function nodeObject(number: number) {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `node-${number}` },
    spec: { podCIDR: `10.244.${number}.0/24`, podCIDRs: [`10.244.${number}.0/24`] },
    status: { addresses: [{ type: 'InternalIP', address: `192.0.2.${number}` }] },
  };
}

const UPLINK = 'P4TAP_4';
let wire: Wire;
const nodes: TestNode[] = [];

async function startNode(number: number, settings: object): Promise<TestNode> {
  const address = `192.0.2.${number}`;
  const bed = await Testbed.create({
    source: 'api',
    tapCount: 5,
    podCidr: `10.244.${number}.0/24`,
    agent: { nodeName: `node-${number}`, podCidrs: undefined, hostInterface: undefined, ...settings },
    manifests: { 'nodes.yaml': [nodeObject(1), nodeObject(2)] },
  });
  try {
    await wire.connect(bed.node, `${address}/24`);
    await bed.startAll();
    const client = await bed.addPod(`client-${number}`);
    const pod = await bed.addPod(`pod-${number}`);
    const host = PodProcess.start(`host-${number}`, bed.node);
    await pod.process.serve('tcp', 8080);
    await pod.process.serve('udp', 5353);
    await host.serve('tcp', 16443);
    return { bed, address, client, pod, host };
  } catch (error) {
    await bed.stop();
    throw error;
  }
}

async function startBoth(settings: object): Promise<void> {
  wire = await Wire.create();
  for (const number of [1, 2]) nodes.push(await startNode(number, settings));
  const endpoints = nodes.map(({ pod }) => ({ ip: pod.ip }));
  const manifests = [
    ...[service(WEB), endpointSlice(WEB, endpoints)],
    ...[service(API), endpointSlice(API, [{ ip: nodeAt(1).address }])],
  ];
  for (const { bed } of nodes) {
    bed.apply('services.yaml', manifests);
    await bed.balanced(
      'default/web:http/TCP',
      endpoints.map(({ ip }) => ip),
    );
    await bed.inSync();
  }
}

async function stopBoth(): Promise<void> {
  for (const { bed, host } of nodes.splice(0)) {
    await host.stop();
    await bed.stop();
  }
  await wire?.remove();
}

function nodeAt(index: number): TestNode {
  const node = nodes[index];
  if (node === undefined) throw new Error(`there is no node ${index + 1}`);
  return node;
}

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
    await startBoth({ uplink: { interface: UPLINK } });
    for (const { bed } of nodes) {
      const [link] = JSON.parse(await bed.node.must('ip', ['-json', 'link', 'show', 'P4TAP_0']));
      await wire.plug(bed.node, UPLINK, link.address);
    }
    for (const [index, { bed }] of nodes.entries()) {
      const remote = `10.244.${2 - index}.0/24`;
      await eventually(
        `node ${index + 1} has a route to the data plane of the other`,
        async () =>
          (await bed.node.must('ip', ['route', 'show', 'dev', 'P4TAP_0'])).includes(remote) || undefined,
      );
      await bed.inSync();
    }
  });
  afterAll(stopBoth);

  it('their kernels forward nothing', async () => {
    for (const { bed } of nodes) {
      expect((await bed.node.must('cat', ['/proc/sys/net/ipv4/ip_forward'])).trim()).toBe('0');
    }
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

  it.each([0, 1])('a service spreads clients on node %i over both nodes', async (index) => {
    const { client } = nodeAt(index);
    for (const target of [HTTP, DNS]) {
      expect(await served(client.process, target, 60)).toEqual({
        servers: ['pod-1', 'pod-2'],
        failures: {},
        clientAddresses: [client.ip],
      });
    }
  });

  it.each([0, 1])('node %i itself reaches pods and services of both', async (index) => {
    const { host } = nodeAt(index);
    for (const { pod } of nodes) {
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

  it('a node reaches a service whose endpoints are itself and pods of both nodes', async () => {
    const { bed, host, address } = nodeAt(1);
    await host.serve('tcp', 8080);
    const endpoints = [...nodes.map(({ pod }) => pod.ip), address];
    bed.apply('mixed.yaml', [
      service(MIXED),
      endpointSlice(
        MIXED,
        endpoints.map((ip) => ({ ip })),
      ),
    ]);
    await bed.balanced('default/mixed:http/TCP', endpoints);
    await eventually(
      'the route has a source of its own',
      async () =>
        (await bed.node.must('ip', ['route', 'show', MIXED.clusterIp])).includes(address) || undefined,
    );
    const target = { protocol: 'tcp', address: MIXED.clusterIp, port: 80 } as const;
    const { servers, failures } = await host.spread(target, 60);
    expect(failures).toEqual({});
    expect(Object.keys(servers).sort()).toEqual(['host-2', 'pod-1', 'pod-2']);
    bed.removeManifest('mixed.yaml');
    await eventually(
      'the route is gone',
      async () => (await bed.node.must('ip', ['route', 'show', MIXED.clusterIp])) === '' || undefined,
    );
  });

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
    await startBoth({});
    for (const [index, { bed }] of nodes.entries()) {
      const other = 2 - index;
      await bed.node.must('sysctl', ['-qw', 'net.ipv4.ip_forward=1']);
      await bed.node.must('ip', ['route', 'add', `10.244.${other}.0/24`, 'via', `192.0.2.${other}`]);
    }
  });
  afterAll(stopBoth);

  it.each([0, 1])('a service spreads clients on node %i over both nodes', async (index) => {
    const { client } = nodeAt(index);
    for (const target of [HTTP, DNS]) {
      expect(await served(client.process, target, 60)).toEqual({
        servers: ['pod-1', 'pod-2'],
        failures: {},
        clientAddresses: [client.ip],
      });
    }
  });

  it('pods reach an API server that is a node, and each node the pods of the other', async () => {
    for (const { client } of nodes) {
      expect(await served(client.process, APISERVER, 5)).toMatchObject({ servers: ['host-2'], failures: {} });
    }
    const target = { protocol: 'tcp', address: nodeAt(1).pod.ip, port: 8080 } as const;
    expect((await nodeAt(0).host.spread(target, 5)).servers).toEqual({ 'pod-2': 5 });
  });

  it('a node reaches itself through a service', async () => {
    expect(await served(nodeAt(1).host, APISERVER, 5)).toMatchObject({ servers: ['host-2'], failures: {} });
  });
});
