import { isDeepStrictEqual } from 'node:util';
import { ObjectKind, ObjectState } from '@infra-offload/infra-api';
import { eventually, type NetworkNamespace, Testbed, type TestPod } from '@infra-offload/testbed';
import { addMachines, DEFAULT_ROUTE, ip } from '../machines.js';
import { type Actor, POD_NAMES, type PodName, type Policy } from '../scenario.js';
import {
  addressesOf,
  allDone,
  FAR_POD_CIDR,
  type Lane,
  type LaneAddresses,
  NODE_ADDRESS,
  type ServiceState,
  Sockets,
  type World,
} from '../world.js';
import { laneObjects, nameOfPolicy, namespaceOf, SERVICE } from './objects.js';
import { serviceObjects } from './service-objects.js';

/** Our node: softswitch (TARGET says whether with the engine or DPDK), manager and agent, pods attached through CNI. */
export class PipelineWorld implements World {
  readonly #bed: Testbed;
  readonly lanes: PipelineLane[] = [];
  readonly #namespaces: NetworkNamespace[] = [];

  private constructor(
    readonly name: string,
    bed: Testbed,
  ) {
    this.#bed = bed;
  }

  /** Whoever calls this calls `stop` in the end. */
  static async start(count: number): Promise<PipelineWorld> {
    const bed = await Testbed.start({
      tapCount: 1 + count * POD_NAMES.length,
      agent: { masquerade: { exemptCidrs: [FAR_POD_CIDR] } },
    });
    const world = new PipelineWorld(process.env.TARGET ?? 'engine', bed);
    try {
      await world.#start(count);
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane.stop()));
    await this.#bed.stop();
    await Promise.all(this.#namespaces.map((namespace) => namespace.remove()));
  }

  async #start(count: number): Promise<void> {
    const { node } = this.#bed;
    this.lanes.push(...Array.from({ length: count }, (_, index) => new PipelineLane(index, this.#bed)));
    const others: ReadonlyMap<Actor, NetworkNamespace>[] = [];
    for (const { index, addresses } of this.lanes)
      others.push(await addMachines(node, index, addresses, (namespace) => this.#namespaces.push(namespace)));
    await ip(node, DEFAULT_ROUTE);
    await node.must('sysctl', ['-q', 'net.ipv4.ip_forward=1', 'net.ipv4.icmp_ratelimit=0']);
    await allDone(this.lanes.map((lane, index) => lane.start(others[index] ?? new Map())));
  }
}

const NO_SERVICE: ServiceState = {
  endpoints: [],
  externalTrafficPolicy: 'Cluster',
  internalTrafficPolicy: 'Cluster',
  sources: [],
  masqueradesAll: false,
};

class PipelineLane implements Lane {
  readonly #bed: Testbed;
  readonly addresses: LaneAddresses;
  readonly sockets = new Sockets();
  readonly #pods = new Map<PodName, TestPod>();
  #service: ServiceState = NO_SERVICE;
  #policies: readonly Policy[] = [];
  /** Counts, so that every set of policies has names of its own. */
  #revision = 0;

  constructor(
    readonly index: number,
    bed: Testbed,
  ) {
    this.#bed = bed;
    this.addresses = addressesOf(index);
  }

  /** @param machines beside the node */
  async start(machines: ReadonlyMap<Actor, NetworkNamespace>): Promise<void> {
    await this.sockets.start('node', this.#bed.node, this.index === 0);
    for (const [actor, namespace] of machines) await this.sockets.start(actor, namespace);
    for (const pod of POD_NAMES) await this.#addPod(pod);
    this.#apply();
    await this.#isInForce();
  }

  address(actor: Actor): string {
    if (actor === 'node') return NODE_ADDRESS;
    if (actor === 'outside' || actor === 'far') return this.addresses[actor].address;
    const pod = this.#pods.get(actor);
    if (!pod) throw new Error(`there is no ${actor}`);
    return pod.ip;
  }

  async setService(service: ServiceState): Promise<void> {
    const state = { ...service, masqueradesAll: false };
    if (isDeepStrictEqual(state, this.#service)) return;
    this.#service = state;
    this.#apply();
    await this.#isInForce();
  }

  /** Waits until manager, target and kernel have the service as it is. */
  async #isInForce(): Promise<void> {
    const wanted = serviceObjects(this.#service);
    for (const [name, protocol] of [
      ['tcp', 'TCP'],
      ['udp', 'UDP'],
    ] as const) {
      const nameOf = (suffix: string) => `${namespaceOf(this.index)}/${SERVICE}:${name}${suffix}/${protocol}`;
      for (const { suffix, endpoints, isElsewhere } of wanted) {
        await this.#bed.balanced(
          nameOf(suffix),
          endpoints.map((endpoint) => this.address(endpoint)),
        );
        if (endpoints.length === 0)
          await eventually(`${nameOf(suffix)} knows of other nodes`, async () => {
            const { reason } = (await this.#bed.client.serviceState(nameOf(suffix))) ?? {};
            return (reason === 'NoLocalEndpoints') === isElsewhere || undefined;
          });
      }
      for (const suffix of ['.external', '.external.pods'])
        if (wanted.every((object) => object.suffix !== suffix))
          await eventually(`${nameOf(suffix)} is gone`, async () => {
            return (await this.#bed.client.serviceState(nameOf(suffix))) === undefined || undefined;
          });
    }
    await this.#kernelIsInForce();
    await this.#bed.inSync();
  }

  /** What is up to the node's kernel: source ranges of load balancers, and where clients on the node are sent. */
  async #kernelIsInForce(): Promise<void> {
    const { balancer, nodePorts } = this.addresses;
    const sources = this.#service.sources.map((source) => this.address(source));
    // As whoever has the address of a load balancer itself.
    if (this.#service.sources.includes('node')) sources.push(balancer);
    const isApart = this.#service.externalTrafficPolicy === 'Local';
    await eventually(`the kernel has the service of lane ${this.index}`, async () => {
      const rules = await this.#bed.node.must('nft', ['list', 'table', 'ip', 'infra-offload']);
      return (
        (['tcp', 'udp'] as const).every((protocol) => {
          const ranges = new RegExp(`${balancer} \\. ${protocol} \\. \\d+ \\. ([\\d.]+)`, 'g');
          const found = [...rules.matchAll(ranges)].map(([, source = '']) => source);
          const inside = new RegExp(`${protocol} \\. ${nodePorts[protocol]} : \\d+`);
          return found.sort().join() === sources.sort().join() && inside.test(rules) === isApart;
        }) || undefined
      );
    });
  }

  /** Flows that policies deny by now end, as is the manager's default. */
  async setPolicies(policies: readonly Policy[]): Promise<void> {
    if (policies.length === 0 && this.#policies.length === 0) return;
    this.#policies = policies;
    this.#revision += 1;
    this.#apply();
    const prefix = `${namespaceOf(this.index)}/`;
    const wanted = policies.map((_, index) => prefix + nameOfPolicy(this.#revision, index)).sort();
    await eventually(`policies ${wanted.join()} are in force, and no others`, async () => {
      const { target, pending, objects } = await this.#bed.client.status(true);
      const found = objects
        .filter(({ object }) => object?.kind === ObjectKind.OBJECT_KIND_NETWORK_POLICY)
        .filter(({ object }) => object?.name.startsWith(prefix));
      const programmed = found.every(({ state }) => state === ObjectState.OBJECT_STATE_PROGRAMMED);
      const names = found.map(({ object }) => object?.name).sort();
      return (names.join() === wanted.join() && programmed && target?.inSync && pending === 0) || undefined;
    });
  }

  async replace(pod: PodName): Promise<void> {
    const before = this.#pods.get(pod);
    if (!before) throw new Error(`there is no ${pod}`);
    await this.sockets.stop(pod);
    await this.#bed.removePod(before);
    this.#pods.delete(pod);
    await this.#addPod(pod, before.ip);
    await this.#bed.inSync();
  }

  stop(): Promise<void> {
    return this.sockets.stopAll();
  }

  async #addPod(name: PodName, ip?: string): Promise<void> {
    const pod = await this.#bed.addPod(`${this.index}-${name}`, {
      podNamespace: namespaceOf(this.index),
      podName: name,
      ...(ip === undefined ? {} : { ip }),
    });
    this.#pods.set(name, pod);
    await this.sockets.start(name, pod.namespace);
  }

  #apply(): void {
    this.#bed.apply(
      `${namespaceOf(this.index)}.yaml`,
      laneObjects({
        lane: this.index,
        addresses: this.addresses,
        pods: new Map([...this.#pods].map(([name, { ip }]) => [name, ip])),
        service: this.#service,
        policies: this.#policies,
        revision: this.#revision,
      }),
    );
  }
}
