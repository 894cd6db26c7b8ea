import type { Actor, Endpoint, Protocol } from '../scenario.js';
import { type LaneAddresses, POD_CIDR, PROTOCOLS, SERVED, type ServiceState } from '../world.js';
import { at, SERVICE_CHAINS } from './node-rules.js';

const MARK = 'jump mark-for-masquerade';

/** What the rules of a lane are about. */
export interface LaneFacts {
  readonly index: number;
  readonly addresses: LaneAddresses;
  readonly address: (actor: Actor) => string;
}

/**
 * Fills the chains of a lane's service as kube-proxy does. It masquerades everything of `externalTrafficPolicy: Cluster`; only
 * with `masqueradesAll` is it so here, else only what goes to another node.
 */
export function serviceRules(lane: LaneFacts, service: ServiceState): string {
  return PROTOCOLS.flatMap((protocol) => {
    const nameOf = (part: string) => at(lane.index, `${protocol}-${part}`);
    const chains = new Map<string, readonly string[]>([
      ...SERVICE_CHAINS.map((part) => [part, []] as const),
      ...service.endpoints.map(
        (endpoint) => [endpoint, endpointRules(lane, service, endpoint, protocol)] as const,
      ),
      ...Object.entries(chainsOf(lane, service, nameOf)),
    ]);
    const made = [...chains.keys()].flatMap((part) => [
      `add chain ip node ${nameOf(part)}`,
      `flush chain ip node ${nameOf(part)}`,
    ]);
    const filled = [...chains].flatMap(([part, rules]) =>
      rules.map((rule) => `add rule ip node ${nameOf(part)} ${rule}`),
    );
    return [...made, ...filled];
  }).join('\n');
}

/** For those who have been sent to an endpoint. */
function endpointRules(
  { address, addresses: { outside, balancer } }: LaneFacts,
  { sources, masqueradesAll }: ServiceState,
  endpoint: Endpoint,
  protocol: Protocol,
): readonly string[] {
  // Pods are masqueraded where only our node's kernel knows the address (expected.ts).
  const late = [outside.gateway, ...(sources.length > 0 ? [balancer] : [])];
  const masqueraded = [
    `ip saddr != ${POD_CIDR}`,
    ...(masqueradesAll ? [] : [`ip daddr { ${late.join(', ')} }`]),
  ];
  return [
    `ip saddr ${address(endpoint)} ${MARK}`,
    ...(endpoint === 'far' ? masqueraded.map((which) => `${which} ${MARK}`) : []),
    `meta l4proto ${protocol} dnat to ${address(endpoint)}:${SERVED[protocol]}`,
  ];
}

/** @param nameOf the chain of an endpoint */
function chainsOf(
  { address }: LaneFacts,
  { endpoints, externalTrafficPolicy, internalTrafficPolicy, sources, masqueradesAll }: ServiceState,
  nameOf: (endpoint: Endpoint) => string,
): Partial<Record<(typeof SERVICE_CHAINS)[number], readonly string[]>> {
  const usable = { Cluster: endpoints, Local: endpoints.filter((endpoint) => endpoint !== 'far') };
  const internal = usable[internalTrafficPolicy];
  const external = usable[externalTrafficPolicy];
  const isLocal = externalTrafficPolicy === 'Local';
  const spread = (chosen: readonly Endpoint[], whose = ''): string[] => {
    const choices = chosen.map((endpoint, index) => `${index} : goto ${nameOf(endpoint)}`).join(', ');
    return chosen.length === 0 ? [] : [`${whose} numgen random mod ${chosen.length} vmap { ${choices} }`];
  };
  const refused = (chosen: readonly Endpoint[]): string[] =>
    chosen.length > 0 ? [] : [endpoints.length === 0 ? 'reject' : 'drop'];
  // Of who is in the cluster already, the policy is not asked.
  const shortCuts = [
    ...spread(endpoints, `ip saddr ${POD_CIDR}`),
    `fib saddr type local ${MARK}`,
    ...spread(endpoints, 'fib saddr type local'),
  ];
  return {
    internal: [...(masqueradesAll ? [`ip saddr != ${POD_CIDR} ${MARK}`] : []), ...spread(internal)],
    external: [...(isLocal ? shortCuts : masqueradesAll ? [MARK] : []), ...spread(external)],
    'check-internal': refused(internal),
    'check-external': refused(external),
    firewall: sources.length === 0 ? [] : [`ip saddr != { ${sources.map(address).join(', ')} } drop`],
  };
}
