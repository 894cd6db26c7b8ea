import { isIPv4 } from 'node:net';
import * as z from 'zod';
import { isRecord } from '../plain-values.js';
import { addressProblem } from './endpoint-slice-schema.js';
import { ip, listOf, metadata, portName, portNumber, protocol } from './fields.js';
import { checkObject, type InvalidObject } from './parse.js';
import { type EndpointSlice, SERVICE_NAME_LABEL, type SliceEndpoint } from './types.js';

const SKIP_LABEL = 'endpointslice.kubernetes.io/skip-mirror';
/** Endpoints that only serve as a lock carry it. */
const LEADER_ANNOTATION = 'control-plane.alpha.kubernetes.io/leader';

const reachable = ip.refine(
  (text) => addressProblem(isIPv4(text) ? 'IPv4' : 'IPv6', text) === undefined,
  'must not be unspecified, loopback, link-local or multicast',
);
const address = z.object({ ip: reachable, nodeName: z.string().nullish() });
const port = z.object({ name: portName, port: portNumber, protocol });
const subset = z.object({
  addresses: listOf(address),
  notReadyAddresses: listOf(address),
  ports: listOf(port),
});
const annotations = z.record(z.string(), z.unknown()).nullish();
const endpointsSchema = z.object({ metadata: metadata.extend({ annotations }), subsets: listOf(subset) });

/** v1 Endpoints, as the slices that mirror them. */
export interface MirroredEndpoints {
  readonly result: 'endpoints';
  /** "Endpoints default/web". */
  readonly description: string;
  /** None for those that are not to be mirrored. */
  readonly slices: readonly EndpointSlice[];
}

/**
 * Reads v1 Endpoints, which nobody serves, as the EndpointSlices that the control plane's mirroring controller would
 * make of them: one for each subset and family. Whether the service has no selector, which is the condition, remains
 * to be seen. Never throws.
 *
 * @returns undefined for any other object
 */
export function parseEndpoints(value: unknown): MirroredEndpoints | InvalidObject | undefined {
  if (!isRecord(value) || value.kind !== 'Endpoints' || value.apiVersion !== 'v1') return undefined;
  const parsed = checkObject(endpointsSchema, value);
  if (parsed.result === 'invalid') return parsed;
  const { metadata, subsets } = parsed.object;
  const isMirrored =
    metadata.labels[SKIP_LABEL] !== 'true' && !(LEADER_ANNOTATION in (metadata.annotations ?? {}));
  const slices = isMirrored ? subsets.flatMap((one, index) => slicesOf(metadata, one, index)) : [];
  return { result: 'endpoints', description: `Endpoints ${metadata.namespace}/${metadata.name}`, slices };
}

function slicesOf(
  { namespace, name }: { readonly namespace: string; readonly name: string },
  { addresses, notReadyAddresses, ports }: z.output<typeof subset>,
  index: number,
): readonly EndpointSlice[] {
  const endpoints = [
    ...addresses.map((one) => endpointOf(one, true)),
    ...notReadyAddresses.map((one) => endpointOf(one, false)),
  ];
  return (['IPv4', 'IPv6'] as const).flatMap((addressType): EndpointSlice[] => {
    const ofFamily = endpoints.filter((one) => isIPv4(one.address) === (addressType === 'IPv4'));
    if (ofFamily.length === 0) return [];
    return [
      {
        kind: 'EndpointSlice',
        namespace,
        name: `${name}-mirrored-${index}-${addressType.toLowerCase()}`,
        labels: { [SERVICE_NAME_LABEL]: name },
        addressType,
        ports,
        endpoints: ofFamily,
      },
    ];
  });
}

function endpointOf(of: z.output<typeof address>, ready: boolean): SliceEndpoint {
  const { ip, nodeName } = of;
  return { address: ip, ready, serving: true, terminating: false, ...(nodeName ? { nodeName } : {}) };
}
