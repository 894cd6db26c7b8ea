import { parseIPv4, parseIPv6, parsePrefix, prefixContains } from '@infra-offload/net';
import * as z from 'zod';
import { listOf, metadata, pickLabels, portName, portNumber, protocol } from './fields.js';
import { intern } from './intern.js';
import { type EndpointSlice, HEADLESS_LABEL, SERVICE_NAME_LABEL } from './types.js';

const hints = listOf(z.object({ name: z.string().min(1) }).transform((hint) => intern(hint.name)));

const sliceEndpoint = z
  .object({
    addresses: z.array(z.string()).min(1).max(100),
    conditions: z
      .object({
        ready: z.boolean().nullish(),
        serving: z.boolean().nullish(),
        terminating: z.boolean().nullish(),
      })
      .nullish(),
    nodeName: z.string().nullish(),
    hostname: z.string().nullish(),
    hints: z.object({ forNodes: hints, forZones: hints }).nullish(),
  })
  .transform(({ addresses, conditions, nodeName, hostname, hints }) => ({
    address: addresses[0] ?? '',
    ready: conditions?.ready ?? true,
    serving: conditions?.serving ?? true,
    terminating: conditions?.terminating ?? false,
    ...(nodeName ? { nodeName: intern(nodeName) } : {}),
    ...(hostname ? { hostname } : {}),
    ...(hints?.forNodes.length ? { hintedNodes: hints.forNodes } : {}),
    ...(hints?.forZones.length ? { hintedZones: hints.forZones } : {}),
  }));

// Kubernetes defaults the name to the empty one, so a nil name never gets to a node.
const slicePort = z.object({ name: portName, protocol, port: portNumber.nullish() });

const LAST_CHANGE_ANNOTATION = 'endpoints.kubernetes.io/last-change-trigger-time';

/** When the change happened that this version of the slice tells of; something unreadable there is nobody's mistake here. */
const sliceAnnotations = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((annotations) => {
    const time = Date.parse(String(annotations?.[LAST_CHANGE_ANNOTATION]));
    return Number.isNaN(time) ? undefined : time;
  });

export const endpointSliceSchema = z
  .object({
    metadata: metadata.extend({ annotations: sliceAnnotations }),
    addressType: z.enum(['IPv4', 'IPv6', 'FQDN']),
    endpoints: listOf(sliceEndpoint),
    ports: listOf(slicePort),
  })
  .check((context) => {
    if (context.issues.length > 0) return;
    const { addressType, endpoints } = context.value;
    for (const [i, { address }] of endpoints.entries()) {
      const problem = addressProblem(addressType, address);
      if (problem === undefined) continue;
      context.issues.push({
        code: 'custom',
        input: address,
        path: ['endpoints', i, 'addresses', 0],
        message: problem,
      });
    }
  })
  .transform(
    ({
      metadata: { annotations: lastChangeTime, ...metadata },
      addressType,
      endpoints,
      ports,
    }): EndpointSlice => ({
      kind: 'EndpointSlice',
      ...metadata,
      labels: pickLabels(metadata.labels, SERVICE_NAME_LABEL, HEADLESS_LABEL),
      ...(lastChangeTime !== undefined ? { lastChangeTime } : {}),
      addressType,
      endpoints,
      ports: ports.flatMap(({ name, protocol, port }) =>
        typeof port === 'number' ? [{ name, protocol, port }] : [],
      ),
    }),
  );

/** Nobody can be reached there from another host, so Kubernetes refuses them as endpoints. */
const IMPOSSIBLE = ['0.0.0.0', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/4'].flatMap(
  (text) => parsePrefix(text) ?? [],
);

/** Why an address cannot be that of an endpoint; undefined if it can. */
export function addressProblem(type: EndpointSlice['addressType'], address: string): string | undefined {
  switch (type) {
    case 'IPv4': {
      const ipv4 = parseIPv4(address);
      if (ipv4 === undefined) return `'${address}' is not an IPv4 address, which addressType promises`;
      const isPossible = !IMPOSSIBLE.some((prefix) => prefixContains(prefix, ipv4));
      return isPossible ? undefined : `${address} is unspecified, loopback, link-local or multicast`;
    }
    case 'IPv6':
      return parseIPv6(address) === undefined
        ? `'${address}' is not an IPv6 address, which addressType promises`
        : undefined;
    case 'FQDN':
      return undefined;
    default:
      return type satisfies never;
  }
}
