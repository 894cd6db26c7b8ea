import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { NodeFacts } from './cluster-nodes.js';
import { kernelNeighbours, type Neighbours } from './neighbours.js';

export interface HostGatewayOptions {
  readonly logger: Logger;
  readonly neighbours?: Neighbours;
  /** How long a neighbour may take to answer. */
  readonly answerMs?: number;
}

/** How one range of another node is reached through the uplink. */
export interface RemoteRange {
  readonly cidr: string;
  readonly nextHopMac: string;
  /** Whether the next hop is the node's data plane, so that answers to this node come to ours. */
  readonly isDataPlane: boolean;
}

/**
 * Finds the next hops to other nodes on the uplink's link. A node whose data plane has an uplink, too, answers ARP for
 * `inPodRange.dataPlane`; of one that has none, the kernel answers for the internal address, and forwards to its pods.
 */
export class HostGateway {
  readonly #logger: Logger;
  readonly #neighbours: Neighbours;
  readonly #answerMs: number;
  /** Nodes without a MAC address, so that each is logged once. */
  #unresolved: ReadonlySet<string> = new Set();

  constructor({ logger, neighbours = kernelNeighbours, answerMs = 200 }: HostGatewayOptions) {
    this.#logger = logger;
    this.#neighbours = neighbours;
    this.#answerMs = answerMs;
  }

  /**
   * The pod ranges of every node that answers, and the internal addresses of those whose data plane does; other nodes are
   * left to the kernel.
   */
  async ranges(nodes: readonly NodeFacts[], own: NodeFacts | undefined): Promise<RemoteRange[]> {
    const wanted = nodes.filter(({ podCidrs }) => podCidrs.length > 0);
    const known = await this.#resolve(wanted, own?.internalAddresses ?? []);
    const unresolved = new Set<string>();
    const ranges = wanted.flatMap((node): RemoteRange[] => {
      const { name, podCidrs, internalAddresses, inPodRange } = node;
      const dataPlane = inPodRange && known.get(inPodRange.dataPlane);
      if (dataPlane !== undefined) {
        const cidrs = [...podCidrs, ...internalAddresses.map((address) => `${address}/32`)];
        return cidrs.map((cidr) => ({ cidr, nextHopMac: dataPlane, isDataPlane: true }));
      }
      const kernel = internalAddresses.map((address) => known.get(address)).find((mac) => mac !== undefined);
      if (kernel !== undefined) {
        return podCidrs.map((cidr) => ({ cidr, nextHopMac: kernel, isDataPlane: false }));
      }
      unresolved.add(name);
      if (!this.#unresolved.has(name)) {
        const facts = { node: name, addresses: [inPodRange?.dataPlane, ...internalAddresses] };
        this.#logger.warn(facts, 'no neighbour on this link; its pods are left to the kernel');
      }
      return [];
    });
    this.#unresolved = unresolved;
    return ranges;
  }

  async #resolve(nodes: readonly NodeFacts[], own: readonly string[]): Promise<ReadonlyMap<string, string>> {
    if (nodes.length === 0) return new Map();
    const dataPlanes = nodes.flatMap(({ inPodRange }) => inPodRange?.dataPlane ?? []);
    await this.#neighbours.askOnLink(dataPlanes, own);
    const known = await this.#neighbours.known();
    const missing = nodes.filter(({ inPodRange }) => !inPodRange || !known.has(inPodRange.dataPlane));
    if (missing.length === 0) return known;
    const internal = missing.flatMap(({ internalAddresses }) => internalAddresses);
    await Promise.all(internal.map((address) => this.#neighbours.ask(address)));
    await sleep(this.#answerMs);
    return this.#neighbours.known();
  }
}
