import type { Change, WantedObject } from '@infra-offload/infra-api';
import { inOrder, OrderedKeys } from './change-order.js';
import { type ObjectKey, referenceOfKey, type WantedState } from './wanted-state.js';

/** Bounds of one message. A burst is split, so that the manager can begin before the end is sent. */
const MAX_CHANGES = 512;
const MAX_BYTES = 512 * 1024;

/** Revision 0 is before every change. */
const NO_REVISION = 0n;

interface SentBatch {
  readonly lastRevision: bigint;
  readonly keys: ReadonlySet<ObjectKey>;
}

/**
 * What is still to be said on one Sync stream: the snapshot first, then what has changed. An object that changes
 * again before its turn has come costs one message only.
 */
export class ChangeQueue {
  readonly #wanted: WantedState;
  readonly #snapshot: ObjectKey[];
  readonly #changed = new OrderedKeys();
  /** Sent, not yet applied; oldest first. */
  readonly #sent: SentBatch[] = [];
  #stage: 'begin' | 'snapshot' | 'changes' = 'begin';
  #snapshotPosition = 0;
  #revision = NO_REVISION;
  #snapshotRevision: bigint | undefined;
  #applied = NO_REVISION;

  constructor(wanted: WantedState) {
    this.#wanted = wanted;
    this.#snapshot = inOrder(wanted.keys());
  }

  /** The revision of the last change handed out. */
  get revision(): bigint {
    return this.#revision;
  }

  /** Whether the manager has taken over the whole snapshot. */
  get isSnapshotApplied(): boolean {
    return this.#snapshotRevision !== undefined && this.#applied >= this.#snapshotRevision;
  }

  /** Whether the manager has applied all that it was, or has to be, told of the object. */
  isSettled(key: ObjectKey): boolean {
    return this.isSnapshotApplied && !this.#changed.has(key) && !this.#sent.some(({ keys }) => keys.has(key));
  }

  /** The object is another one, or no more. */
  push(key: ObjectKey): void {
    this.#changed.add(key, this.#wanted.get(key) !== undefined);
  }

  /** The manager has applied everything up to `revision`. @returns the objects whose messages were applied by that. */
  applied(revision: bigint): ObjectKey[] {
    if (revision > this.#applied) this.#applied = revision;
    const keys: ObjectKey[] = [];
    while (this.#sent[0] !== undefined && this.#sent[0].lastRevision <= this.#applied) {
      keys.push(...this.#sent[0].keys);
      this.#sent.shift();
    }
    return keys;
  }

  /** The next message; empty if there is nothing to say. */
  nextBatch(nodeName: string): Change[] {
    const changes: Change[] = [];
    const keys = new Set<ObjectKey>();
    let bytes = 0;
    const add = (change: Change['change']) => {
      this.#revision += 1n;
      changes.push({ revision: this.#revision, change });
    };
    const isFull = () => changes.length >= MAX_CHANGES || bytes >= MAX_BYTES;
    if (this.#stage === 'begin') {
      add({ $case: 'snapshotBegin', value: { nodeName } });
      this.#stage = 'snapshot';
    }
    while (this.#stage === 'snapshot' && !isFull()) {
      const key = this.#snapshot[this.#snapshotPosition++];
      if (key === undefined) {
        add({ $case: 'snapshotEnd', value: {} });
        this.#snapshotRevision = this.#revision;
        this.#stage = 'changes';
        break;
      }
      const object = this.#wanted.get(key);
      // Gone since: the end of the snapshot says so.
      if (object === undefined) continue;
      this.#changed.delete(key);
      keys.add(key);
      add({ $case: 'upsert', value: object });
      bytes += estimateBytes(object);
    }
    if (this.#stage === 'changes') {
      for (const key of this.#changed) {
        if (isFull()) break;
        this.#changed.delete(key);
        keys.add(key);
        const object = this.#wanted.get(key);
        if (object === undefined) {
          add({ $case: 'remove', value: referenceOfKey(key) });
        } else {
          add({ $case: 'upsert', value: object });
          bytes += estimateBytes(object);
        }
      }
    }
    if (changes.length > 0) this.#sent.push({ lastRevision: this.#revision, keys });
    return changes;
  }
}

/** Lists are what grows: of endpoints, of addresses, of rules. */
function estimateBytes({ object }: WantedObject): number {
  const fixed = 128;
  switch (object?.$case) {
    case 'service':
      return fixed + object.value.endpoints.length * 24;
    case 'addressSet':
      return fixed + object.value.cidrs.length * 20 + object.value.addressPorts.length * 24;
    case 'networkPolicy':
      return fixed + (object.value.ingress.length + object.value.egress.length) * 256;
    default:
      return fixed;
  }
}
