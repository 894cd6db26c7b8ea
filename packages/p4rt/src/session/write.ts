import { entityEquals } from '../entity-equals.js';
import { P4rtError, type P4rtErrorCode, type WriteFailure } from '../errors.js';
import { type Entity, type Update, Update_Type } from '../gen/p4/v1/p4runtime.js';
import { isServiceError } from '../rpc.js';
import { type UpdateStatus, updateStatuses } from './update-status.js';
import type { Batch } from './write-plan.js';

/** A failure before it is put into words. */
export type RawFailure = Omit<WriteFailure, 'entry' | 'update'>;
type FailureCode = WriteFailure['code'];

export interface WriteTransport {
  /**
   * Sends encoded updates as one Write, and waits for `patience` (0 to 1) of the deadline. Rejects with a P4rtError
   * whose cause is grpc-js's ServiceError.
   */
  send(encoded: readonly Uint8Array[], patience: number): Promise<void>;
  /** After a send without an answer: makes sure that the connection works. Tells whether one does. */
  recover(): Promise<boolean>;
  /** Reads one entity, to tell what became of a write without an answer. */
  readBack(entity: Entity): Promise<Entity | undefined>;
}

export interface WriteRunOptions {
  /** How many batches may be under way at a time. */
  readonly concurrency: number;
  /** Whether the server goes on after a failed update, so that parts of a batch may be sent again. */
  readonly divisible: boolean;
}

/** Codes that say nothing of the updates: the next batch would fare no better. */
const HOPELESS: ReadonlySet<P4rtErrorCode> = new Set<P4rtErrorCode>([
  'UNAVAILABLE',
  'CANCELLED',
  'UNAUTHENTICATED',
  'PERMISSION_DENIED',
]);

/** Sends batches and finds out what became of each update. Gives the failures, in the order of their indexes. */
export async function writeBatches(
  batches: readonly Batch[],
  transport: WriteTransport,
  options: WriteRunOptions,
): Promise<readonly RawFailure[]> {
  const run = new WriteRun(transport, options);
  const underWay = new Set<Promise<void>>();
  for (const batch of batches) {
    if (batch.barrier) await Promise.all(underWay);
    while (underWay.size >= options.concurrency) await Promise.race(underWay);
    const sent = run.batch(batch).finally(() => underWay.delete(sent));
    underWay.add(sent);
  }
  await Promise.all(underWay);
  return run.failures.sort((a, b) => a.index - b.index);
}

/** Share of the deadline that any part of a batch gets. */
const MIN_PATIENCE = 0.25;

/** How often parts of one batch may be sent again, so that a server that never answers does not cost for ever. */
interface Budget {
  sends: number;
  timeouts: number;
}

class WriteRun {
  readonly failures: RawFailure[] = [];
  readonly #transport: WriteTransport;
  readonly #divisible: boolean;
  #hopeless: P4rtError | undefined;

  constructor(transport: WriteTransport, options: WriteRunOptions) {
    this.#transport = transport;
    this.#divisible = options.divisible;
  }

  async batch(batch: Batch): Promise<void> {
    const count = batch.updates.length;
    const depth = Math.ceil(Math.log2(count));
    // One update that hangs costs depth + 1 timeouts.
    const budget: Budget = { sends: 8 * depth, timeouts: depth + 2 };
    await this.#send(batch, 0, count, budget, false);
  }

  /** Sends the updates from `from` up to `to` of a batch. `again` if some of them may have been written before. */
  async #send(batch: Batch, from: number, to: number, budget: Budget, again: boolean): Promise<void> {
    if (this.#hopeless !== undefined) {
      this.#failAll(batch, from, to, this.#hopeless, again);
      return;
    }
    // Parts of a batch take less time than all of it.
    const patience = Math.max(MIN_PATIENCE, (to - from) / batch.updates.length);
    try {
      await this.#transport.send(batch.encoded.slice(from, to), patience);
    } catch (error) {
      if (!P4rtError.is(error)) throw error;
      await this.#failed(batch, from, to, error, budget, again);
    }
  }

  async #failed(
    batch: Batch,
    from: number,
    to: number,
    error: P4rtError,
    budget: Budget,
    again: boolean,
  ): Promise<void> {
    const count = to - from;
    const statuses = isServiceError(error.cause) ? updateStatuses(error.cause, count) : undefined;
    if (statuses !== undefined) {
      for (const [i, one] of statuses.entries()) await this.#judge(batch, from + i, one, error, again);
      return;
    }
    if (error.code === 'DEADLINE_EXCEEDED') budget.timeouts--;
    if (HOPELESS.has(error.code) || budget.timeouts < 0) this.#hopeless = error;
    else if (error.code === 'DEADLINE_EXCEEDED' && !(await this.#transport.recover())) this.#hopeless = error;
    if (count === 1) {
      const own: UpdateStatus = { kind: 'failed', code: codeOf(error), message: serverMessage(error) };
      await this.#judge(batch, from, own, error, again);
      return;
    }
    budget.sends -= 2;
    if (this.#hopeless !== undefined || budget.sends < 0 || !this.#divisible) {
      this.#failAll(batch, from, to, error, true);
      return;
    }
    // The server did not tell which update failed: halve until it is alone. Error details of over 60,000 bytes do
    // not even arrive, and take the connection with them; smaller batches have smaller details.
    const middle = from + Math.ceil(count / 2);
    await this.#send(batch, from, middle, budget, true);
    await this.#send(batch, middle, to, budget, true);
  }

  async #judge(batch: Batch, at: number, one: UpdateStatus, error: P4rtError, again: boolean): Promise<void> {
    switch (one.kind) {
      case 'ok':
        return;
      case 'failed': {
        const update = batch.updates[at];
        if (again && update !== undefined && (await this.#writtenBefore(update, one.code))) return;
        const { code, message, target } = one;
        this.failures.push({
          index: batch.start + at,
          code,
          message,
          sent: true,
          ...(target === undefined ? {} : { target }),
        });
        return;
      }
      case 'unknown':
        this.failures.push({
          index: batch.start + at,
          code: codeOf(error),
          message: `the server gave no status for this update: ${serverMessage(error)}`,
          sent: true,
        });
        return;
      default:
        one satisfies never;
    }
  }

  /** Whether an update that was sent twice failed only because the first time had done it. */
  async #writtenBefore(update: Update, code: FailureCode): Promise<boolean> {
    if (update.type === Update_Type.DELETE) return code === 'NOT_FOUND';
    if (update.type !== Update_Type.INSERT || code !== 'ALREADY_EXISTS' || update.entity === undefined)
      return false;
    try {
      const found = await this.#transport.readBack(update.entity);
      return found !== undefined && entityEquals(found, update.entity);
    } catch {
      return false;
    }
  }

  #failAll(batch: Batch, from: number, to: number, error: P4rtError, sent: boolean): void {
    const reason = serverMessage(error);
    const message = sent ? reason : `not sent, because an earlier batch failed: ${reason}`;
    for (let i = from; i < to; i++) {
      this.failures.push({ index: batch.start + i, code: codeOf(error), message, sent });
    }
  }
}

function codeOf(error: P4rtError): FailureCode {
  switch (error.code) {
    case 'INVALID':
    case 'UNKNOWN_NAME':
    case 'WRITE_FAILED':
    case 'PATH_SYNTAX':
    case 'MALFORMED':
      return 'UNKNOWN';
    default:
      return error.code;
  }
}

function serverMessage(error: P4rtError): string {
  return 'serverMessage' in error.details && typeof error.details.serverMessage === 'string'
    ? error.details.serverMessage
    : error.message;
}
