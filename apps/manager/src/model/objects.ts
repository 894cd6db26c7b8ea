import { OBJECT_KINDS, type ObjectKind, type ObjectReference } from '@infra-offload/infra-api';
import type { IPv4, IPv4Prefix, Mac } from '@infra-offload/net';
import { unreachable } from '../errors.js';
import type { AgentCondition } from './agent-condition.js';
import type { AddressSetObject, IsolationObject, PolicyObject } from './policy-objects.js';

/** The wanted objects in the manager's own terms: validated, addresses as numbers (see addresses.ts). */
export type WantedState =
  | NodeObject
  | PodObject
  | ServiceObject
  | AddressSetObject
  | PolicyObject
  | IsolationObject;

/** Objects that have rows of their own. The others decide about the rows of pods; see policy/. */
export type RowObject = NodeObject | PodObject | ServiceObject;

/** What the node itself needs. There is one; a second one is a conflict. */
export interface NodeObject {
  readonly kind: 'node';
  readonly name: string;
  readonly host: HostInterface | undefined;
  /** Ranges of service addresses: what no service claims in there is dropped. */
  readonly serviceCidrs: readonly IPv4Prefix[];
  readonly routes: readonly Route[];
  /** Open for other nodes even while there is no route. */
  readonly uplinkInterface?: string | undefined;
  /** All of the node's kernel, as peers of policies. */
  readonly addresses: readonly IPv4[];
  /** Addresses that are well-formed but not IPv4. They are reported, not programmed. */
  readonly unsupportedAddresses: readonly string[];
}

export interface HostInterface {
  readonly interfaceName: string;
  readonly mac: Mac;
  readonly addresses: readonly IPv4[];
}

export interface Route {
  readonly cidr: IPv4Prefix;
  readonly interfaceName: string;
  readonly nextHopMac: Mac;
  readonly sourceMac: Mac;
  /** What would be answered past the data plane has this source; undefined: its own. */
  readonly source?: IPv4 | undefined;
  /** Whether pods have `source`, too. */
  readonly masquerade?: boolean | undefined;
}

/** One interface of one pod. */
export interface PodObject {
  readonly kind: 'pod';
  readonly attachmentId: string;
  readonly namespace: string;
  readonly name: string;
  readonly interfaceName: string;
  readonly mac: Mac;
  readonly ip: IPv4;
}

export type Protocol = 'TCP' | 'UDP' | 'SCTP';

/** One port of one Kubernetes Service. */
export interface ServiceObject {
  readonly kind: 'service';
  readonly namespace: string;
  readonly name: string;
  readonly portName: string;
  readonly protocol: Protocol;
  readonly frontends: readonly Frontend[];
  readonly endpoints: readonly Endpoint[];
  /** There are endpoints on other nodes, which traffic policy Local leaves out: where no others are, packets are dropped. */
  readonly hasEndpointsElsewhere: boolean;
  /** Seconds, 1 to 86400; undefined without ClientIP affinity. */
  readonly affinitySeconds: number | undefined;
  /** Frontends and endpoints that are well-formed but not IPv4. They are reported, not programmed. */
  readonly unsupportedAddresses: readonly string[];
  /** What the agent could not carry. */
  readonly agentConditions: readonly AgentCondition[];
}

export interface Frontend {
  readonly address: IPv4;
  readonly port: number;
}

export interface Endpoint {
  readonly address: IPv4;
  readonly port: number;
  /** At least 1. */
  readonly weight: number;
}

export type ObjectKindName = WantedState['kind'];

/**
 * Names an object across restarts: `node/<name>`, `pod/<attachment id>`,
 * `service/<namespace>/<name>:<port name>/<protocol>`, `set/<name>`, `policy/<name>` or
 * `isolation/<namespace>/<name of the pod>`.
 */
export type ObjectKey = `${ObjectKindName}/${string}`;

/** The key of an object. */
export function objectKey(object: WantedState): ObjectKey {
  switch (object.kind) {
    case 'node':
      return `node/${object.name}`;
    case 'pod':
      return `pod/${object.attachmentId}`;
    case 'service':
      return `service/${object.namespace}/${object.name}:${object.portName}/${object.protocol}`;
    case 'set':
    case 'policy':
      return `${object.kind}/${object.name}`;
    case 'isolation':
      return isolationKey(object);
    default:
      return unreachable(object);
  }
}

/** The key of the isolation that holds for a pod. A pod of another API than Sync has one of that API, by its first name. */
export function isolationKey(pod: {
  readonly namespace: string;
  readonly name: string;
  readonly attachmentId?: string;
}): ObjectKey {
  const { namespace, name, attachmentId = '' } = pod;
  const api = attachmentId.startsWith('~') ? `${attachmentId.slice(0, attachmentId.indexOf('/'))}/` : '';
  return `isolation/${api}${namespace}/${name}`;
}

const KINDS: Readonly<Record<ObjectKindName, ObjectKind>> = OBJECT_KINDS;
const KIND_NAMES = Object.keys(KINDS) as readonly ObjectKindName[];

/** The protocol that the key of a service names. */
export function protocolOf(service: ObjectKey): Protocol {
  return service.endsWith('/TCP') ? 'TCP' : service.endsWith('/UDP') ? 'UDP' : 'SCTP';
}

/** The wire reference of a key. */
export function referenceOf(key: ObjectKey): ObjectReference {
  const slash = key.indexOf('/');
  return { kind: KINDS[kindOf(key)], name: key.slice(slash + 1) };
}

/** The kind an object key names. */
export function kindOf(key: ObjectKey): ObjectKindName {
  return key.slice(0, key.indexOf('/')) as ObjectKindName;
}

/** Whether a text is a key of this program. */
export function isObjectKey(text: unknown): text is ObjectKey {
  if (typeof text !== 'string') return false;
  const slash = text.indexOf('/');
  return slash > 0 && Object.hasOwn(KINDS, text.slice(0, slash));
}

/** The key of a wire reference, or undefined when its kind is unknown or its name empty. */
export function keyOfReference(reference: ObjectReference): ObjectKey | undefined {
  if (reference.name === '') return undefined;
  for (const kind of KIND_NAMES) {
    if (KINDS[kind] === reference.kind) return `${kind}/${reference.name}`;
  }
  return undefined;
}

/**
 * Whether Sync may name an object. Names that begin with "~" are no Kubernetes names: objects of other APIs than Sync
 * have them, and a snapshot that lacks one of those says nothing about it.
 */
export function belongsToSync(key: ObjectKey): boolean {
  return key[key.indexOf('/') + 1] !== '~';
}

/** `service default/web:http/TCP`, for messages. */
export function describeKey(key: ObjectKey): string {
  return key.replace('/', ' ');
}
