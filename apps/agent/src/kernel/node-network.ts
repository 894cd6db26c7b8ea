import type { Route } from '@infra-offload/infra-api';
import { formatMac, ipv4, mac } from '@infra-offload/net';
import type { Logger } from 'pino';
import type { AgentConfig } from '../config/schema.js';
import { type HostInterfaceState, setUpHostInterface } from '../interfaces/host-interface.js';
import { IpRoute, type LinkWithAddresses } from '../interfaces/iproute.js';
import type { PodInterfaces } from '../interfaces/pod-interfaces.js';
import type { ClusterNodes } from '../kubernetes/cluster-nodes.js';
import type { ClusterRanges } from '../kubernetes/cluster-ranges.js';
import { HostGateway, type RemoteRange } from '../kubernetes/host-gateway.js';
import type { OutsidePort } from '../services/outside-port.js';
import type { NodeReach } from '../services/wanted-services.js';
import type { WantedState } from '../sync/wanted-state.js';
import { directRoutes } from './direct-routes.js';
import type { NodeKernel } from './node-kernel.js';

export interface NodeNetworkOptions {
  readonly config: AgentConfig;
  readonly interfaces: PodInterfaces;
  /** Undefined if the configuration names no source of objects. */
  readonly nodes: ClusterNodes | undefined;
  readonly ranges: ClusterRanges;
  readonly wanted: WantedState;
  readonly kernel: NodeKernel;
  readonly logger: Logger;
}

/**
 * The node's own part in the data plane: its interface, the ranges that its kernel reaches through it, and the ways to other
 * nodes. Keeps the kernel and the wanted node equal to what configuration and cluster say.
 */
export class NodeNetwork {
  readonly #options: NodeNetworkOptions;
  readonly #gateway: HostGateway | undefined;
  /** To other nodes; undefined until they have been looked for. */
  #remote: readonly RemoteRange[] | undefined;
  /** Every IPv4 address of the node's kernel. */
  #addressesOfKernel: readonly string[] = [];
  #interface: HostInterfaceState | undefined;
  /** What `#interface` is set up with. */
  #settings = '';

  constructor(options: NodeNetworkOptions) {
    this.#options = options;
    const { config, logger } = options;
    if (config.uplink !== undefined) this.#gateway = new HostGateway({ logger });
  }

  /** Whether the node's interface is there and set up. */
  get isUp(): boolean {
    return this.#interface !== undefined;
  }

  /** Whether everything is known that the first snapshot must have of the node. */
  get isKnown(): boolean {
    const areNodesKnown = this.#gateway === undefined || this.#remote !== undefined;
    return this.#interface !== undefined && this.#options.ranges.isSettled && areNodesKnown;
  }

  get reach(): NodeReach {
    const { config, nodes } = this.#options;
    const internal = nodes?.own()?.internalAddresses ?? [];
    return {
      nodeAddresses: [...new Set([...internal, ...config.hostInterface.addresses])],
      hasUplink: config.uplink !== undefined,
      podCidrs: this.#podCidrs(),
    };
  }

  /**
   * Brings the node's interface in order, and looks for the other nodes.
   *
   * @param areNodesKnown whether `nodes` has all of them.
   * @param outside what clients outside of the data plane reach; undefined until that is known.
   * @throws AgentError COMMAND_FAILED
   */
  async look(areNodesKnown: boolean, outside: readonly OutsidePort[] | undefined): Promise<void> {
    const { config, interfaces, nodes, logger } = this.#options;
    if (this.#gateway !== undefined && areNodesKnown) {
      this.#remote = await this.#gateway.ranges(nodes?.others() ?? [], nodes?.own());
    }
    const name = await interfaces.hostInterface();
    const settings = {
      name,
      mtu: config.mtu,
      mac: this.#mac(),
      isTap: config.interfaceType === 'tap',
      addresses: this.#addresses(),
      cidrs: this.#kernelCidrs(),
    };
    const before = this.#settings;
    const text = JSON.stringify(settings);
    const found = await setUpHostInterface(settings, text === before ? this.#interface : undefined);
    const isNew = text !== before || found !== this.#interface;
    const { cidrs } = settings;
    if (found === undefined) {
      if (this.#interface !== undefined)
        logger.warn({ interface: name }, 'the interface of the node is gone');
    } else if (isNew) {
      logger.info({ interface: name, mac: found.mac, cidrs }, 'the interface of the node is set up');
    }
    this.#interface = found;
    this.#settings = found === undefined ? '' : text;
    const links = await new IpRoute().linksWithAddresses();
    this.#addressesOfKernel = ipv4AddressesOf(links);
    this.announce();
    if (found !== undefined && this.isKnown && outside !== undefined)
      await this.#keepKernel(found.name, links, outside);
  }

  async #keepKernel(
    hostInterface: string,
    links: readonly LinkWithAddresses[],
    outside: readonly OutsidePort[],
  ): Promise<void> {
    const { config, nodes, ranges, kernel } = this.#options;
    const { enabled, exemptCidrs } = config.masquerade;
    const others = nodes?.others() ?? [];
    const hasUplink = this.#gateway !== undefined;
    const routes = hasUplink ? [] : directRoutes(others, links);
    // A node that has no way back to our pods, since it is on another network, sees this node instead.
    const peers = hasUplink
      ? others.flatMap(({ internalAddresses }) => internalAddresses)
      : routes.map(({ via }) => via);
    const exempt = [
      ...exemptCidrs,
      ...this.#podCidrs(),
      ...ranges.podCidrs,
      ...ranges.serviceCidrs,
      ...others.flatMap(({ podCidrs }) => podCidrs),
      ...peers.map((address) => `${address}/32`),
    ];
    const { nodeAddresses } = this.reach;
    await kernel.keep({ hostInterface, masquerade: enabled, exempt, outside, nodeAddresses }, routes);
  }

  /** Wants the node as it is now; nothing while its interface is not there. */
  announce(): void {
    if (this.#interface === undefined) return;
    const { name, mac } = this.#interface;
    const { config, ranges, wanted } = this.#options;
    wanted.upsert({
      object: {
        $case: 'node',
        value: {
          name: config.nodeName,
          hostInterface: { interfaceName: name, mac, addresses: this.#dataPlaneAddresses() },
          serviceCidrs: [...ranges.serviceCidrs],
          routes: this.#routes(mac),
          uplinkInterface: config.uplink?.interface,
          addresses: [...this.#addressesOfKernel],
        },
      },
    });
  }

  /**
   * The node's addresses on its interface. With an uplink the first, and so the source of what the node itself sends to pods
   * and services, is one that other nodes have a route to our data plane for; from any other their answers would come to our
   * kernel, untranslated.
   */
  #addresses(): string[] {
    const { config, nodes } = this.#options;
    const own = config.uplink && nodes?.own()?.inPodRange;
    return [...new Set([...(own === undefined ? [] : [own.host]), ...config.hostInterface.addresses])];
  }

  /** Those for which the data plane answers ARP. */
  #dataPlaneAddresses(): string[] {
    const { config, nodes } = this.#options;
    const own = config.uplink && nodes?.own()?.inPodRange;
    return [...this.#addresses(), ...(own === undefined ? [] : [own.dataPlane])];
  }

  /**
   * The data plane answers other nodes with the MAC address of this interface. Targets give their TAPs the same ones on each
   * node, so a TAP gets one from its own address, which is unique in the cluster: 02:00:0a:f4:01:01.
   */
  #mac(): string | undefined {
    const { config, nodes } = this.#options;
    const own = nodes?.own()?.inPodRange;
    if (config.uplink === undefined || config.interfaceType !== 'tap' || own === undefined) return undefined;
    return formatMac(mac(0x0200_0000_0000 + ipv4(own.host)));
  }

  /** Of this node's pods: as configured, or else as the cluster has them. */
  #podCidrs(): readonly string[] {
    const { config, nodes, ranges } = this.#options;
    const own = nodes?.own()?.podCidrs ?? [];
    const known = own.length > 0 ? own : ranges.podCidrs;
    return config.podCidrs.length > 0 ? config.podCidrs : known;
  }

  /** Pods here and on nodes whose data plane answers through ours, and services. */
  #kernelCidrs(): string[] {
    const { ranges } = this.#options;
    const remote =
      this.#remote?.filter(({ cidr, isDataPlane }) => isDataPlane && !cidr.endsWith('/32')) ?? [];
    return [...new Set([...this.#podCidrs(), ...ranges.serviceCidrs, ...remote.map(({ cidr }) => cidr)])];
  }

  #routes(hostMac: string): Route[] {
    const { uplink } = this.#options.config;
    if (uplink === undefined) return [];
    const sourceMac = uplink.mac ?? hostMac;
    // Of nodes that claim the same, as a node and its successor may for a while, the first has it.
    const taken = new Set(this.#options.ranges.serviceCidrs);
    return (this.#remote ?? []).flatMap(({ cidr, nextHopMac }) => {
      if (taken.has(cidr)) return [];
      taken.add(cidr);
      return [
        {
          cidr,
          interfaceName: uplink.interface,
          nextHopMac,
          sourceMac,
          // Other nodes have a route to it that leads to this data plane.
          sourceAddress: this.#options.nodes?.own()?.inPodRange?.dataPlane ?? '',
          masquerade: false,
        },
      ];
    });
  }
}

function ipv4AddressesOf(links: readonly LinkWithAddresses[]): string[] {
  const addresses = links.flatMap(({ addr_info }) =>
    addr_info.flatMap(({ family, local }) => (family === 'inet' && !local.startsWith('127.') ? [local] : [])),
  );
  return [...new Set(addresses)].sort();
}
