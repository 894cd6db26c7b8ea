import { randomBytes } from 'node:crypto';
import { NetworkNamespace, run } from '@infra-offload/testbed';
import { addMachines, DEFAULT_ROUTE, ip } from '../machines.js';
import { isAllowed } from '../policies.js';
import { type Actor, type Endpoint, POD_NAMES, type PodName, type Policy } from '../scenario.js';
import {
  actorAt,
  addressesOf,
  allDone,
  GATEWAY,
  type Lane,
  type LaneAddresses,
  NODE_ADDRESS,
  POD_CIDR,
  type ServiceState,
  Sockets,
  type World,
} from '../world.js';
import { endFlows } from './conntrack.js';
import { nodeRules } from './node-rules.js';
import { policyRules } from './policy-rules.js';
import { serviceRules } from './service-rules.js';

/** As kube-proxy sets them; and what has been ended stays so: TCP without SYN begins no flow. */
const CONNTRACK = [
  'net.netfilter.nf_conntrack_tcp_loose=0',
  'net.netfilter.nf_conntrack_tcp_timeout_established=86400',
  'net.netfilter.nf_conntrack_tcp_timeout_close_wait=3600',
];
const ROUTER = [
  'net.ipv4.ip_forward=1',
  'net.ipv4.conf.all.rp_filter=0',
  'net.ipv4.conf.default.rp_filter=0',
  'net.ipv4.conf.all.send_redirects=0',
  'net.ipv4.conf.default.send_redirects=0',
  'net.ipv4.icmp_ratelimit=0',
];

/** Linux as a node with kube-proxy: a namespace that routes between pods, with netfilter's connection tracking. */
export class KernelWorld implements World {
  readonly name = 'kernel';
  readonly lanes: KernelLane[] = [];
  readonly #namespaces: NetworkNamespace[] = [];
  readonly #id = randomBytes(3).toString('hex');

  /** Whoever calls this calls `stop` in the end. */
  static async start(lanes: number): Promise<KernelWorld> {
    const world = new KernelWorld();
    try {
      await world.#start(lanes);
      return world;
    } catch (error) {
      await world.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane.stop()));
    await Promise.all(this.#namespaces.map((namespace) => namespace.remove()));
  }

  async #start(count: number): Promise<void> {
    const node = await NetworkNamespace.create(`iof-${this.#id}-router`);
    this.#namespaces.push(node);
    await node.must('sysctl', ['-q', ...ROUTER]);
    // Of link scope, so that nothing is masqueraded with it.
    await ip(node, `address add ${NODE_ADDRESS}/32 dev lo`, `address add ${GATEWAY}/32 dev lo scope link`);
    await ip(node, `route add blackhole ${POD_CIDR}`);
    const lanes = Array.from({ length: count }, (_, index) => new KernelLane(index, this.#id, node));
    this.lanes.push(...lanes);
    const others: ReadonlyMap<Actor, NetworkNamespace>[] = [];
    for (const { index, addresses } of lanes)
      others.push(await addMachines(node, index, addresses, (namespace) => this.#namespaces.push(namespace)));
    await ip(node, DEFAULT_ROUTE);
    await node.must('nft', ['-f', '-'], { input: nodeRules(lanes.map(({ addresses }) => addresses)) });
    await node.must('sysctl', ['-q', ...CONNTRACK]);
    await allDone(lanes.map((lane, index) => lane.start(others[index] ?? new Map())));
  }
}

class KernelLane implements Lane {
  readonly #id: string;
  readonly #node: NetworkNamespace;
  readonly addresses: LaneAddresses;
  readonly sockets = new Sockets();
  readonly #pods = new Map<PodName, NetworkNamespace>();
  #endpoints: readonly Endpoint[] = [];

  constructor(
    readonly index: number,
    id: string,
    node: NetworkNamespace,
  ) {
    this.#id = id;
    this.#node = node;
    this.addresses = addressesOf(index);
  }

  /** @param machines beside the node */
  async start(machines: ReadonlyMap<Actor, NetworkNamespace>): Promise<void> {
    await this.sockets.start('node', this.#node, this.index === 0);
    for (const [actor, namespace] of machines) await this.sockets.start(actor, namespace);
    for (const pod of POD_NAMES) await this.#addPod(pod);
  }

  address = (actor: Actor): string => {
    if (actor === 'node') return NODE_ADDRESS;
    if (actor === 'outside' || actor === 'far') return this.addresses[actor].address;
    return `10.244.0.${10 + this.index * POD_NAMES.length + POD_NAMES.indexOf(actor)}`;
  };

  async setService(service: ServiceState): Promise<void> {
    const { endpoints } = service;
    await this.#nft(serviceRules(this, service));
    // kube-proxy: UDP flows of endpoints that have left end. TCP connections go on.
    const left = this.#endpoints.filter((endpoint) => !endpoints.includes(endpoint));
    const gone = new Set(left.map(this.address));
    const { clusterIP, externalIP, balancer, nodePorts } = this.addresses;
    const own = [clusterIP, externalIP, balancer];
    if (gone.size > 0)
      await endFlows(this.#node, ({ protocol, to, port, server }) => {
        return protocol === 'udp' && gone.has(server) && (own.includes(to) || port === nodePorts.udp);
      });
    this.#endpoints = endpoints;
  }

  async setPolicies(policies: readonly Policy[], change: 'cut' | 'keep'): Promise<void> {
    await this.#nft(policyRules(this.index, policies, this.address));
    if (change === 'cut' && policies.length > 0)
      await endFlows(this.#node, ({ protocol, client, server }) => {
        const from = actorAt(this, client);
        const to = actorAt(this, server);
        return from !== undefined && to !== undefined && !isAllowed(policies, from, to, protocol);
      });
  }

  async replace(pod: PodName): Promise<void> {
    await this.#removePod(pod);
    await this.#addPod(pod);
  }

  async stop(): Promise<void> {
    await this.sockets.stopAll();
    for (const pod of this.#pods.keys()) await this.#removePod(pod);
  }

  async #addPod(pod: PodName): Promise<void> {
    const namespace = await NetworkNamespace.create(`iof-${this.#id}-k${this.index}-${pod}`);
    this.#pods.set(pod, namespace);
    const far = this.#interface(pod);
    const address = this.address(pod);
    await ip(this.#node, `link add ${far} type veth peer name eth0 netns ${namespace.name}`);
    await ip(this.#node, `link set ${far} up`, `route add ${address}/32 dev ${far} scope link`);
    await ip(namespace, `address add ${address}/32 dev eth0`, 'link set eth0 up');
    await ip(
      namespace,
      `route add ${GATEWAY} dev eth0 scope link`,
      `route add default via ${GATEWAY} dev eth0`,
    );
    await this.sockets.start(pod, namespace);
  }

  async #removePod(pod: PodName): Promise<void> {
    await this.sockets.stop(pod);
    await run('ip', ['-n', this.#node.name, 'link', 'delete', this.#interface(pod)]);
    await this.#pods.get(pod)?.remove();
    this.#pods.delete(pod);
  }

  #interface(pod: PodName): string {
    return `k${this.index}-${pod}`;
  }

  async #nft(input: string): Promise<void> {
    await this.#node.must('nft', ['-f', '-'], { input: `${input}\n` });
  }
}
