import { ipv4, parseIPv4Prefix, prefixContains } from '@infra-offload/net';
import { podGateway } from '../interfaces/attachment.js';
import type { OutsidePort } from '../services/outside-port.js';
import { outermost } from './outermost.js';

const EXTERNAL_TYPE = 'type ipv4_addr . inet_proto . inet_service : inet_service';

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
  /** IPv4 addresses of the node, as far as load balancers are asked for them. */
  readonly nodeAddresses: readonly string[];
}

/**
 * The rules as `nft -f` takes them, for the table as a whole, replaced in one step; connections stay.
 *
 * - What comes from outside for a node port, an external or a load balancer address, or from the node itself, is sent to
 *   169.254.1.1, and so into the data plane, the source as it is. From the node and its pods, it is sent to another port there if
 *   the traffic policy does not count for them.
 * - Whom a load balancer's address is not for gets no answer, the node itself included.
 * - What leaves the node with the gateway's address belongs to a service whose endpoint is elsewhere: it gets the node's
 *   address. So does what pods send out of the cluster. Which address that is, the kernel chooses by the route; ports that its
 *   own connections use are not taken, since it tracks those, too.
 * - What a pod sends to a host port of a pod beside it comes from the node, or the answer would not return to whoever translated
 *   the port.
 */
export function ruleset({ hostInterface, masquerade, exempt, outside, nodeAddresses }: KernelFacts): string {
  const addresses = outside.flatMap(({ protocol, insidePort, addresses }) =>
    addresses.map((address) => ({
      ...address,
      insidePort,
      key: `${address.address} . ${lower(protocol)} . ${address.port}`,
    })),
  );
  const nodePorts = outside.flatMap(({ protocol, nodePort, insidePort }) =>
    nodePort === undefined ? [] : [{ key: `${lower(protocol)} . ${nodePort}`, insidePort }],
  );
  const insideOf = (ports: readonly { key: string; insidePort: number | undefined }[]) =>
    firstOf(ports.map(({ key, insidePort }) => ({ key, port: insidePort })));
  const filtered = addresses.filter(({ sourceRanges }) => sourceRanges.length > 0);
  const leaves = `iifname "${hostInterface}" oifname != "${hostInterface}"`;
  const service = 'ip daddr . meta l4proto . th dport';
  return `table ip ${TABLE_NAME}
delete table ip ${TABLE_NAME}
table ip ${TABLE_NAME} {
${[
  set('exempt', 'type ipv4_addr; flags interval', outermost(exempt)),
  set('node-ports', 'type inet_proto . inet_service', unique(nodePorts.map(({ key }) => key))),
  set('filtered', 'type ipv4_addr . inet_proto . inet_service', unique(filtered.map(({ key }) => key))),
  set(
    'sources',
    'type ipv4_addr . inet_proto . inet_service . ipv4_addr; flags interval',
    unique(
      filtered.flatMap(({ key, address, sourceRanges }) =>
        outermost(withOwn(sourceRanges, address, nodeAddresses)).map((range) => `${key} . ${range}`),
      ),
    ),
  ),
  map(
    'external',
    EXTERNAL_TYPE,
    firstOf(addresses.map(({ key, gatewayPort }) => ({ key, port: gatewayPort }))),
  ),
  map('external-inside', EXTERNAL_TYPE, insideOf(addresses)),
  map('node-ports-inside', 'type inet_proto . inet_service : inet_service', insideOf(nodePorts)),
].join('\n')}
  chain sources { ${service} @filtered ${service} . ip saddr != @sources drop; }
  chain sources-prerouting { type filter hook prerouting priority mangle; jump sources; }
  chain sources-output { type filter hook output priority mangle; jump sources; }
  chain inside {
    meta l4proto { tcp, udp } dnat to ${podGateway} : ${service} map @external-inside
    ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto { tcp, udp } dnat to ${podGateway} : meta l4proto . th dport map @node-ports-inside
  }
  chain services {
    meta l4proto { tcp, udp, sctp } dnat to ${podGateway} : ${service} map @external
    ip daddr != 127.0.0.0/8 fib daddr type local meta l4proto . th dport @node-ports dnat to ${podGateway}
  }
  chain prerouting {
    type nat hook prerouting priority dstnat;
    iifname "${hostInterface}" jump inside
    jump services
  }
  chain output {
    type nat hook output priority -100;
    jump inside
    jump services
  }
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

function map(name: string, type: string, ports: ReadonlyMap<string, number>): string {
  return `  map ${name} { ${type}; ${elementsOf([...ports].map(([key, port]) => `${key} : ${port}`))} }`;
}

/** Of several services with one address and port, or one node port, the first has it, as in the data plane. */
function firstOf(
  ports: readonly { readonly key: string; readonly port: number | undefined }[],
): ReadonlyMap<string, number> {
  const first = new Map<string, number | undefined>();
  for (const { key, port } of ports) if (!first.has(key)) first.set(key, port);
  return new Map([...first].flatMap(([key, port]) => (port === undefined ? [] : [[key, port]])));
}

/** A node that has a load balancer's address itself uses that to ask for it. */
function withOwn(
  ranges: readonly string[],
  address: string,
  nodeAddresses: readonly string[],
): readonly string[] {
  const isForNode = ranges.some((text) => {
    const range = parseIPv4Prefix(text);
    return range !== undefined && nodeAddresses.some((own) => prefixContains(range, ipv4(own)));
  });
  return isForNode ? [...ranges, `${address}/32`] : ranges;
}

function elementsOf(elements: readonly string[]): string {
  return elements.length === 0 ? '' : `elements = { ${elements.join(', ')} };`;
}

const unique = (texts: readonly string[]): string[] => [...new Set(texts)];

const lower = (protocol: OutsidePort['protocol']): string => protocol.toLowerCase();
