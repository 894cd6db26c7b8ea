import type { Actor, Destination, Endpoint, ServiceSettings } from '../scenario.js';

/** Which endpoints of the service a client comes to: none if it is refused, or not answered. */
export function usableEndpoints(
  endpoints: readonly Endpoint[],
  { externalTrafficPolicy, internalTrafficPolicy, sources = [] }: ServiceSettings,
  from: Actor,
  { at = 'clusterIP' }: Extract<Destination, { service: true }>,
): readonly Endpoint[] {
  if (at === 'balancer' && sources.length > 0 && !sources.includes(from)) return [];
  // Whoever is in the cluster already is sent to all of it.
  const isLocal =
    at === 'clusterIP'
      ? internalTrafficPolicy === 'Local'
      : externalTrafficPolicy === 'Local' && from === 'outside';
  return isLocal ? endpoints.filter((endpoint) => endpoint !== 'far') : endpoints;
}
