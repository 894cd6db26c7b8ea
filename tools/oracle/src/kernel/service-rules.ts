import type { Actor, Endpoint, Protocol } from '../scenario.js';
import { POD_CIDR, PROTOCOLS, SERVED, type ServiceState } from '../world.js';
import { at, SERVICE_CHAINS } from './node-rules.js';

const MARK = 'jump mark-for-masquerade';

/**
 * Fills the chains of a lane's service as kube-proxy does. It masquerades everything of `externalTrafficPolicy: Cluster`; only
 * with `masqueradesAll` is it so here, else only what goes to another node.
 */
export function serviceRules(
  lane: number,
  service: ServiceState,
  addressOf: (actor: Actor) => string,
): string {
  return PROTOCOLS.flatMap((protocol) => {
    const chain = (part: string) => at(lane, `${protocol}-${part}`);
    const rules = chainsOf(service, protocol, chain, addressOf);
    const endpointChains = service.endpoints.map((endpoint) => chain(endpoint));
    const all = [...endpointChains, ...SERVICE_CHAINS.map(chain)];
    return [
      ...all.flatMap((name) => [`add chain ip node ${name}`, `flush chain ip node ${name}`]),
      ...rules.map(([name, rule]) => `add rule ip node ${name} ${rule}`),
    ];
  }).join('\n');
}

/** Rules by their chains. */
function chainsOf(
  { endpoints, externalTrafficPolicy, internalTrafficPolicy, sources, masqueradesAll }: ServiceState,
  protocol: Protocol,
  chain: (part: string) => string,
  addressOf: (actor: Actor) => string,
): [chain: string, rule: string][] {
  const local = endpoints.filter((endpoint) => endpoint !== 'far');
  const usable = { Cluster: endpoints, Local: local };
  const spread = (chosen: readonly Endpoint[]): string =>
    `numgen random mod ${chosen.length} vmap { ${chosen.map((endpoint, index) => `${index} : goto ${chain(endpoint)}`).join(', ')} }`;
  const rules: [string, string][] = [];
  const add = (part: string, ...added: readonly string[]) =>
    rules.push(...added.map((rule): [string, string] => [chain(part), rule]));

  for (const endpoint of endpoints) {
    add(endpoint, `ip saddr ${addressOf(endpoint)} ${MARK}`);
    if (endpoint === 'far') add(endpoint, `ip saddr != ${POD_CIDR} ${MARK}`);
    add(endpoint, `meta l4proto ${protocol} dnat to ${addressOf(endpoint)}:${SERVED[protocol]}`);
  }
  const check = (usableHere: readonly Endpoint[]) =>
    endpoints.length === 0 ? 'reject' : usableHere.length === 0 ? 'drop' : undefined;

  const internal = usable[internalTrafficPolicy];
  if (masqueradesAll) add('internal', `ip saddr != ${POD_CIDR} ${MARK}`);
  if (internal.length > 0) add('internal', spread(internal));
  const internalVerdict = check(internal);
  if (internalVerdict) add('check-internal', internalVerdict);

  const external = usable[externalTrafficPolicy];
  if (externalTrafficPolicy === 'Local' && endpoints.length > 0) {
    // Of who is in the cluster already, neither policy is asked.
    add('external', `ip saddr ${POD_CIDR} ${spread(endpoints)}`);
    add('external', `fib saddr type local ${MARK}`, `fib saddr type local ${spread(endpoints)}`);
  } else if (masqueradesAll) add('external', MARK);
  if (external.length > 0) add('external', spread(external));
  const externalVerdict = check(external);
  if (externalVerdict) add('check-external', externalVerdict);

  if (sources.length > 0) add('firewall', `ip saddr != { ${sources.map(addressOf).join(', ')} } drop`);
  return rules;
}
