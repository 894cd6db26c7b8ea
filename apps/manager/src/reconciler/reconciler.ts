import { setImmediate as nextTurn } from 'node:timers/promises';
import { MultiMap, messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import { insert, modify, P4rtError, remove } from '@infra-offload/p4rt';
import type { Entity, Update } from '@infra-offload/p4rt/proto';
import {
  type Bundle,
  type Cell,
  type Operation,
  type Outcome,
  type Owner,
  Planner,
  type RowKey,
  type RowModel,
} from '@infra-offload/reconciler';
import type { Logger } from '../log.js';
import type { Epochs, FlowEpochs } from './epochs.js';
import { outcomeOf, type Suspicion } from './outcome.js';
import { RetrySchedule } from './retry.js';

/** The part of a P4Runtime session that the reconciler needs. */
export interface Device {
  /** Rejects with P4rtError WRITE_FAILED when some updates failed. */
  write(updates: readonly Update[]): Promise<void>;
  read(entities: readonly Entity[]): AsyncIterable<Entity>;
}

/** What rows are in P4. */
export interface RowCodec<Row> extends RowModel<Row> {
  readonly tables: readonly string[];
  toEntity(row: Row): Entity;
  fromEntity(entity: Entity): Row | undefined;
  readAll(table: string): readonly Entity[];
  readonly flows?: FlowEpochs<Row>;
}

export interface ReconcilerOptions {
  readonly batchUpdates: number;
  readonly batchBytes: number;
  readonly writesInFlight: number;
  readonly maxRetryMs: number;
  /**
   * Whether what the device holds and nobody has wanted stays until {@link Reconciler.forgetUnknown}. To be set as long as
   * not all that is wanted is known.
   */
  readonly keepsUnknown: boolean;
}

export interface ReconcilerEvents<Row> {
  /** What a device holds, before anything is written to it. */
  found(rows: readonly Row[]): void;
  /** The progress of these owners may have changed. */
  progressed(owners: readonly Owner<Row>[]): void;
  /** A write failed in a way that concerns the connection; the reconciler has stopped writing. */
  suspected(suspicion: Exclude<Suspicion, 'none'>): void;
}

/** Counts since the start. */
export interface ReconcilerStats {
  writeRequests: number;
  updatesWritten: number;
  updatesFailed: number;
  /** Entities that an audit found changed, lost or extra. */
  driftFound: number;
  lastFullSyncMs: number;
}

/** Longest time for which a failed update of the epoch waits until it is tried again. */
const EPOCH_RETRY_MS = 1_000;
/** Rows that an audit handles before others get a turn. */
const AUDIT_SLICE = 256;

/**
 * Carries out what the {@link Planner} says over a session: batches, several at a time, retries and audits.
 * Without a device it only keeps what is wanted.
 */
export class Reconciler<Row> {
  readonly stats: ReconcilerStats = {
    writeRequests: 0,
    updatesWritten: 0,
    updatesFailed: 0,
    driftFound: 0,
    lastFullSyncMs: 0,
  };
  readonly #codec: RowCodec<Row>;
  readonly #epochs: Epochs;
  readonly #options: ReconcilerOptions;
  readonly #events: ReconcilerEvents<Row>;
  readonly #logger: Logger;
  /** What is known of the device is not certain after an error of our own: it is read anew. */
  readonly #guard: Guard;
  readonly #pumpSoon: () => void;
  readonly #planner: Planner<Row>;
  readonly #retries: RetrySchedule<Row>;
  /** Cells that a full table refused, by table: the next deletion makes room for one. */
  readonly #refusedByFull = new MultiMap<string, Cell<Row>>();
  #device: Device | undefined;
  #writes = 0;
  #fullSyncStart: number | undefined;
  /** Flows may remember what is no longer so: the epoch has to be raised. */
  #isEpochDue = false;
  #epochRetry: NodeJS.Timeout | undefined;

  constructor(
    codec: RowCodec<Row>,
    epochs: Epochs,
    options: ReconcilerOptions,
    events: ReconcilerEvents<Row>,
    logger: Logger,
  ) {
    this.#codec = codec;
    this.#epochs = epochs;
    this.#options = options;
    this.#events = events;
    this.#logger = logger;
    this.#guard = new Guard((error) => {
      logger.error({ err: error }, 'internal error: synchronising again');
      this.detach();
      events.suspected('disconnected');
    });
    this.#pumpSoon = this.#guard.soon(() => this.#pump());
    this.#planner = new Planner(codec, options.keepsUnknown);
    const onDue = (cells: readonly Cell<Row>[]) => {
      for (const cell of cells) this.#planner.retry(cell);
      this.#pumpSoon();
    };
    this.#retries = new RetrySchedule(options.maxRetryMs, onDue, this.#guard);
  }

  /** Whether there is a device to write to. */
  get attached(): boolean {
    return this.#device !== undefined;
  }

  /** Whether the device holds everything wanted. */
  get inSync(): boolean {
    return this.attached && this.#planner.settled;
  }

  /** Entities on their way to the device, or about to leave. */
  get backlog(): number {
    return this.attached ? this.#planner.moving : 0;
  }

  /** Whether what nobody has wanted stays. */
  get keepsUnknown(): boolean {
    return this.#planner.keepsUnknown;
  }

  /** Entities in the device that nobody has wanted, and that stay for now. */
  get kept(): number {
    return this.#planner.kept;
  }

  /** All that is wanted is known: what else is in the device goes. */
  forgetUnknown(): void {
    this.#planner.forgetUnknown();
    this.#pumpSoon();
  }

  cells(): IterableIterator<Cell<Row>> {
    return this.#planner.cells();
  }

  cell(key: RowKey): Cell<Row> | undefined {
    return this.#planner.cell(key);
  }

  /** A bundle of which something is wanted, or in the device. */
  bundle(key: RowKey): Bundle | undefined {
    return this.#planner.bundle(key);
  }

  /** Whether nothing in the device is under a bundle but what is to be. */
  mayChangeInPlace(bundle: RowKey): boolean {
    return this.attached && this.#planner.isNamedAsWanted(bundle);
  }

  /** Replaces what an owner wants; see {@link Planner.setWanted}. The difference leaves in this turn of the event loop. */
  setWanted(owner: Owner<Row>, rows: readonly Row[]): void {
    this.#planner.setWanted(owner, rows);
    this.#pumpSoon();
  }

  /**
   * Reads a device back and keeps it equal to what is wanted from then on.
   *
   * @param valid asked after reading: whether the device is still ours to write.
   * @returns how many entities the device held.
   * @throws P4rtError when the device cannot be read.
   */
  async attach(device: Device, valid: () => boolean): Promise<number> {
    this.detach();
    const start = performance.now();
    const rows: Row[] = [];
    for (const table of this.#codec.tables) {
      for await (const entity of device.read(this.#codec.readAll(table))) {
        const row = this.#codec.fromEntity(entity);
        if (row !== undefined) rows.push(row);
      }
    }
    const epoch = await this.#readEpoch(device);
    if (!valid()) return rows.length;
    if (epoch !== undefined) this.#epochs.seen(epoch);
    else this.#isEpochDue = this.#codec.flows !== undefined;
    this.#events.found(rows);
    this.#planner.reset(rows);
    this.#device = device;
    this.#fullSyncStart = start;
    this.#pump();
    return rows.length;
  }

  /** Stops writing. What is wanted is kept and counts as pending. */
  detach(): void {
    if (this.#device === undefined) return;
    this.#device = undefined;
    this.#writes = 0;
    this.#fullSyncStart = undefined;
    this.#retries.clear();
    if (this.#epochRetry !== undefined) this.#raiseEpoch();
    this.#refusedByFull.clear();
    this.#planner.detach();
    this.#publish();
  }

  /**
   * Compares every table with the device, a slice at a time, and repairs what differs.
   *
   * @returns how many entities differed.
   */
  async audit(): Promise<number> {
    const device = this.#device;
    let drift = 0;
    for (const table of this.#codec.tables) {
      if (device === undefined || device !== this.#device) break;
      const audit = this.#planner.beginAudit();
      let found = 0;
      let handled = 0;
      for await (const entity of device.read(this.#codec.readAll(table))) {
        if (device !== this.#device) return drift;
        const row = this.#codec.fromEntity(entity);
        if (row !== undefined && this.#planner.auditRow(audit, row)) found++;
        if (++handled % AUDIT_SLICE === 0) await nextTurn();
      }
      if (device !== this.#device) return drift;
      found += this.#planner.endAudit(audit, table);
      if (found > 0)
        this.#logger.warn({ table, entities: found }, 'the device differed from what was written: repairing');
      drift += found;
      this.#pump();
    }
    this.stats.driftFound += drift;
    return drift;
  }

  #pump(): void {
    const { batchUpdates: updates, batchBytes: bytes, writesInFlight } = this.#options;
    while (this.#device !== undefined && this.#writes < writesInFlight) {
      const batch = this.#planner.nextBatch({ updates, bytes });
      if (batch.length === 0 && !this.#isEpochDue) break;
      const device = this.#device;
      this.#guard.run(() => this.#send(device, batch));
    }
    this.#publish();
    if (this.#writes === 0 && this.#fullSyncStart !== undefined) {
      this.stats.lastFullSyncMs = Math.round(performance.now() - this.#fullSyncStart);
      this.#fullSyncStart = undefined;
      this.#logger.info(
        { ms: this.stats.lastFullSyncMs, updates: this.stats.updatesWritten },
        'synchronised',
      );
    }
  }

  async #send(device: Device, batch: readonly Operation<Row>[]): Promise<void> {
    this.#writes++;
    this.stats.writeRequests++;
    const outcomes = await this.#write(device, batch);
    // Detached meanwhile: the planner has forgotten these operations, and the count has begun anew.
    if (device !== this.#device) return;
    this.#writes--;
    let suspicion: Suspicion = 'none';
    batch.forEach((operation, i) => {
      const { outcome, suspicion: suspected } = outcomes(i);
      if (suspected !== 'none') suspicion = suspected;
      this.#planner.report(operation, outcome);
      if (outcome.kind === 'done') this.stats.updatesWritten++;
      else this.stats.updatesFailed++;
      if (outcome.kind === 'done' && operation.kind === 'delete') this.#makeRoom(operation.row);
    });
    for (const cell of this.#planner.takeFailed()) this.#failed(cell);
    if (suspicion === 'none') {
      this.#pump();
      return;
    }
    if (suspicion !== 'pipeline') this.detach();
    else this.#pump();
    this.#events.suspected(suspicion);
  }

  /** Sends one batch; never throws. Gives the outcome of each of its operations. */
  async #write(device: Device, batch: readonly Operation<Row>[]): Promise<(i: number) => Answer> {
    const updates: Update[] = [];
    /** Place of each update in the batch, and what became of operations that are no update. */
    const places: number[] = [];
    const answers = new Map<number, Answer>();
    for (const [i, operation] of batch.entries()) {
      try {
        updates.push(this.#update(operation));
        places.push(i);
      } catch (error) {
        answers.set(i, refused(messageOf(error)));
      }
    }
    // In the same request, and after all else: no flow is checked before what it is checked against is there.
    const { flows } = this.#codec;
    const raises =
      flows !== undefined && (this.#isEpochDue || batch.some((update) => flows.outdatedBy(update)));
    if (raises) updates.push(modify(flows.entity(this.#epochs.next())));
    if (raises) this.#isEpochDue = false;
    try {
      if (updates.length > 0) await device.write(updates);
    } catch (error) {
      const failed = P4rtError.is(error, 'WRITE_FAILED') ? error.details.failures : undefined;
      if (raises && (failed?.some(({ index }) => index === updates.length - 1) ?? true)) this.#retryEpoch();
      if (failed !== undefined) {
        for (const failure of failed) {
          const place = places[failure.index];
          const operation = place === undefined ? undefined : batch[place];
          if (place !== undefined && operation !== undefined)
            answers.set(place, outcomeOf(failure, operation));
        }
      } else if (P4rtError.is(error, 'UNAVAILABLE', 'CANCELLED')) {
        for (const place of places)
          answers.set(place, { outcome: { kind: 'unsent' }, suspicion: 'disconnected' });
      } else {
        this.#logger.error({ err: error, updates: updates.length }, 'a batch could not be sent');
        for (const place of places) answers.set(place, refused(messageOf(error)));
      }
    }
    return (i) => answers.get(i) ?? DONE;
  }

  /** The epoch of a device; undefined if it has none of ours. */
  async #readEpoch(device: Device): Promise<number | undefined> {
    const { flows } = this.#codec;
    if (flows === undefined) return undefined;
    for await (const entity of device.read([flows.read])) return flows.of(entity);
    return undefined;
  }

  /** To be called when an update of the epoch has failed. */
  #retryEpoch(): void {
    const delay = Math.min(EPOCH_RETRY_MS, this.#options.maxRetryMs);
    this.#epochRetry ??= setTimeout(
      this.#guard.handler(() => {
        this.#raiseEpoch();
        this.#pumpSoon();
      }),
      delay,
    );
  }

  #raiseEpoch(): void {
    clearTimeout(this.#epochRetry);
    this.#epochRetry = undefined;
    this.#isEpochDue = true;
  }

  #update({ kind, row }: Operation<Row>): Update {
    const entity = this.#codec.toEntity(row);
    return kind === 'insert' ? insert(entity) : kind === 'modify' ? modify(entity) : remove(entity);
  }

  #failed(cell: Cell<Row>): void {
    const { failure, wanted } = cell;
    if (failure === undefined) return;
    this.#retries.add(cell);
    if (failure.attempts === 1) {
      this.#logger.warn({ object: cell.owner?.key, reason: failure.reason }, failure.message);
    }
    if (failure.reason !== 'TableFull' || wanted === undefined) return;
    this.#refusedByFull.add(this.#codec.table(wanted), cell);
  }

  #makeRoom(deleted: Row): void {
    const table = this.#codec.table(deleted);
    for (const cell of this.#refusedByFull.get(table)) {
      this.#refusedByFull.delete(table, cell);
      if (cell.state !== 'failed' || cell.failure?.reason !== 'TableFull') continue;
      this.#planner.retry(cell);
      return;
    }
  }

  #publish(): void {
    const owners = this.#planner.takeChangedOwners();
    if (owners.length > 0) this.#events.progressed(owners);
  }
}

interface Answer {
  readonly outcome: Outcome;
  readonly suspicion: Suspicion;
}

const DONE: Answer = { outcome: { kind: 'done' }, suspicion: 'none' };

function refused(message: string): Answer {
  return { outcome: { kind: 'refused', reason: 'WriteFailed', message }, suspicion: 'none' };
}
