import type { ServerDuplexStream } from '@grpc/grpc-js';
import { messageOf, Queue } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import {
  type Change,
  ObjectState,
  type ObjectStatus,
  type SyncRequest,
  type SyncResponse,
} from '@infra-offload/infra-api';
import type { Controller } from '../controller/controller.js';
import { type State, type Status, sameStatus } from '../controller/entry.js';
import { ManagerError, unreachable } from '../errors.js';
import type { Logger } from '../log.js';
import { belongsToSync, describeKey, keyOfReference, type ObjectKey, referenceOf } from '../model/objects.js';
import { readObject, wireKey } from '../state/validate.js';
import { toServiceError } from './errors.js';

/** What a stream needs of the rest. */
export interface SyncContext<Row> {
  readonly controller: Controller<Row>;
  /** Resolves when what was said so far is stored, or cannot be at present. */
  readonly stored: () => Promise<void>;
  /** Entities on their way to the device. */
  readonly backlog: () => number;
  readonly logger: Logger;
}

export type SyncCall = ServerDuplexStream<SyncRequest, SyncResponse>;

/** Entities on their way above which changes have to wait. */
const BACKLOG_HIGH = 40_000;
const BACKLOG_POLL_MS = 5;
/** How long changes are worked at before answers of the target, and other calls, get their turn. */
const SLICE_MS = 3;
/** Statuses in one response, so that it stays far below the 4 MB that clients accept. */
const MAX_STATUSES = 2_000;
/** How long a change of status that completes no revision may wait for company. */
const STATUS_DELAY_MS = 100;

const STATES: Record<State, ObjectState> = {
  pending: ObjectState.OBJECT_STATE_PENDING,
  programmed: ObjectState.OBJECT_STATE_PROGRAMMED,
  degraded: ObjectState.OBJECT_STATE_DEGRADED,
};

/** The wire form of a status. */
export function toObjectStatus(key: ObjectKey, { state, reason, message }: Status): ObjectStatus {
  return { object: referenceOf(key), state: STATES[state], reason, message };
}

/**
 * One Sync stream: takes changes in, and answers up to which revision they are durable and settled. It leaves the rest
 * to HTTP/2's flow control while the device is behind, and answers no more often than the agent reads.
 */
export class SyncStream<Row> {
  readonly #call: SyncCall;
  readonly #context: SyncContext<Row>;
  readonly #guard = new Guard((error) => {
    this.#context.logger.error({ err: error, node: this.#nodeName }, 'Sync ended');
    this.abort(toServiceError(error));
  });
  /** Changes that have not been looked at. No more are read from the network while there are any. */
  readonly #inbox = new Queue<Change>();
  /** Changes that are not settled yet, in order. */
  readonly #open = new Queue<{ readonly revision: bigint; readonly key: ObjectKey }>();
  /** Objects whose status the agent does not know, and those it was told of. */
  readonly #news = new Set<ObjectKey>();
  /** News that is only "pending": told when it stays so, because most of it is old within milliseconds. */
  readonly #pending = new Set<ObjectKey>();
  readonly #told = new Map<ObjectKey, Status>();
  readonly #stopListening: () => void;
  #nodeName = '';
  #received = 0n;
  #stored = 0n;
  #applied = 0n;
  #snapshot: { readonly generation: number } | 'none' | 'complete' = 'none';
  #flushScheduled = false;
  #statusTimer: NodeJS.Timeout | undefined;
  #blocked = false;
  #working = false;
  #halfClosed = false;
  #ended = false;

  readonly #onBegin: () => void;

  /** @param onBegin called when a snapshot begins, so when the other side has turned out to be an agent. */
  constructor(call: SyncCall, context: SyncContext<Row>, onBegin: () => void) {
    this.#call = call;
    this.#onBegin = onBegin;
    this.#context = context;
    this.#stopListening = context.controller.onStatus((key) => this.#statusChanged(key));
    call.on(
      'data',
      this.#guard.handler((request: SyncRequest) => this.#receive(request)),
    );
    call.on(
      'end',
      this.#guard.handler(() => {
        this.#halfClosed = true;
        this.#scheduleFlush();
      }),
    );
    call.on(
      'cancelled',
      this.#guard.handler(() => this.#close()),
    );
    call.on(
      'error',
      this.#guard.handler((error) => {
        if (this.#ended) return;
        context.logger.info(
          { reason: messageOf(error) },
          'the agent sent something unreadable, or went away',
        );
        this.#close();
      }),
    );
  }

  /** The node that speaks; empty before the first snapshot. */
  get nodeName(): string {
    return this.#nodeName;
  }

  get appliedRevision(): bigint {
    return this.#applied;
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** Ends the stream with an error. */
  abort(error: Error): void {
    if (this.#ended) return;
    this.#close();
    // Tells grpc-js the status to end with; destroying the call would lose it.
    this.#call.emit('error', error);
  }

  #receive({ changes }: SyncRequest): void {
    for (const change of changes) this.#inbox.push(change);
    if (!this.#working) this.#work();
  }

  /** Takes changes in for a while; comes back if some are left. */
  #work(): void {
    this.#working = false;
    if (this.#ended) return;
    if (this.#context.backlog() < BACKLOG_HIGH) this.#takeIn();
    if (this.#inbox.size > 0 && !this.#ended) {
      this.#working = true;
      this.#call.pause();
      if (this.#context.backlog() < BACKLOG_HIGH) setImmediate(this.#guard.handler(() => this.#work()));
      else
        setTimeout(
          this.#guard.handler(() => this.#work()),
          BACKLOG_POLL_MS,
        );
    } else this.#call.resume();
  }

  #takeIn(): void {
    const until = performance.now() + SLICE_MS;
    try {
      do {
        const change = this.#inbox.shift();
        if (change === undefined) break;
        this.#change(change);
      } while (performance.now() < until);
    } catch (error) {
      this.#context.logger.error({ reason: messageOf(error), node: this.#nodeName }, 'Sync ended');
      this.abort(toServiceError(error));
      return;
    }
    const upTo = this.#received;
    this.#guard.run(async () => {
      await this.#context.stored();
      if (upTo > this.#stored) this.#stored = upTo;
      this.#scheduleFlush();
    });
  }

  #change({ revision, change }: Change): void {
    if (revision <= this.#received) {
      throw new ManagerError(
        'PROTOCOL',
        `revision ${revision} after ${this.#received}: revisions must increase from 1`,
      );
    }
    this.#received = revision;
    switch (change?.$case) {
      case undefined:
        throw new ManagerError(
          'PROTOCOL',
          `revision ${revision} contains no change, or one that this version does not know`,
        );
      case 'snapshotBegin':
        this.#begin(revision, change.value.nodeName);
        return;
      case 'snapshotEnd':
        this.#end(revision);
        return;
      case 'upsert': {
        this.#requireSnapshot(revision, 'an upsert');
        const key = wireKey(change.value);
        if (key === undefined)
          throw new ManagerError('PROTOCOL', `revision ${revision}: the upsert contains no object`);
        this.#requireOwn(revision, key);
        try {
          this.#context.controller.upsert(readObject(change.value));
        } catch (error) {
          if (!ManagerError.is(error, 'INVALID_OBJECT')) throw error;
          this.#context.controller.refuse(key, error.message);
        }
        this.#note(revision, key);
        return;
      }
      case 'remove': {
        this.#requireSnapshot(revision, 'a removal');
        const key = keyOfReference(change.value);
        if (key === undefined) {
          const message = `revision ${revision}: the removal names no object (kind ${change.value.kind}, name "${change.value.name}")`;
          throw new ManagerError('PROTOCOL', message);
        }
        this.#requireOwn(revision, key);
        this.#context.controller.remove(key);
        this.#note(revision, key);
        return;
      }
      default:
        unreachable(change);
    }
  }

  #begin(revision: bigint, nodeName: string): void {
    if (typeof this.#snapshot === 'object') {
      throw new ManagerError('PROTOCOL', `revision ${revision}: a snapshot begins within another one`);
    }
    if (nodeName === '')
      throw new ManagerError('PROTOCOL', `revision ${revision}: snapshot_begin names no node`);
    this.#nodeName = nodeName;
    this.#onBegin();
    this.#snapshot = { generation: this.#context.controller.beginSnapshot() };
    this.#context.logger.info({ node: nodeName }, 'snapshot begins');
  }

  #end(revision: bigint): void {
    if (typeof this.#snapshot !== 'object') {
      throw new ManagerError('PROTOCOL', `revision ${revision}: a snapshot ends although none has begun`);
    }
    const gone = this.#context.controller.sweep(this.#snapshot.generation);
    this.#snapshot = 'complete';
    for (const key of gone) this.#note(revision, key);
    this.#context.logger.info({ node: this.#nodeName, removed: gone.length }, 'snapshot complete');
  }

  #requireSnapshot(revision: bigint, what: string): void {
    if (this.#snapshot !== 'none') return;
    throw new ManagerError(
      'PROTOCOL',
      `revision ${revision}: ${what} before the snapshot that every stream begins with`,
    );
  }

  #requireOwn(revision: bigint, key: ObjectKey): void {
    if (belongsToSync(key)) return;
    throw new ManagerError(
      'PROTOCOL',
      `revision ${revision}: ${describeKey(key)}: names that begin with "~" are not the agent's`,
    );
  }

  #note(revision: bigint, key: ObjectKey): void {
    this.#open.push({ revision, key });
    this.#news.add(key);
  }

  #statusChanged(key: ObjectKey): void {
    if (this.#snapshot === 'none') return;
    this.#news.add(key);
    this.#scheduleFlush();
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled || this.#ended) return;
    this.#flushScheduled = true;
    setImmediate(
      this.#guard.handler(() => {
        this.#flushScheduled = false;
        this.#flush();
      }),
    );
  }

  #flush(): void {
    if (this.#ended || this.#blocked) return;
    const { controller } = this.#context;
    for (let head = this.#open.peek(); head && controller.isSettled(head.key); head = this.#open.peek()) {
      this.#open.shift();
    }
    const head = this.#open.peek();
    const settled = head === undefined ? this.#received : head.revision - 1n;
    const applied = settled < this.#stored ? settled : this.#stored;
    if (applied > this.#applied) this.#respond(applied);
    this.#finishIfDone();
    if (this.#news.size + this.#pending.size === 0) return;
    this.#statusTimer ??= setTimeout(
      this.#guard.handler(() => {
        this.#statusTimer = undefined;
        if (this.#blocked) return;
        for (const key of this.#pending) this.#news.add(key);
        this.#pending.clear();
        this.#respond(this.#applied, true);
      }),
      STATUS_DELAY_MS,
    );
  }

  /** Sends statuses, and at last the revision that they belong to. */
  #respond(applied: bigint, tellPending = false): void {
    let statuses: ObjectStatus[] = [];
    for (const key of this.#news) {
      const status = this.#context.controller.status(key);
      if (status?.state === 'pending' && !tellPending) {
        this.#pending.add(key);
        continue;
      }
      this.#pending.delete(key);
      if (!this.#isNews(key, status)) continue;
      statuses.push(toObjectStatus(key, status));
      if (statuses.length < MAX_STATUSES) continue;
      this.#write({ appliedRevision: this.#applied, statuses });
      statuses = [];
    }
    this.#news.clear();
    if (applied === this.#applied && statuses.length === 0) return;
    this.#applied = applied;
    this.#write({ appliedRevision: applied, statuses });
  }

  #isNews(key: ObjectKey, status: Status | undefined): status is Status {
    const told = this.#told.get(key);
    if (status === undefined) {
      this.#told.delete(key);
      return false;
    }
    this.#told.set(key, status);
    return told === undefined || !sameStatus(told, status);
  }

  #write(response: SyncResponse): void {
    if (this.#ended || this.#call.write(response) || this.#blocked) return;
    this.#blocked = true;
    this.#call.once(
      'drain',
      this.#guard.handler(() => {
        this.#blocked = false;
        this.#scheduleFlush();
      }),
    );
  }

  /** The agent says no more: ends the stream when everything it said is answered. */
  #finishIfDone(): void {
    const done = this.#inbox.size === 0 && this.#open.size === 0 && this.#applied === this.#received;
    if (!this.#halfClosed || this.#ended || !done) return;
    this.#close();
    this.#call.end();
  }

  #close(): void {
    this.#ended = true;
    clearTimeout(this.#statusTimer);
    this.#stopListening();
  }
}
