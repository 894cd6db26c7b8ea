import type { PodName, Policy } from '../scenario.js';
import { NODE_ADDRESS, POD_CIDR, PROTOCOLS, SERVED, SERVICE_CIDR, SERVICE_PORT } from '../world.js';

/** Marks what is to be masqueraded, as kube-proxy does. */
const MASQUERADE = '0x4000';

export type Addresses = (pod: PodName) => string;

const at = (lane: number, part: string) => `lane${lane}-${part}`;

/**
 * The rules of a node as kube-proxy (nftables mode) has them, a CNI plugin with masquerade beside it, and a chain of policies
 * for each lane.
 */
export function nodeRules(services: readonly string[]): string {
  const chains = services.flatMap((_, lane) => [
    ...PROTOCOLS.map((protocol) => `chain ${at(lane, protocol)} { }`),
    `chain ${at(lane, 'policies')} { }`,
  ]);
  const elements = services.flatMap((address, lane) =>
    PROTOCOLS.map((protocol) => {
      return `${address} . ${protocol} . ${SERVICE_PORT[protocol]} : goto ${at(lane, protocol)}`;
    }),
  );
  return `table ip node {
  ${chains.join('\n  ')}
  set cluster-ips { type ipv4_addr; elements = { ${services.join(', ')} } }
  map service-ips { type ipv4_addr . inet_proto . inet_service : verdict;
    elements = { ${elements.join(', ')} } }
  chain services { ip daddr . meta l4proto . th dport vmap @service-ips; }
  chain nat-prerouting { type nat hook prerouting priority dstnat; jump services; }
  chain nat-output { type nat hook output priority -100; jump services; }
  chain nat-postrouting { type nat hook postrouting priority srcnat;
    meta mark & ${MASQUERADE} != 0 masquerade;
    ip saddr ${POD_CIDR} ip daddr != { ${POD_CIDR}, ${SERVICE_CIDR}, ${NODE_ADDRESS} } masquerade fully-random;
  }
  chain cluster-ips-check {
    ip daddr @cluster-ips reject
    ip daddr ${SERVICE_CIDR} drop
  }
  chain filter-output { type filter hook output priority 0; ct state new jump cluster-ips-check; }
  chain filter-forward { type filter hook forward priority 0;
    ct state invalid drop
    ct state new jump cluster-ips-check
    ${services.map((_, lane) => `jump ${at(lane, 'policies')}`).join('\n    ')}
  }
}
`;
}

/** New flows to a lane's service go to these pods, each with the same probability. */
export function endpointRules(lane: number, pods: readonly PodName[], addressOf: Addresses): string {
  return PROTOCOLS.flatMap((protocol) => {
    const chain = at(lane, protocol);
    const endpoint = (pod: PodName) => at(lane, `${protocol}-${pod}`);
    const made = pods.flatMap((pod) => [
      `add chain ip node ${endpoint(pod)}`,
      `flush chain ip node ${endpoint(pod)}`,
      `add rule ip node ${endpoint(pod)} ip saddr ${addressOf(pod)} meta mark set meta mark or ${MASQUERADE}`,
      `add rule ip node ${endpoint(pod)} ip saddr != ${POD_CIDR} meta mark set meta mark or ${MASQUERADE}`,
      `add rule ip node ${endpoint(pod)} meta l4proto ${protocol} dnat to ${addressOf(pod)}:${SERVED[protocol]}`,
    ]);
    const choices = pods.map((pod, index) => `${index} : goto ${endpoint(pod)}`).join(', ');
    return [
      ...made,
      `flush chain ip node ${chain}`,
      ...(pods.length === 0
        ? []
        : [`add rule ip node ${chain} numgen random mod ${pods.length} vmap { ${choices} }`]),
    ];
  }).join('\n');
}

/**
 * Policies as they are made on netfilter: new flows are asked for, by the first packet's sender and its receiver, which is the
 * endpoint behind a service.
 */
export function policyRules(lane: number, policies: readonly Policy[], addressOf: Addresses): string {
  const isolated = new Map<string, Policy[]>();
  for (const policy of policies) {
    const chain = at(lane, `${policy.pod}-${policy.direction}`);
    isolated.set(chain, [...(isolated.get(chain) ?? []), policy]);
  }
  const rules = [...isolated].flatMap(([chain, [first, ...more]]) => {
    if (first === undefined) return [];
    const { pod, direction } = first;
    const [own, other] =
      direction === 'ingress'
        ? ['ct reply ip saddr', 'ct original ip saddr']
        : ['ct original ip saddr', 'ct reply ip saddr'];
    const allowed = [first, ...more].flatMap(({ allow }) =>
      allow.map(({ peers, protocol }) => {
        const of =
          protocol === undefined ? '' : ` ct protocol ${protocol} ct reply proto-src ${SERVED[protocol]}`;
        return `add rule ip node ${chain} ${other} { ${peers.map(addressOf).join(', ')} }${of} return`;
      }),
    );
    return [
      `add chain ip node ${chain}`,
      `flush chain ip node ${chain}`,
      // A pod may always talk to itself.
      `add rule ip node ${chain} ${other} ${addressOf(pod)} return`,
      ...allowed,
      `add rule ip node ${chain} drop`,
      `add rule ip node ${at(lane, 'policies')} ct state new ${own} ${addressOf(pod)} jump ${chain}`,
    ];
  });
  return [`flush chain ip node ${at(lane, 'policies')}`, ...rules].join('\n');
}
