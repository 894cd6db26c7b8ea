import { ObjectKind, type ObjectReference, ObjectState, type ObjectStatus } from '@infra-offload/infra-api';
import type { Logger } from 'pino';
import { keyOf, type ObjectKey } from './wanted-state.js';

/** `service default/web:http/TCP`, for people. */
export function describeReference(reference: ObjectReference): string {
  return `${kindName(reference.kind)} ${reference.name}`;
}

export function kindName(kind: ObjectKind): string {
  switch (kind) {
    case ObjectKind.OBJECT_KIND_NODE:
      return 'node';
    case ObjectKind.OBJECT_KIND_POD:
      return 'pod';
    case ObjectKind.OBJECT_KIND_SERVICE:
      return 'service';
    case ObjectKind.OBJECT_KIND_ADDRESS_SET:
      return 'set';
    case ObjectKind.OBJECT_KIND_NETWORK_POLICY:
      return 'policy';
    case ObjectKind.OBJECT_KIND_POD_ISOLATION:
      return 'isolation';
    default:
      return 'unknown';
  }
}

/** What the manager has last said of each object. A degradation is logged once, and once more when it is over. */
export class StatusBook {
  readonly #statuses = new Map<ObjectKey, ObjectStatus>();
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  update(status: ObjectStatus): void {
    const { object } = status;
    if (object === undefined) return;
    const key = keyOf(object);
    const before = this.#statuses.get(key);
    this.#statuses.set(key, status);
    const isDegraded = status.state === ObjectState.OBJECT_STATE_DEGRADED;
    const wasDegraded = before?.state === ObjectState.OBJECT_STATE_DEGRADED;
    const fields = { object: describeReference(object) };
    if (isDegraded && !(wasDegraded && before.reason === status.reason)) {
      this.#logger.warn(
        { ...fields, reason: status.reason, detail: status.message },
        'degraded in the data plane',
      );
    } else if (wasDegraded && status.state === ObjectState.OBJECT_STATE_PROGRAMMED) {
      this.#logger.info(fields, 'programmed again');
    }
  }

  /** Forgets an object that is not wanted any more. */
  forget(key: ObjectKey): void {
    this.#statuses.delete(key);
  }

  get(reference: ObjectReference): ObjectStatus | undefined {
    return this.#statuses.get(keyOf(reference));
  }

  /** Whether the data plane has the object not, or not in full. */
  isDegraded(key: ObjectKey): boolean {
    return this.#statuses.get(key)?.state === ObjectState.OBJECT_STATE_DEGRADED;
  }

  values(): Iterable<ObjectStatus> {
    return this.#statuses.values();
  }
}
