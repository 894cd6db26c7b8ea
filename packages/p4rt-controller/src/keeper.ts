import { Backoff, type BackoffOptions } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import { entityOfKey, insert, modify, P4rtError, remove, type WriteFailure } from '@infra-offload/p4rt';
import type { Entity, Update } from '@infra-offload/p4rt/proto';
import { type Cell, type Operation, type Outcome, Owner, Planner } from '@infra-offload/reconciler';
import { type Contents, type Row, rowModel } from './contents.js';
import type { Refusal } from './events.js';

/** The part of a P4Runtime session that is needed here. */
export interface Device {
  /** Rejects with P4rtError WRITE_FAILED when some updates failed. */
  write(updates: readonly Update[]): Promise<void>;
  read(entities: readonly Entity[]): AsyncIterable<Entity>;
}

export interface KeeperEvents {
  inSync(): void;
  refused(refusal: Refusal): void;
}

const BATCH = { updates: 1_024, bytes: Number.POSITIVE_INFINITY };

/** Writes to one device what the planner says, and reads back what it holds. Without a device, it knows what is wanted. */
export class Keeper {
  readonly #contents: Contents;
  readonly #events: KeeperEvents;
  readonly #planner = new Planner(rowModel);
  readonly #owner = new Owner<Row>('wanted');
  #wanted: readonly Row[] = [];
  /** `doubt` is aborted, with why, when what is known of the device is in doubt. */
  #attachment: { readonly device: Device; readonly doubt: AbortController } | undefined;
  #writing = false;
  #isInSync = false;
  readonly #refused: Cell<Row>[] = [];
  readonly #retry: Backoff;
  #retryTimer: NodeJS.Timeout | undefined;
  #audit: Promise<number> | undefined;
  readonly #guard = new Guard((error) => {
    this.#attachment?.doubt.abort(error);
    throw error;
  });
  readonly #pumpSoon = this.#guard.soon(() => this.#pump());

  /** @param retry waits before what was refused is tried again */
  constructor(contents: Contents, retry: BackoffOptions, events: KeeperEvents) {
    this.#retry = new Backoff(retry);
    this.#contents = contents;
    this.#events = events;
  }

  get isInSync(): boolean {
    return this.#isInSync;
  }

  setWanted(rows: readonly Row[]): void {
    this.#wanted = rows;
    this.#planner.setWanted(this.#owner, rows);
    this.#isInSync = false;
    this.#pumpSoon();
  }

  /**
   * Reads what the device holds, and makes it what is wanted from then on, until {@link detach}.
   * @returns a signal that is aborted, with why, when what the device holds is in doubt, and has to be read anew
   * @throws P4rtError if the device cannot be read
   */
  async attach(device: Device): Promise<AbortSignal> {
    const rows: Row[] = [];
    for await (const row of this.#read(device)) rows.push(row);
    const attachment = { device, doubt: new AbortController() };
    this.#attachment = attachment;
    this.#planner.reset(rows);
    this.#pumpSoon();
    return attachment.doubt.signal;
  }

  detach(): void {
    this.#attachment = undefined;
    this.#writing = false;
    this.#isInSync = false;
    this.#refused.length = 0;
    clearTimeout(this.#retryTimer);
    this.#retryTimer = undefined;
    this.#planner.detach();
  }

  /**
   * Compares what the device holds with what was written, and repairs it.
   * @returns how many entities differed; 0 without a device
   * @throws P4rtError if the device cannot be read
   */
  audit(): Promise<number> {
    this.#audit ??= this.#compare().finally(() => {
      this.#audit = undefined;
    });
    return this.#audit;
  }

  async #compare(): Promise<number> {
    const attachment = this.#attachment;
    if (attachment === undefined) return 0;
    const audit = this.#planner.beginAudit();
    let differing = 0;
    for await (const row of this.#read(attachment.device)) {
      if (attachment !== this.#attachment) return differing;
      if (this.#planner.auditRow(audit, row)) differing++;
    }
    if (attachment !== this.#attachment) return differing;
    differing += this.#planner.endAudit(audit, '');
    if (differing > 0) this.#isInSync = false;
    this.#pump();
    return differing;
  }

  async *#read(device: Device): AsyncGenerator<Row, void, void> {
    for await (const entity of device.read(this.#contents.reads(this.#wanted))) {
      const row = this.#contents.found(entity);
      if (row !== undefined) yield row;
    }
  }

  #pump(): void {
    const attachment = this.#attachment;
    if (attachment === undefined || this.#writing) return;
    const batch = this.#planner.nextBatch(BATCH);
    if (batch.length > 0) {
      this.#writing = true;
      this.#guard.run(() => this.#write(attachment, batch));
    } else if (this.#planner.settled && !this.#isInSync) {
      this.#isInSync = true;
      this.#retry.reset();
      this.#events.inSync();
    }
  }

  async #write(
    attachment: { readonly device: Device; readonly doubt: AbortController },
    batch: readonly Operation<Row>[],
  ): Promise<void> {
    let failures: readonly WriteFailure[] = [];
    let cause: unknown;
    try {
      await attachment.device.write(batch.map(updateOf));
    } catch (error) {
      if (!P4rtError.is(error, 'WRITE_FAILED')) {
        // The session ended before anything was sent, or the batch makes no sense to it.
        attachment.doubt.abort(error);
        return;
      }
      cause = error;
      failures = error.details.failures;
    }
    if (attachment !== this.#attachment) return;
    const outcomes = new Map(failures.map((failure) => [failure.index, failure]));
    for (const [index, operation] of batch.entries()) {
      const failure = outcomes.get(index);
      const outcome = failure === undefined ? DONE : outcomeOf(failure, operation.kind);
      if (outcome === undefined) attachment.doubt.abort(cause);
      this.#planner.report(operation, outcome ?? UNSENT);
      const isNews = operation.cell.failure?.attempts === 1 && operation.cell.state === 'failed';
      if (isNews) this.#events.refused(refusalOf(operation, operation.cell));
    }
    this.#writing = false;
    this.#refused.push(...this.#planner.takeFailed());
    if (this.#refused.length > 0) this.#retryLater();
    if (!attachment.doubt.signal.aborted) this.#pump();
  }

  #retryLater(): void {
    this.#retryTimer ??= setTimeout(
      this.#guard.handler(() => {
        this.#retryTimer = undefined;
        for (const cell of this.#refused.splice(0)) this.#planner.retry(cell);
        this.#pump();
      }),
      this.#retry.next(),
    );
  }
}

const DONE: Outcome = { kind: 'done' };
const UNSENT: Outcome = { kind: 'unsent' };

/** Default entries always exist: they are modified, and reset instead of deleted. */
function updateOf({ kind, row: { entity } }: Operation<Row>): Update {
  const isDefault = entity.entity?.$case === 'tableEntry' && entity.entity.value.isDefaultAction;
  if (kind === 'delete') return isDefault ? modify(entityOfKey(entity)) : remove(entityOfKey(entity));
  return kind === 'modify' || isDefault ? modify(entity) : insert(entity);
}

/** How an update ended; undefined if the failure is not about it, but about the connection, the role or the pipeline. */
function outcomeOf(failure: WriteFailure, kind: Operation<Row>['kind']): Outcome | undefined {
  const { code, sent, entry } = failure;
  if (!sent) return undefined;
  const told = { reason: 'WriteFailed' as const, message: `${entry}: ${code} ${failure.message}`.trimEnd() };
  switch (code) {
    case 'ALREADY_EXISTS':
      return kind === 'insert' ? { kind: 'exists' } : { kind: 'refused', ...told };
    case 'NOT_FOUND':
      return kind === 'insert' ? { kind: 'refused', ...told } : { kind: 'absent' };
    case 'UNKNOWN':
    case 'INTERNAL':
    case 'DEADLINE_EXCEEDED':
      return { kind: 'unknown', ...told };
    case 'UNAVAILABLE':
    case 'CANCELLED':
    case 'PERMISSION_DENIED':
    case 'UNAUTHENTICATED':
    case 'FAILED_PRECONDITION':
      return undefined;
    default:
      return { kind: 'refused', ...told };
  }
}

function refusalOf({ kind, row }: Operation<Row>, { failure }: Cell<Row>): Refusal {
  return { kind, entity: row.entity, message: failure?.message ?? '' };
}
