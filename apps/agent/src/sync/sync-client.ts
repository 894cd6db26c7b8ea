import { type ClientDuplexStream, type ServiceError, status } from '@grpc/grpc-js';
import { Backoff, messageOf } from '@infra-offload/base';
import { failureText } from '@infra-offload/grpc';
import { Guard } from '@infra-offload/guard';
import type { OffloadClient, SyncRequest, SyncResponse } from '@infra-offload/infra-api';
import type { Logger } from 'pino';
import { since } from '../errors.js';
import { ChangeQueue } from './change-queue.js';
import type { SyncProgress } from './progress.js';
import type { StatusBook } from './status-book.js';
import { keyOf, type ObjectKey, type WantedState } from './wanted-state.js';

/** How far the manager follows. */
export type SyncState =
  | { readonly kind: 'stopped' }
  /** No stream. */
  | { readonly kind: 'disconnected'; readonly reason: string }
  /** The snapshot is under way. */
  | { readonly kind: 'synchronising' }
  /** The manager has the whole snapshot; changes go to it as they happen. */
  | { readonly kind: 'synchronised' };

export interface SyncClientOptions {
  readonly client: OffloadClient;
  readonly nodeName: string;
  readonly wanted: WantedState;
  readonly statuses: StatusBook;
  readonly logger: Logger;
  readonly progress?: SyncProgress;
  readonly backoff?: Backoff;
  /** Called with the seconds that a message took from sent to applied. */
  readonly onApplied?: (seconds: number) => void;
  readonly onStreamEnd?: () => void;
}

/** A stream that lived this long was good: the next attempt comes at once. */
const STABLE_MS = 5_000;

/** Keeps one Sync stream to the manager open, and tells on it what this node wants. */
export class SyncClient {
  readonly #options: SyncClientOptions;
  readonly #backoff: Backoff;
  readonly #waiting = new Set<() => void>();
  readonly #unsubscribe: () => void;
  readonly #guard = new Guard((error) => {
    this.#options.logger.error({ err: error }, 'internal error');
    this.#end(messageOf(error));
  });
  /** Ends the stream there is; another one is opened. */
  #end: (reason: string) => void = () => {};
  #state: SyncState = { kind: 'stopped' };
  #awaySince: Date | undefined;
  #stream: ClientDuplexStream<SyncRequest, SyncResponse> | undefined;
  #queue: ChangeQueue | undefined;
  #isPumpDue = false;
  #isBlocked = false;
  #retry: NodeJS.Timeout | undefined;
  /** When the revisions were sent that are not applied yet; milliseconds, monotonic. */
  #sentAt: { readonly revision: bigint; readonly at: number }[] = [];

  constructor(options: SyncClientOptions) {
    this.#options = options;
    this.#backoff = options.backoff ?? new Backoff({ initialMs: 100, maxMs: 5_000 });
    this.#unsubscribe = options.wanted.onChange((key) => {
      if (options.wanted.get(key) === undefined) options.statuses.forget(key);
      options.progress?.changed(key);
      this.#queue?.push(key);
      this.#schedulePump();
    });
  }

  get state(): SyncState {
    return this.#state;
  }

  /** Since when the manager has not followed; undefined if it does, or need not yet. */
  get awaySince(): Date | undefined {
    return this.#awaySince;
  }

  /** Why the manager does not follow, and since when; undefined if it does. */
  whyNotSynchronised(): string | undefined {
    const when = this.#awaySince && ` ${since(this.#awaySince)}`;
    switch (this.#state.kind) {
      case 'synchronised':
        return undefined;
      case 'disconnected':
        return `infra-manager is not connected${when}: ${this.#state.reason}`;
      case 'synchronising':
        return `infra-manager has not taken over the state of the node yet,${when}`;
      case 'stopped':
        return 'infra-manager has not taken over the state of the node yet';
      default:
        return this.#state satisfies never;
    }
  }

  start(): void {
    if (this.#state.kind !== 'stopped') return;
    this.#setState({ kind: 'disconnected', reason: 'not connected yet' });
    this.#open();
  }

  stop(): void {
    clearTimeout(this.#retry);
    this.#unsubscribe();
    const stream = this.#stream;
    this.#stream = undefined;
    this.#queue = undefined;
    stream?.cancel();
    this.#setState({ kind: 'stopped' });
  }

  /**
   * Resolves with true as soon as the manager has applied the snapshot and every change of `key`; with false if it
   * is not connected, or after `timeoutMs`.
   */
  async settled(key: ObjectKey, timeoutMs: number): Promise<boolean> {
    const deadline = performance.now() + timeoutMs;
    while (!(this.#queue?.isSettled(key) ?? false)) {
      const remaining = deadline - performance.now();
      if (this.#queue === undefined || remaining <= 0) return false;
      await this.#nextEvent(remaining);
    }
    return true;
  }

  #open(): void {
    const { client, logger, wanted } = this.#options;
    const openedAt = performance.now();
    const stream = client.sync();
    this.#stream = stream;
    this.#queue = new ChangeQueue(wanted);
    this.#sentAt = [];
    this.#isBlocked = false;
    this.#setState({ kind: 'synchronising' });
    let hasEnded = false;
    const end = (reason: string) => {
      if (hasEnded) return;
      hasEnded = true;
      if (this.#stream !== stream) return;
      this.#stream = undefined;
      this.#queue = undefined;
      if (performance.now() - openedAt >= STABLE_MS) this.#backoff.reset();
      const delayMs = this.#backoff.next();
      logger.warn({ reason, retryMs: Math.round(delayMs) }, 'no sync with the manager');
      this.#options.onStreamEnd?.();
      this.#setState({ kind: 'disconnected', reason });
      this.#retry = setTimeout(
        this.#guard.handler(() => this.#open()),
        delayMs,
      );
    };
    this.#end = (reason) => {
      end(reason);
      stream.cancel();
    };
    stream.on(
      'data',
      this.#guard.handler((response: SyncResponse) => {
        if (this.#stream === stream) this.#onResponse(response);
      }),
    );
    stream.on(
      'drain',
      this.#guard.handler(() => {
        if (this.#stream !== stream) return;
        this.#isBlocked = false;
        this.#schedulePump();
      }),
    );
    stream.on(
      'error',
      this.#guard.handler((error: ServiceError) => end(describeEnd(error))),
    );
    stream.once(
      'end',
      this.#guard.handler(() => this.#end('the manager ended the stream')),
    );
    this.#schedulePump();
  }

  #onResponse(response: SyncResponse): void {
    const queue = this.#queue;
    if (queue === undefined) return;
    const { wanted, statuses } = this.#options;
    for (const status of response.statuses) {
      // One that comes late may be about an object that is gone.
      if (status.object !== undefined && wanted.get(keyOf(status.object)) !== undefined)
        statuses.update(status);
    }
    const applied = queue.applied(response.appliedRevision);
    if (queue.isSnapshotApplied) {
      const isFirst = this.#state.kind === 'synchronising';
      this.#options.progress?.applied(isFirst ? 'all' : applied, (key) => queue.isSettled(key));
    }
    const now = performance.now();
    while (this.#sentAt[0] !== undefined && this.#sentAt[0].revision <= response.appliedRevision) {
      this.#options.onApplied?.((now - this.#sentAt[0].at) / 1000);
      this.#sentAt.shift();
    }
    if (queue.isSnapshotApplied && this.#state.kind === 'synchronising') {
      this.#backoff.reset();
      this.#options.logger.info({ objects: this.#options.wanted.size }, 'the manager has the snapshot');
      this.#setState({ kind: 'synchronised' });
      return;
    }
    this.#wake();
  }

  /** Changes of one run of code share a message. */
  #schedulePump(): void {
    if (this.#isPumpDue || this.#stream === undefined) return;
    this.#isPumpDue = true;
    setImmediate(
      this.#guard.handler(() => {
        this.#isPumpDue = false;
        this.#pump();
      }),
    );
  }

  /** Writes until all is said or the stream is full; what changes meanwhile waits in the queue, once per object. */
  #pump(): void {
    const { nodeName } = this.#options;
    while (this.#stream !== undefined && this.#queue !== undefined && !this.#isBlocked) {
      const changes = this.#queue.nextBatch(nodeName);
      if (changes.length === 0) return;
      this.#sentAt.push({ revision: this.#queue.revision, at: performance.now() });
      this.#isBlocked = !this.#stream.write({ changes });
    }
  }

  #setState(state: SyncState): void {
    this.#state = state;
    if (state.kind === 'synchronised' || state.kind === 'stopped') this.#awaySince = undefined;
    else this.#awaySince ??= new Date();
    this.#wake();
  }

  #wake(): void {
    for (const resume of [...this.#waiting]) resume();
  }

  #nextEvent(timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      this.#waiting.add(done);
    });
  }
}

function describeEnd(error: ServiceError): string {
  if (error.code === status.ABORTED) return `another agent has taken over the manager: ${error.details}`;
  return failureText(error);
}
