import { formatMac, POD_GATEWAY_MAC } from '@infra-offload/net';
import { podGateway } from './attachment.js';
import { hasIpv6, IpRoute } from './iproute.js';

/**
 * The MAC address under which the node's kernel sends to the pipeline. Any would do, since the pipeline rewrites the MAC
 * addresses of all that it forwards; a fixed one spares ARP. Locally administered, from 169.254.1.1.
 *
 * What goes back to the node is not rewritten, so for that it would have to be the interface's own. A device may take that
 * for a loop, but a TAP does not.
 */
const gatewayMac = formatMac(POD_GATEWAY_MAC);

/** Marks our routes (rtm_protocol), so that those of an earlier run are known. The kernel reads nothing into it. */
export const ROUTE_PROTOCOL = '85';

/** What the node's own interface shall have. */
export interface HostInterfaceSettings {
  /** Undefined if there is none. */
  readonly name: string | undefined;
  readonly mtu: number;
  /** A MAC address of its own; the present one stays if absent. */
  readonly mac?: string | undefined;
  /** Whether frames from the interface to itself are all right. */
  readonly isTap: boolean;
  /** IPv4 addresses of the node on this interface, without prefix length. The first is the source towards pods. */
  readonly addresses: readonly string[];
  /** CIDRs of pods and services: what the node's kernel reaches through the pipeline. */
  readonly cidrs: readonly string[];
}

/** The node's interface as it is. */
export interface HostInterfaceState {
  readonly name: string;
  readonly mac: string;
  readonly ifindex: number;
}

/**
 * Sets the node's interface up: MTU, addresses (/32), and routes to `cidrs` through the pipeline. The next hop is
 * 169.254.1.1 as an on-link gateway with a permanent neighbour entry, so that the kernel asks no ARP for pods. A process of
 * the node that reaches itself through a service has its answers from there, too. Routes of ours that are not wanted any
 * more go; addresses, and what others have made, stay.
 *
 * @param known what an earlier call with the same settings has returned: if the interface is still that one, and up,
 *   nothing is done.
 * @returns `known` itself then; undefined if there is no such interface.
 * @throws AgentError COMMAND_FAILED
 */
export async function setUpHostInterface(
  settings: HostInterfaceSettings,
  known?: HostInterfaceState,
): Promise<HostInterfaceState | undefined> {
  const ip = new IpRoute();
  const { name, mtu, addresses, cidrs, mac, isTap } = settings;
  if (name === undefined) return undefined;
  const link = (await ip.links()).find(({ ifname }) => ifname === name);
  if (link?.address === undefined) return undefined;
  const isKnown = known?.ifindex === link.ifindex && known.mac === link.address;
  if (isKnown && link.mtu === mtu && link.flags.includes('UP')) return known;
  const [source] = addresses;
  const sourceOption = source === undefined ? '' : ` src ${source}`;
  const wanted = new Set([podGateway, ...cidrs]);
  const old = (await ip.routes(name)).filter(
    ({ dst, protocol }) => protocol === ROUTE_PROTOCOL && !wanted.has(dst) && !wanted.has(`${dst}/32`),
  );
  const own = mac ?? link.address;
  await ip.batch([
    ...(hasIpv6(mtu) ? [`link set dev ${name} addrgenmode none`] : []),
    `link set dev ${name} mtu ${mtu}${mac === undefined ? '' : ` address ${mac}`} up`,
    ...addresses.map((address) => `address replace ${address}/32 dev ${name}`),
    `neighbour replace ${podGateway} lladdr ${isTap ? own : gatewayMac} dev ${name} nud permanent`,
    ...old.map(({ dst }) => `route delete ${dst} dev ${name} proto ${ROUTE_PROTOCOL}`),
    `route replace ${podGateway} dev ${name} scope link proto ${ROUTE_PROTOCOL}${sourceOption}`,
    ...cidrs.map(
      (cidr) =>
        `route replace ${cidr} via ${podGateway} dev ${name} onlink proto ${ROUTE_PROTOCOL}${sourceOption}`,
    ),
  ]);
  return isKnown ? known : { name, mac: own, ifindex: link.ifindex };
}
