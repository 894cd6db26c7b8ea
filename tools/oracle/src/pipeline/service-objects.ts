import type { Endpoint } from '../scenario.js';
import type { ServiceState } from '../world.js';

/** An object of the manager for a port of the service. */
export interface ServiceObject {
  /** Added to the port's name. */
  readonly suffix: '' | '.external' | '.external.pods';
  readonly endpoints: readonly Endpoint[];
  /** There are none that may be used here, but on other nodes. */
  readonly isElsewhere: boolean;
}

/**
 * What the agent makes of a service: for clients of its ClusterIP, clients outside, and those in the cluster that use its other
 * addresses, an object for each list of endpoints.
 */
export function serviceObjects({
  endpoints,
  internalTrafficPolicy,
  externalTrafficPolicy,
}: ServiceState): readonly ServiceObject[] {
  const local = endpoints.filter((endpoint) => endpoint !== 'far');
  const usable = { Cluster: endpoints, Local: local };
  const wanted = [
    ['', usable[internalTrafficPolicy]],
    ['.external', usable[externalTrafficPolicy]],
    ['.external.pods', endpoints],
  ] as const;
  const objects: ServiceObject[] = [];
  for (const [suffix, chosen] of wanted) {
    const isElsewhere = chosen.length === 0 && endpoints.length > 0;
    const isThere = objects.some(
      (object) => object.isElsewhere === isElsewhere && object.endpoints.join() === chosen.join(),
    );
    if (!isThere) objects.push({ suffix, endpoints: chosen, isElsewhere });
  }
  return objects;
}
