import { randomBytes } from 'node:crypto';
import { ObjectKind, ObjectState } from '@infra-offload/infra-api';
import { eventually, NetworkNamespace, Testbed, type TestPod } from '@infra-offload/testbed';
import { type Actor, POD_NAMES, type PodName, type Policy } from '../scenario.js';
import { allDone, type Lane, NODE_ADDRESS, OUTSIDE, Sockets, serviceAddress, type World } from '../world.js';
import { laneObjects, nameOfPolicy, namespaceOf, SERVICE } from './objects.js';

/** Our node: softswitch (TARGET says whether with the engine or DPDK), manager and agent, pods attached through CNI. */
export class PipelineWorld implements World {
  readonly #bed: Testbed;
  readonly lanes: PipelineLane[] = [];
  #outside: NetworkNamespace | undefined;

  private constructor(
    readonly name: string,
    bed: Testbed,
  ) {
    this.#bed = bed;
  }

  /** Whoever calls this calls `stop` in the end. */
  static async start(count: number): Promise<PipelineWorld> {
    const bed = await Testbed.start({ tapCount: 1 + count * POD_NAMES.length });
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
    await this.#outside?.remove();
  }

  async #start(count: number): Promise<void> {
    const { node } = this.#bed;
    const outside = await NetworkNamespace.create(`iof-${randomBytes(3).toString('hex')}-outside`);
    this.#outside = outside;
    for (const [namespace, commands] of [
      [node, [`link add outside type veth peer name eth0 netns ${outside.name}`]],
      [node, [`address add ${OUTSIDE.gateway}/24 dev outside`, 'link set outside up']],
      [outside, [`address add ${OUTSIDE.address}/24 dev eth0`, 'link set eth0 up']],
      [outside, [`route add default via ${OUTSIDE.gateway}`]],
    ] as const)
      for (const command of commands) await namespace.must('ip', command.split(' '));
    await node.must('sysctl', ['-q', 'net.ipv4.ip_forward=1']);
    const others = new Map<Actor, NetworkNamespace>([
      ['node', node],
      ['outside', outside],
    ]);
    this.lanes.push(...Array.from({ length: count }, (_, index) => new PipelineLane(index, this.#bed)));
    await allDone(this.lanes.map((lane) => lane.start(lane.index === 0 ? others : new Map())));
  }
}

class PipelineLane implements Lane {
  readonly #bed: Testbed;
  readonly service: string;
  readonly sockets = new Sockets();
  readonly #pods = new Map<PodName, TestPod>();
  #endpoints: readonly PodName[] | undefined;
  #policies: readonly Policy[] = [];
  /** Counts, so that every set of policies has names of its own. */
  #revision = 0;

  constructor(
    readonly index: number,
    bed: Testbed,
  ) {
    this.#bed = bed;
    this.service = serviceAddress(index);
  }

  /** @param others who is in this lane beside the pods */
  async start(others: ReadonlyMap<Actor, NetworkNamespace>): Promise<void> {
    for (const [actor, namespace] of others) await this.sockets.start(actor, namespace);
    for (const pod of POD_NAMES) await this.#addPod(pod);
    await this.setEndpoints([]);
  }

  address(actor: Actor): string {
    if (actor === 'node') return NODE_ADDRESS;
    if (actor === 'outside') return OUTSIDE.address;
    const pod = this.#pods.get(actor);
    if (!pod) throw new Error(`there is no ${actor}`);
    return pod.ip;
  }

  async setEndpoints(pods: readonly PodName[]): Promise<void> {
    if (pods.join() === this.#endpoints?.join()) return;
    this.#endpoints = pods;
    this.#apply();
    const addresses = pods.map((pod) => this.address(pod));
    for (const port of ['tcp/TCP', 'udp/UDP'])
      await this.#bed.balanced(`${namespaceOf(this.index)}/${SERVICE}:${port}`, addresses);
    await this.#bed.inSync();
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
        clusterIp: this.service,
        pods: new Map([...this.#pods].map(([name, { ip }]) => [name, ip])),
        endpoints: this.#endpoints ?? [],
        policies: this.#policies,
        revision: this.#revision,
      }),
    );
  }
}
