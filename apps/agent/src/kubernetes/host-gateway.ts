import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Route } from '@infra-offload/infra-api';
import type { Logger } from 'pino';
import { outputOf } from '../interfaces/command.js';
import type { NodeFacts } from './cluster-nodes.js';

/** What the kernel knows of its neighbours, and how it is made to ask for one. */
export interface Neighbours {
  /** MAC addresses by IPv4 address. */
  known(): Promise<ReadonlyMap<string, string>>;
  ask(address: string): Promise<void>;
}

export interface HostGatewayOptions {
  /** As the target names it, and the MAC address that packets leave it with. */
  readonly uplink: { readonly interface: string; readonly mac: string };
  readonly logger: Logger;
  readonly neighbours?: Neighbours;
  /** How long a neighbour may take to answer. */
  readonly answerMs?: number;
}

/** Makes routes to the pods of other nodes, by the MAC addresses that these nodes have on the link. */
export class HostGateway {
  readonly #options: HostGatewayOptions;
  readonly #neighbours: Neighbours;
  /** Nodes without a MAC address, so that each is logged once. */
  #unresolved: ReadonlySet<string> = new Set();

  constructor(options: HostGatewayOptions) {
    this.#options = options;
    this.#neighbours = options.neighbours ?? kernelNeighbours;
  }

  /** One for each range of each node that answers ARP on one of its internal addresses; the others are left to the kernel. */
  async routes(nodes: readonly NodeFacts[]): Promise<Route[]> {
    const { uplink, logger, answerMs = 200 } = this.#options;
    const wanted = nodes.filter(({ podCidrs }) => podCidrs.length > 0);
    let known = await this.#neighbours.known();
    const missing = wanted.filter((node) => macOf(node, known) === undefined);
    if (missing.length > 0) {
      await Promise.all(
        missing.flatMap((node) => node.internalAddresses).map((ip) => this.#neighbours.ask(ip)),
      );
      await sleep(answerMs);
      known = await this.#neighbours.known();
    }
    const unresolved = new Set<string>();
    const routes = wanted.flatMap((node) => {
      const nextHopMac = macOf(node, known);
      if (nextHopMac !== undefined) {
        const route = { interfaceName: uplink.interface, nextHopMac, sourceMac: uplink.mac };
        return node.podCidrs.map((cidr) => ({ cidr, ...route }));
      }
      unresolved.add(node.name);
      if (!this.#unresolved.has(node.name)) {
        const { name, internalAddresses: addresses } = node;
        logger.warn({ node: name, addresses }, 'no neighbour on this link; its pods are left to the kernel');
      }
      return [];
    });
    this.#unresolved = unresolved;
    return routes;
  }
}

function macOf(node: NodeFacts, known: ReadonlyMap<string, string>): string | undefined {
  return node.internalAddresses.map((address) => known.get(address)).find((mac) => mac !== undefined);
}

interface KernelNeighbour {
  readonly dst: string;
  readonly lladdr?: string;
  readonly state?: readonly string[];
}

const kernelNeighbours: Neighbours = {
  async known() {
    const output = await outputOf('ip', ['-4', '-json', 'neighbour', 'show']);
    const entries: KernelNeighbour[] = JSON.parse(output || '[]');
    return new Map(
      entries.flatMap(({ dst, lladdr, state }): [string, string][] =>
        lladdr === undefined || state?.includes('FAILED') ? [] : [[dst, lladdr]],
      ),
    );
  },
  /** By a packet to the discard port: iproute2 cannot make the kernel resolve an address. */
  ask(address) {
    return new Promise((resolve) => {
      const socket = createSocket('udp4');
      const done = () => {
        socket.close();
        resolve();
      };
      socket.once('error', done);
      socket.send('', 9, address, done);
    });
  },
};
