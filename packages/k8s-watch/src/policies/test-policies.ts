import type { WatchedObject } from '../objects/kinds.js';
import { parseObject } from '../objects/parse.js';
import type { Namespace, NetworkPolicy, Node, Pod } from '../objects/types.js';

/** Objects for tests of policies, by the way that real ones take. */

type Fields = object;
type Labels = Readonly<Record<string, string>>;

export interface PodFields {
  readonly namespace?: string;
  readonly labels?: Labels;
  readonly node?: string | undefined;
  readonly ips?: readonly string[];
  /** By name: `TCP/80`. */
  readonly ports?: Readonly<Record<string, string>>;
  readonly phase?: 'Pending' | 'Running' | 'Succeeded' | 'Failed';
  readonly hostNetwork?: boolean;
  readonly terminating?: boolean;
}

export function pod(name: string, fields: PodFields = {}): Pod {
  const { namespace = 'default', labels = {}, node, ips = [], ports = {}, phase, hostNetwork } = fields;
  const deletionTimestamp = fields.terminating ? '2026-01-01T00:00:00Z' : null;
  return parse('Pod', {
    apiVersion: 'v1',
    metadata: { namespace, name, labels, deletionTimestamp },
    spec: {
      nodeName: node,
      hostNetwork,
      containers: [{ ports: Object.entries(ports).map(([name, text]) => containerPort(name, text)) }],
    },
    status: { phase: phase ?? 'Running', podIPs: ips.map((ip) => ({ ip })) },
  });
}

function containerPort(name: string, text: string): Fields {
  const [protocol, port] = text.split('/');
  return { name, protocol, containerPort: Number(port) };
}

export function namespace(name: string, labels: Labels = {}): Namespace {
  return parse('Namespace', { apiVersion: 'v1', metadata: { name, labels } });
}

export function node(name: string, address: string): Node {
  const addresses = [{ type: 'InternalIP', address }];
  return parse('Node', { apiVersion: 'v1', metadata: { name }, status: { addresses } });
}

/** A policy of the namespace `default` for all its pods, unless `spec` and `in` say otherwise. */
export function policy(name: string, spec: Fields = {}, namespace = 'default'): NetworkPolicy {
  return parse('NetworkPolicy', {
    apiVersion: 'networking.k8s.io/v1',
    metadata: { namespace, name },
    spec: { podSelector: {}, ...spec },
  });
}

function parse<Kind extends WatchedObject['kind']>(
  kind: Kind,
  fields: Fields,
): Extract<WatchedObject, { kind: Kind }> {
  const parsed = parseObject({ kind, ...fields });
  if (parsed.result === 'object' && isKind(parsed.object, kind)) return parsed.object;
  throw new Error(`not a ${kind}: ${JSON.stringify(parsed)}`);
}

function isKind<Kind extends WatchedObject['kind']>(
  object: WatchedObject,
  kind: Kind,
): object is Extract<WatchedObject, { kind: Kind }> {
  return object.kind === kind;
}
