import { randomBytes } from 'node:crypto';
import { NetworkNamespace, run } from '@infra-offload/testbed';
import { isAllowed } from '../policies.js';
import { type Actor, POD_NAMES, type PodName, type Policy } from '../scenario.js';
import {
  allDone,
  GATEWAY,
  type Lane,
  NODE_ADDRESS,
  OUTSIDE,
  POD_CIDR,
  podAt,
  Sockets,
  serviceAddress,
  type World,
} from '../world.js';
import { endFlows } from './conntrack.js';
import { endpointRules, nodeRules, policyRules } from './ruleset.js';

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
    const node = await this.#namespace('router');
    await node.must('sysctl', ['-q', ...ROUTER]);
    // Of link scope, so that nothing is masqueraded with it.
    await ip(node, `address add ${NODE_ADDRESS}/32 dev lo`, `address add ${GATEWAY}/32 dev lo scope link`);
    await ip(node, `route add blackhole ${POD_CIDR}`);
    const outside = await this.#namespace('outside');
    await ip(node, `link add outside type veth peer name eth0 netns ${outside.name}`);
    await ip(node, `address add ${OUTSIDE.gateway}/24 dev outside`, 'link set outside up');
    await ip(outside, `address add ${OUTSIDE.address}/24 dev eth0`, 'link set eth0 up');
    await ip(outside, `route add default via ${OUTSIDE.gateway}`);
    await ip(node, `route add default via ${OUTSIDE.address} src ${NODE_ADDRESS}`);
    const services = Array.from({ length: count }, (_, lane) => serviceAddress(lane));
    await node.must('nft', ['-f', '-'], { input: nodeRules(services) });
    await node.must('sysctl', ['-q', ...CONNTRACK]);
    const lanes = services.map((_, index) => new KernelLane(index, this.#id, node));
    this.lanes.push(...lanes);
    const others = new Map<Actor, NetworkNamespace>([
      ['node', node],
      ['outside', outside],
    ]);
    await allDone(lanes.map((lane) => lane.start(lane.index === 0 ? others : new Map())));
  }

  async #namespace(name: string): Promise<NetworkNamespace> {
    const namespace = await NetworkNamespace.create(`iof-${this.#id}-${name}`);
    this.#namespaces.push(namespace);
    return namespace;
  }
}

class KernelLane implements Lane {
  readonly #id: string;
  readonly #node: NetworkNamespace;
  readonly service: string;
  readonly sockets = new Sockets();
  readonly #pods = new Map<PodName, NetworkNamespace>();
  #endpoints: readonly PodName[] = [];

  constructor(
    readonly index: number,
    id: string,
    node: NetworkNamespace,
  ) {
    this.#id = id;
    this.#node = node;
    this.service = serviceAddress(index);
  }

  /** @param others who is in this lane beside the pods */
  async start(others: ReadonlyMap<Actor, NetworkNamespace>): Promise<void> {
    for (const [actor, namespace] of others) await this.sockets.start(actor, namespace);
    for (const pod of POD_NAMES) await this.#addPod(pod);
  }

  address = (pod: Actor): string => {
    if (pod === 'node') return NODE_ADDRESS;
    if (pod === 'outside') return OUTSIDE.address;
    return `10.244.0.${10 + this.index * POD_NAMES.length + POD_NAMES.indexOf(pod)}`;
  };

  async setEndpoints(pods: readonly PodName[]): Promise<void> {
    await this.#nft(endpointRules(this.index, pods, this.address));
    // kube-proxy: UDP flows of endpoints that have left end. TCP connections go on.
    const left = this.#endpoints.filter((pod) => !pods.includes(pod));
    const gone = new Set(left.map(this.address));
    if (gone.size > 0)
      await endFlows(this.#node, ({ protocol, to, server }) => {
        return protocol === 'udp' && to === this.service && gone.has(server);
      });
    this.#endpoints = pods;
  }

  async setPolicies(policies: readonly Policy[], change: 'cut' | 'keep'): Promise<void> {
    await this.#nft(policyRules(this.index, policies, this.address));
    if (change === 'cut' && policies.length > 0)
      await endFlows(this.#node, ({ protocol, client, server }) => {
        const from = podAt(this, client);
        const to = podAt(this, server);
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

async function ip(namespace: NetworkNamespace, ...commands: readonly string[]): Promise<void> {
  for (const command of commands) await namespace.must('ip', command.split(' '));
}
