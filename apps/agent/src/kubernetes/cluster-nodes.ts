import { isIPv4 } from 'node:net';
import { Guard } from '@infra-offload/guard';
import type { Node, ObjectSource } from '@infra-offload/k8s-watch';
import { formatIPv4, ipv4, parseIPv4Prefix } from '@infra-offload/net';

/** What of a node object matters to the data plane: IPv4 only. */
export interface NodeFacts {
  readonly name: string;
  readonly podCidrs: readonly string[];
  readonly internalAddresses: readonly string[];
  /** Addresses of the node in its own pod range; undefined without a range of four addresses or more. */
  readonly inPodRange:
    | {
        /** 10.244.1.0 of 10.244.1.0/24: the data plane answers ARP for it on an uplink. No kernel does, since it has no owner. */
        readonly dataPlane: string;
        /** 10.244.1.1, which IPAM plugins keep free for a gateway: the node's own, as its data plane sees it. */
        readonly host: string;
      }
    | undefined;
}

/** The nodes as the cluster knows them, seen from one of them. */
export class ClusterNodes {
  readonly #nodes: ObjectSource['nodes'];
  readonly #nodeName: string;
  readonly #unsubscribe: () => void;

  /** @param onChange called after changes, at most once for those of one run of code. */
  constructor(nodes: ObjectSource['nodes'], nodeName: string, onChange: () => void) {
    this.#nodes = nodes;
    this.#nodeName = nodeName;
    this.#unsubscribe = nodes.subscribe(new Guard().soon(onChange));
  }

  /** This node; undefined if it is not registered. */
  own(): NodeFacts | undefined {
    const node = this.#ownNode();
    return node && factsOf(node);
  }

  /** Why no new load should come to this node: it is being deleted, or is about to be. */
  get isLeaving(): boolean {
    const node = this.#ownNode();
    return node !== undefined && (node.terminating || node.toBeDeleted);
  }

  /** The other nodes, by name. */
  others(): NodeFacts[] {
    return [...this.#nodes.values()]
      .filter(({ name }) => name !== this.#nodeName)
      .map(factsOf)
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  stop(): void {
    this.#unsubscribe();
  }

  #ownNode(): Node | undefined {
    return this.#nodes.get('', this.#nodeName);
  }
}

function factsOf({ name, podCIDRs, internalIPs }: Node): NodeFacts {
  const podCidrs = podCIDRs.filter((cidr) => parseIPv4Prefix(cidr) !== undefined);
  const [first] = podCidrs;
  return {
    name,
    podCidrs,
    internalAddresses: internalIPs.filter((address) => isIPv4(address)),
    inPodRange: first === undefined ? undefined : inRange(first),
  };
}

function inRange(cidr: string): NodeFacts['inPodRange'] {
  const prefix = parseIPv4Prefix(cidr);
  if (prefix === undefined || prefix.length > 30) return undefined;
  return { dataPlane: formatIPv4(prefix.address), host: formatIPv4(ipv4(prefix.address + 1)) };
}
