import type { TraceRequest, TraceResponse } from '@infra-offload/infra-api';
import { ipv4, ipv4Prefix, mac } from '@infra-offload/net';
import type { Driver } from '../drivers/driver.js';
import { type FlowSession, Flows } from '../server/flows.js';
import { Tracer } from '../server/trace/tracer.js';
import { aNode, aPod, Core, coreDriver } from './core.js';

/** A node with three pods, a route to another node, and one to outside; questions about its packets. */
export class TracedNode {
  readonly core = new Core();
  /** What the target tells of itself; nothing while undefined. */
  session: FlowSession | undefined;

  static async create(): Promise<TracedNode> {
    const node = new TracedNode();
    const { core } = node;
    core.controller.upsert(
      aNode({
        uplinkInterface: 'mem9',
        routes: [route('10.244.2.0', 24, false), { ...route('0.0.0.0', 0, true), source: ipv4('192.0.2.1') }],
      }),
    );
    for (const i of [1, 2, 3]) core.controller.upsert(aPod(i));
    core.tellPorts('mem0', 'mem1', 'mem2', 'mem3', 'mem9');
    await core.attach();
    return node;
  }

  stop(): void {
    this.core.stop();
  }

  tracer(driver: Driver<ReturnType<typeof coreDriver.base>[number]> = coreDriver) {
    const { controller, reconciler } = this.core;
    const flows = new Flows({ driver, controller, session: () => this.session });
    return new Tracer({ driver, controller, reconciler, flows });
  }

  /** Asks about a packet of the first pod, unless the rest of the question says otherwise. */
  ask(to: string, more: Partial<TraceRequest> = {}): Promise<TraceResponse> {
    const question = { from: 'default/pod-1', to, port: 0, protocol: 0, sourcePort: 0, ...more };
    return this.tracer().trace(question);
  }

  /** Has these objects in force. */
  async want(...objects: readonly Parameters<Core['controller']['upsert']>[0][]): Promise<void> {
    for (const object of objects) this.core.controller.upsert(object);
    await this.core.settled();
  }
}

const route = (cidr: string, length: number, masquerade: boolean) => ({
  cidr: ipv4Prefix(ipv4(cidr), length),
  interfaceName: 'mem9',
  nextHopMac: mac(0x0200_0000_0900),
  sourceMac: mac(0x0200_0000_0901),
  masquerade,
});

/** What the steps of an answer say. */
export const textsOf = ({ steps }: TraceResponse): string[] => steps.map(({ text }) => text);
