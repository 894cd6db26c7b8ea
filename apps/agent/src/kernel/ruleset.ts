import { podGateway } from '../interfaces/attachment.js';
import type { OutsidePort } from '../services/outside-port.js';
import { outermost } from './outermost.js';

/** The table that is ours. */
export const TABLE_NAME = 'infra-offload';

/** What the node's kernel has to do for its data plane. */
export interface KernelFacts {
  /** The node's interface in the data plane. */
  readonly hostInterface: string;
  /** Whether what leaves the cluster has the address of the node. */
  readonly masquerade: boolean;
  /** CIDRs that pods reach under their own addresses. */
  readonly exempt: readonly string[];
  readonly outside: readonly OutsidePort[];
}

/**
 * The rules as `nft -f` takes them, for the table as a whole, replaced in one step; connections stay.
 *
 * - What comes from outside for a node port, an external or a load balancer address, or from the node itself, is sent to
 *   169.254.1.1, and so into the data plane, the source as it is.
 * - What leaves the node with the gateway's address belongs to a service whose endpoint is elsewhere: it gets the node's
 *   address. So does what pods send out of the cluster. Which address that is, the kernel chooses by the route; ports that its
 *   own connections use are not taken, since it tracks those, too.
 * - What a pod sends to a host port of a pod beside it comes from the node, or the answer would not return to whoever translated
 *   the port.
 */
export function ruleset({ hostInterface, masquerade, exempt, outside }: KernelFacts): string {
  const addresses = outside.flatMap(({ protocol, addresses }) =>
    addresses.map((address) => ({
      ...address,
      key: `${address.address} . ${lower(protocol)} . ${address.port}`,
    })),
  );
  const nodePorts = outside.flatMap(({ protocol, nodePort }) =>
    nodePort === undefined ? [] : [`${lower(protocol)} . ${nodePort}`],
  );
  const filtered = addresses.filter(({ sourceRanges }) => sourceRanges.length > 0);
  const leaves = `iifname "${hostInterface}" oifname != "${hostInterface}"`;
  const service = 'ip daddr . meta l4proto . th dport';
  return `table ip ${TABLE_NAME}
delete table ip ${TABLE_NAME}
table ip ${TABLE_NAME} {
${[
  set('exempt', 'type ipv4_addr; flags interval', outermost(exempt)),
  set('node-ports', 'type inet_proto . inet_service', nodePorts),
  set('filtered', 'type ipv4_addr . inet_proto . inet_service', unique(filtered.map(({ key }) => key))),
  set(
    'sources',
    'type ipv4_addr . inet_proto . inet_service . ipv4_addr; flags interval',
    unique(
      filtered.flatMap(({ key, sourceRanges }) =>
        outermost(sourceRanges).map((range) => `${key} . ${range}`),
      ),
    ),
  ),
  map('external', 'type ipv4_addr . inet_proto . inet_service : inet_service', addresses),
].join('\n')}
  chain sources {
    type filter hook prerouting priority mangle;
    ${service} @filtered ${service} . ip saddr != @sources drop
  }
  chain services {
    meta l4proto { tcp, udp, sctp } dnat to ${podGateway} : ${service} map @external
    ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto . th dport @node-ports dnat to ${podGateway}
  }
  chain prerouting { type nat hook prerouting priority dstnat; jump services; }
  chain output { type nat hook output priority -100; jump services; }
  chain postrouting {
    type nat hook postrouting priority srcnat;
    ${leaves} ip saddr ${podGateway} masquerade fully-random
    iifname "${hostInterface}" oifname "${hostInterface}" ip daddr != ${podGateway} ct status dnat masquerade fully-random
${masquerade ? `    ${leaves} ip daddr != @exempt masquerade fully-random\n` : ''}  }
}
`;
}

function set(name: string, type: string, elements: readonly string[]): string {
  return `  set ${name} { ${type}; ${elementsOf(elements)} }`;
}

/** Of several services with one address and port the first has it, as in the data plane. */
function map(name: string, type: string, addresses: readonly { key: string; gatewayPort: number }[]): string {
  const ports = new Map<string, number>();
  for (const { key, gatewayPort } of addresses) if (!ports.has(key)) ports.set(key, gatewayPort);
  return `  map ${name} { ${type}; ${elementsOf([...ports].map(([key, port]) => `${key} : ${port}`))} }`;
}

function elementsOf(elements: readonly string[]): string {
  return elements.length === 0 ? '' : `elements = { ${elements.join(', ')} };`;
}

const unique = (texts: readonly string[]): string[] => [...new Set(texts)];

const lower = (protocol: OutsidePort['protocol']): string => protocol.toLowerCase();
