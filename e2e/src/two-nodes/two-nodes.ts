import {
  endpointSlice,
  eventually,
  PodProcess,
  type ServiceOptions,
  service,
  serviceBalanced,
  Testbed,
  type TestPod,
  Wire,
} from '@infra-offload/testbed';

/** One of two nodes on one wire, each with a data plane of its own. */
export interface TestNode {
  readonly bed: Testbed;
  readonly address: string;
  readonly client: TestPod;
  /** Serves. */
  readonly pod: TestPod;
  /** Serves and asks from the node itself, as pods with hostNetwork do. */
  readonly host: PodProcess;
}

export const WEB: ServiceOptions = {
  name: 'web',
  clusterIp: '10.96.0.10',
  ports: [
    { name: 'http', port: 80, targetPort: 8080 },
    { name: 'dns', port: 53, targetPort: 5353, protocol: 'UDP' },
  ],
};
/** Its endpoint is the second node itself, as the API server's is a control plane node. */
export const API: ServiceOptions = {
  name: 'kubernetes',
  clusterIp: '10.96.0.1',
  ports: [{ name: 'https', port: 443, targetPort: 16443 }],
};

const UPLINK = 'P4TAP_4';

export function nodeObject(number: number) {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `node-${number}` },
    spec: { podCIDR: `10.244.${number}.0/24`, podCIDRs: [`10.244.${number}.0/24`] },
    status: { addresses: [{ type: 'InternalIP', address: `192.0.2.${number}` }] },
  };
}

/** Two nodes, whose API servers say the same. */
export class TwoNodes {
  readonly nodes: TestNode[] = [];

  private constructor(readonly wire: Wire) {}

  /**
   * With services `web`, which has a pod of each node, and `kubernetes`. Whoever calls this calls `stop` in the end.
   *
   * @param isPlugged whether data planes are on the wire, or only kernels.
   */
  static async start(isPlugged: boolean): Promise<TwoNodes> {
    const both = new TwoNodes(await Wire.create());
    try {
      for (const number of [1, 2]) both.nodes.push(await both.#start(number, isPlugged));
      const pods = both.nodes.map(({ pod }) => pod);
      await both.apply('services.yaml', [
        ...[service(WEB), endpointSlice(WEB, pods)],
        ...[service(API), endpointSlice(API, [{ ip: both.at(1).address }])],
      ]);
      for (const { bed } of both.nodes) await serviceBalanced(bed, WEB, pods);
      for (const [index, { bed }] of both.nodes.entries()) {
        const remote = `10.244.${2 - index}.0/24`;
        const via = isPlugged ? 'dev P4TAP_0' : `via 192.0.2.${2 - index}`;
        await eventually(`node ${index + 1} has a route to the pods of the other`, async () => {
          const routes = await bed.node.must('ip', ['route', 'show', remote]);
          return isPlugged ? routes.includes('P4TAP_0') || undefined : routes.includes(via) || undefined;
        });
        await bed.inSync();
      }
      return both;
    } catch (error) {
      await both.stop();
      throw error;
    }
  }

  at(index: number): TestNode {
    const node = this.nodes[index];
    if (node === undefined) throw new Error(`there is no node ${index + 1}`);
    return node;
  }

  /** Gives both the same manifests, and waits until they are in force. */
  async apply(file: string, manifests: readonly object[]): Promise<void> {
    for (const { bed } of this.nodes) bed.apply(file, manifests);
    for (const { bed } of this.nodes) await bed.inSync();
  }

  async stop(): Promise<void> {
    for (const { bed, host } of this.nodes.splice(0)) {
      await host.stop();
      await bed.stop();
    }
    await this.wire.remove();
  }

  async #start(number: number, isPlugged: boolean): Promise<TestNode> {
    const address = `192.0.2.${number}`;
    const bed = await Testbed.create({
      source: 'api',
      tapCount: 5,
      podCidr: `10.244.${number}.0/24`,
      agent: {
        nodeName: `node-${number}`,
        podCidrs: undefined,
        hostInterface: undefined,
        ...(isPlugged ? { uplink: { interface: UPLINK } } : {}),
      },
      manifests: { 'nodes.yaml': [nodeObject(1), nodeObject(2)] },
    });
    try {
      await this.wire.connect(bed.node, `${address}/24`);
      await bed.startAll();
      if (isPlugged) {
        const [link] = JSON.parse(await bed.node.must('ip', ['-json', 'link', 'show', 'P4TAP_0']));
        await this.wire.plug(bed.node, UPLINK, link.address);
      }
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
}
