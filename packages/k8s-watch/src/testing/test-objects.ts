import type { WatchedObject } from '../objects/kinds.js';
import { parseObject } from '../objects/parse.js';
import type { EndpointSlice, Service } from '../objects/types.js';

/** Objects for tests, by the way that real ones take. */

type Fields = Readonly<Record<string, unknown>>;

export function service(
  name: string,
  spec: Fields = {},
  more: { labels?: Fields; status?: Fields } = {},
): Service {
  const object = parse({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, labels: more.labels },
    spec: { clusterIP: '10.96.0.10', ports: [{ port: 80 }], ...spec },
    status: more.status,
  });
  if (object.kind !== 'Service') throw new Error('not a Service');
  return object;
}

export function slice(
  serviceName: string,
  name: string,
  endpoints: readonly Fields[],
  more: Fields & { labels?: Fields } = {},
): EndpointSlice {
  const { labels, ...fields } = more;
  const object = parse({
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, labels: { 'kubernetes.io/service-name': serviceName, ...labels } },
    addressType: 'IPv4',
    ports: [{ name: '', port: 8080 }],
    endpoints,
    ...fields,
  });
  if (object.kind !== 'EndpointSlice') throw new Error('not an EndpointSlice');
  return object;
}

/**
 * An endpoint 10.0.0.`n`. Conditions: "R" ready, "S" serving only, "T" terminating but serving, "X" nothing any more; "r" is
 * ready and terminating, as publishNotReadyAddresses makes it.
 */
export function endpoint(n: number, state: 'R' | 'S' | 'T' | 'X' | 'r' = 'R', more: Fields = {}): Fields {
  const conditions = {
    ready: state === 'R' || state === 'r',
    serving: state !== 'X',
    terminating: state === 'T' || state === 'X' || state === 'r',
  };
  return { addresses: [`10.0.0.${n}`], conditions, ...more };
}

function parse(value: unknown): WatchedObject {
  const parsed = parseObject(value);
  if (parsed.result === 'object') return parsed.object;
  throw new Error(JSON.stringify(parsed));
}
