import {
  FAR_POD_CIDR,
  type LaneAddresses,
  NODE_ADDRESS,
  POD_CIDR,
  PROTOCOLS,
  SERVICE_CIDR,
  SERVICE_PORT,
} from '../world.js';

/** Marks what is to be masqueraded, as kube-proxy does. */
export const MASQUERADE = '0x4000';

/** Of a lane's service, by who asks and where: chains of `service-rules.ts` for each protocol. */
export const SERVICE_CHAINS = [
  'internal',
  'external',
  'check-internal',
  'check-external',
  'firewall',
] as const;

/** The chain of a lane. */
export const at = (lane: number, part: string): string => `lane${lane}-${part}`;

/**
 * The rules of a node as kube-proxy (nftables mode) has them, a CNI plugin with masquerade beside it, and a chain of policies
 * for each lane. They differ from kube-proxy's in form only: what the maps lead to are chains that are filled anew, where
 * kube-proxy fills maps anew. And what the node itself sends is checked for endpoints once it has been translated, as
 * in its iptables mode; else what is to be short-circuited would be dropped.
 */
export function nodeRules(lanes: readonly LaneAddresses[]): string {
  const every = <Item>(
    make: (addresses: LaneAddresses, lane: number, protocol: 'tcp' | 'udp' | 'sctp') => Item,
  ) => lanes.flatMap((addresses, lane) => PROTOCOLS.map((protocol) => make(addresses, lane, protocol)));
  const chains = lanes.map((_, lane) => `chain ${at(lane, 'policies')} { }`);
  const services: string[] = [];
  const nodePorts: string[] = [];
  const checked: string[] = [];
  const checkedNodePorts: string[] = [];
  const firewalled: string[] = [];
  every(({ clusterIP, externalIP, balancer, nodePorts: ports }, lane, protocol) => {
    const to = (part: string) => `goto ${at(lane, `${protocol}-${part}`)}`;
    const key = (address: string) => `${address} . ${protocol} . ${SERVICE_PORT[protocol]}`;
    const nodePort = `${protocol} . ${ports[protocol]}`;
    chains.push(...SERVICE_CHAINS.map((part) => `chain ${at(lane, `${protocol}-${part}`)} { }`));
    services.push(`${key(clusterIP)} : ${to('internal')}`);
    checked.push(`${key(clusterIP)} : ${to('check-internal')}`);
    for (const address of [externalIP, balancer]) {
      services.push(`${key(address)} : ${to('external')}`);
      checked.push(`${key(address)} : ${to('check-external')}`);
    }
    nodePorts.push(`${nodePort} : ${to('external')}`);
    checkedNodePorts.push(`${nodePort} : ${to('check-external')}`);
    firewalled.push(`${key(balancer)} : ${to('firewall')}`);
  });
  const map = (name: string, type: string, elements: readonly string[]) =>
    `map ${name} { type ${type} : verdict; elements = { ${elements.join(', ')} } }`;
  const SERVICE = 'ipv4_addr . inet_proto . inet_service';
  const NODE_PORT = 'inet_proto . inet_service';
  const isService = 'ip daddr . meta l4proto . th dport vmap';
  const isNodePort = 'fib daddr type local ip daddr != 127.0.0.0/8 meta l4proto . th dport vmap';
  return `table ip node {
  ${chains.join('\n  ')}
  set cluster-ips { type ipv4_addr; elements = { ${lanes.map(({ clusterIP }) => clusterIP).join(', ')} } }
  ${map('service-ips', SERVICE, services)}
  ${map('service-nodeports', NODE_PORT, nodePorts)}
  ${map('no-endpoint-services', SERVICE, checked)}
  ${map('no-endpoint-nodeports', NODE_PORT, checkedNodePorts)}
  ${map('firewall-ips', SERVICE, firewalled)}
  chain services {
    ${isService} @service-ips
    ${isNodePort} @service-nodeports
  }
  chain endpoints-check {
    ${isService} @no-endpoint-services
    ${isNodePort} @no-endpoint-nodeports
  }
  chain firewall-check { ${isService} @firewall-ips; }
  chain cluster-ips-check {
    ip daddr @cluster-ips reject
    ip daddr ${SERVICE_CIDR} drop
  }
  chain mark-for-masquerade { meta mark set meta mark or ${MASQUERADE}; }
  chain filter-prerouting { type filter hook prerouting priority -110; ct state new jump firewall-check; }
  chain filter-output { type filter hook output priority -110; ct state new jump firewall-check; }
  chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }
  chain nat-postrouting { type nat hook postrouting priority srcnat;
    meta mark & ${MASQUERADE} != 0 masquerade;
    ip saddr ${POD_CIDR} ip daddr != { ${POD_CIDR}, ${FAR_POD_CIDR}, ${SERVICE_CIDR}, ${NODE_ADDRESS} } masquerade fully-random;
  }
  chain filter-input { type filter hook input priority 0;
    ct state invalid drop
    ct state new jump endpoints-check
  }
  chain filter-output-post-dnat { type filter hook output priority 0;
    ct state new jump endpoints-check
    ct state new jump cluster-ips-check
  }
  chain filter-forward { type filter hook forward priority 0;
    ct state invalid drop
    ct state new jump endpoints-check
    ct state new jump cluster-ips-check
    ${lanes.map((_, lane) => `jump ${at(lane, 'policies')}`).join('\n    ')}
  }
}
`;
}
