import { Listeners } from '@infra-offload/base';
import {
  ObjectKind,
  type ObjectReference,
  Protocol,
  type Service,
  WantedObject,
} from '@infra-offload/infra-api';

/** Names an object across kinds; equal for equal references. */
export type ObjectKey = string;

/** Everything that this node wants from its data plane. */
export class WantedState {
  readonly #objects = new Map<ObjectKey, WantedObject>();
  readonly #listeners = new Listeners<[key: ObjectKey]>();

  get size(): number {
    return this.#objects.size;
  }

  get(key: ObjectKey): WantedObject | undefined {
    return this.#objects.get(key);
  }

  keys(): ObjectKey[] {
    return [...this.#objects.keys()];
  }

  /** Wants `object` instead of what was there under its name. Listeners hear of it only if it differs. */
  upsert(object: WantedObject): void {
    const key = keyOf(referenceOf(object));
    const before = this.#objects.get(key);
    if (before !== undefined && sameObject(before, object)) return;
    this.#objects.set(key, object);
    this.#announce(key);
  }

  /** Does not want the object any more. */
  remove(reference: ObjectReference): void {
    const key = keyOf(reference);
    if (this.#objects.delete(key)) this.#announce(key);
  }

  /**
   * Wants `object` without telling the listeners: the caller tells the manager himself. Snapshots have it.
   */
  upsertQuietly(object: WantedObject): void {
    this.#objects.set(keyOf(referenceOf(object)), object);
  }

  /** Does not want the object any more, without telling the listeners. */
  removeQuietly(reference: ObjectReference): void {
    this.#objects.delete(keyOf(reference));
  }

  /** Tells the listeners that the manager may not know how things stand with the object. */
  announce(reference: ObjectReference): void {
    this.#announce(keyOf(reference));
  }

  /** @returns what ends the listening. */
  onChange(listener: (key: ObjectKey) => void): () => void {
    return this.#listeners.add(listener);
  }

  #announce(key: ObjectKey): void {
    this.#listeners.emit(key);
  }
}

/** How the contract names `object`. */
export function referenceOf(object: WantedObject): ObjectReference {
  const { object: body } = object;
  switch (body?.$case) {
    case 'node':
      return { kind: ObjectKind.OBJECT_KIND_NODE, name: body.value.name };
    case 'pod':
      return { kind: ObjectKind.OBJECT_KIND_POD, name: body.value.attachmentId };
    case 'service':
      return { kind: ObjectKind.OBJECT_KIND_SERVICE, name: serviceName(body.value) };
    case 'addressSet':
      return { kind: ObjectKind.OBJECT_KIND_ADDRESS_SET, name: body.value.name };
    case 'networkPolicy':
      return { kind: ObjectKind.OBJECT_KIND_NETWORK_POLICY, name: body.value.name };
    case 'podIsolation':
      return {
        kind: ObjectKind.OBJECT_KIND_POD_ISOLATION,
        name: `${body.value.namespace}/${body.value.name}`,
      };
    case undefined:
      return { kind: ObjectKind.OBJECT_KIND_UNSPECIFIED, name: '' };
    default:
      return body satisfies never;
  }
}

export function keyOf(reference: ObjectReference): ObjectKey {
  return `${reference.kind}:${reference.name}`;
}

export function referenceOfKey(key: ObjectKey): ObjectReference {
  const split = key.indexOf(':');
  return { kind: Number(key.slice(0, split)), name: key.slice(split + 1) };
}

/** `namespace/name:port_name/protocol`. */
export function serviceName(service: Pick<Service, 'namespace' | 'name' | 'portName' | 'protocol'>): string {
  return `${service.namespace}/${service.name}:${service.portName}/${protocolName(service.protocol)}`;
}

function protocolName(protocol: Protocol): string {
  switch (protocol) {
    case Protocol.PROTOCOL_TCP:
      return 'TCP';
    case Protocol.PROTOCOL_UDP:
      return 'UDP';
    case Protocol.PROTOCOL_SCTP:
      return 'SCTP';
    default:
      return 'UNSPECIFIED';
  }
}

function sameObject(a: WantedObject, b: WantedObject): boolean {
  const [left, right] = [WantedObject.encode(a).finish(), WantedObject.encode(b).finish()];
  return Buffer.compare(left, right) === 0;
}
