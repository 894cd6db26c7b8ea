import { decide } from './decide.js';
import { type Bucket, Cell, type CellState, type Operation, type Owner, type RowModel } from './model.js';
import { Queue } from './queue.js';

/** How an update ended. */
export type Outcome =
  | { readonly kind: 'done' }
  /** The device says no; it holds what it held before. */
  | { readonly kind: 'refused'; readonly reason: string; readonly message: string }
  /** The device has the entity that was to be inserted. */
  | { readonly kind: 'exists' }
  /** The device lacks the entity that was to be changed or deleted. */
  | { readonly kind: 'absent' }
  /** No answer: the device may hold either row. */
  | { readonly kind: 'unknown'; readonly reason: string; readonly message: string }
  /** It never reached the device. */
  | { readonly kind: 'unsent' };

/** How much one batch may hold. */
export interface BatchLimits {
  readonly updates: number;
  readonly bytes: number;
}

/** Answers in a row that contradict what the planner knows, before it waits like after a refusal. */
const MAX_CONTRADICTIONS = 2;

/**
 * Keeps what is wanted against what is installed and says what to write next. It begins without a device, with
 * everything pending, until {@link reset} tells what the device holds. It does no I/O and knows no time: the
 * executor sends its batches and reports how each update ended. Every operation costs as much as the rows that it
 * touches, however many there are.
 *
 * Two rules hold at every moment, whatever fails: no row in the device, or on its way, names one that is not there;
 * and nothing that is wanted is deleted.
 */
export class Planner<Row> {
  readonly #model: RowModel<Row>;
  readonly #cells = new Map<string, Cell<Row>>();
  readonly #rising: Queue<Cell<Row>>[];
  readonly #falling: Queue<Cell<Row>>[];
  /** Cells that wait, by the key they wait for. */
  readonly #waiters = new Map<string, Set<Cell<Row>>>();
  readonly #changed = new Set<Owner<Row>>();
  readonly #failed: Cell<Row>[] = [];
  /** Keys that went away during an audit: what it read of them is old. */
  #graves: Set<string> | undefined;
  readonly #contradictions = new Map<Cell<Row>, number>();
  #clock = 0;
  #mark = 0;
  #flying = 0;
  #unsettled = 0;
  #moving = 0;
  #attached = false;

  constructor(model: RowModel<Row>) {
    this.#model = model;
    this.#rising = Array.from({ length: model.phases }, () => new Queue<Cell<Row>>());
    this.#falling = Array.from({ length: model.phases }, () => new Queue<Cell<Row>>());
  }

  /** Updates sent and not yet reported. */
  get flying(): number {
    return this.#flying;
  }

  /** Cells that are queued or flying for the first time, not as a retry. */
  get moving(): number {
    return this.#moving;
  }

  /** Whether the device holds what is wanted, as far as known: nothing moves, waits or failed. */
  get settled(): boolean {
    return this.#unsettled === 0;
  }

  cell(key: string): Cell<Row> | undefined {
    return this.#cells.get(key);
  }

  cells(): IterableIterator<Cell<Row>> {
    return this.#cells.values();
  }

  /** Owners whose progress may have changed since the last call. */
  takeChangedOwners(): readonly Owner<Row>[] {
    const owners = [...this.#changed];
    this.#changed.clear();
    return owners;
  }

  /** Cells that failed since the last call; give them back to {@link retry} when it is time. */
  takeFailed(): readonly Cell<Row>[] {
    return this.#failed.splice(0);
  }

  /**
   * Replaces everything that `owner` wants. Rows that another owner wants already are left to that one.
   *
   * @returns the keys of those rows.
   */
  setWanted(owner: Owner<Row>, rows: readonly Row[]): readonly string[] {
    const mark = ++this.#mark;
    const cells: Cell<Row>[] = [];
    const conflicts: string[] = [];
    for (const row of rows) {
      const cell = this.#cellFor(this.#model.key(row), row);
      if (cell.mark === mark) continue;
      if (cell.owner !== owner && cell.owner !== undefined && cell.wanted !== undefined) {
        conflicts.push(cell.key);
        continue;
      }
      cell.mark = mark;
      cells.push(cell);
      this.#want(cell, row, owner);
    }
    for (const cell of owner.cells) {
      if (cell.owner !== owner || cell.mark === mark) continue;
      cells.push(cell);
      this.#want(cell, undefined, owner);
    }
    owner.cells = cells;
    this.#changed.add(owner);
    return conflicts;
  }

  /** Whether {@link nextBatch} has anything to look at. */
  get hasQueued(): boolean {
    return this.#rising.some((queue) => queue.size > 0) || this.#falling.some((queue) => queue.size > 0);
  }

  /**
   * The next updates that may be sent, in any order and at the same time as those already flying. Inserts of low
   * phases come first, then deletes of high ones. Empty if everything waits or is settled.
   */
  nextBatch(limits: BatchLimits): Operation<Row>[] {
    const batch: Operation<Row>[] = [];
    if (!this.#attached) return batch;
    let bytes = 0;
    for (const queue of this.#order()) {
      for (let cell = queue.shift(); cell !== undefined; cell = queue.shift()) {
        cell.inQueue = false;
        if (cell.state !== 'queued') continue;
        const operation = this.#evaluate(cell);
        if (operation === undefined) continue;
        batch.push(operation);
        bytes += this.#model.bytes(operation.row);
        if (batch.length >= limits.updates || bytes >= limits.bytes) return batch;
      }
    }
    return batch;
  }

  /** Reports how an update ended; once for every operation of {@link nextBatch}. */
  report(operation: Operation<Row>, outcome: Outcome): void {
    const { cell, row, kind } = operation;
    if (cell.flight !== operation) return;
    cell.flight = undefined;
    cell.touched = ++this.#clock;
    this.#flying--;
    switch (outcome.kind) {
      case 'done':
        this.#arrived(cell, kind === 'delete' ? undefined : row, kind !== 'delete');
        break;
      case 'absent':
        if (kind !== 'delete') this.#count(row, -1);
        this.#arrived(cell, undefined, false);
        if (kind !== 'delete') this.#contradicted(cell, 'the device has no such entry to change');
        break;
      case 'exists':
        this.#count(row, -1);
        cell.exists = true;
        this.#contradicted(cell, 'the device has such an entry already');
        break;
      case 'refused':
        if (kind !== 'delete') this.#count(row, -1);
        this.#refused(operation, outcome.reason, outcome.message);
        break;
      case 'unknown':
        if (kind === 'delete') this.#count(row, 1);
        cell.doubtful = [...cell.doubtful, row];
        this.#refused(operation, outcome.reason, outcome.message);
        break;
      case 'unsent':
        if (kind !== 'delete') this.#count(row, -1);
        break;
    }
    const sought = kind === 'delete' ? undefined : row;
    if (outcome.kind === 'done' && cell.wanted === sought) this.#settle(cell);
    else if (cell.state !== 'failed') this.#enqueue(cell);
    this.#wake(cell.key);
  }

  /** Tries a failed cell again. */
  retry(cell: Cell<Row>): void {
    if (cell.state === 'failed') this.#enqueue(cell);
  }

  /**
   * Starts anew from what a device holds: everything in flight is forgotten, and every difference is queued.
   * Owners keep what they want.
   */
  reset(installed: Iterable<Row>): void {
    this.#attached = true;
    this.#clock++;
    this.#flying = 0;
    this.#failed.length = 0;
    this.#waiters.clear();
    this.#contradictions.clear();
    for (const cell of this.#cells.values()) {
      cell.installed = undefined;
      cell.doubtful = [];
      cell.exists = false;
      cell.flight = undefined;
      cell.failure = undefined;
      cell.dependents = 0;
      cell.waitingFor = undefined;
      cell.touched = this.#clock;
      this.#move(cell, 'queued');
    }
    for (const row of installed) {
      const cell = this.#cellFor(this.#model.key(row), row);
      cell.installed = row;
      this.#move(cell, 'queued');
    }
    for (const cell of this.#cells.values()) if (cell.installed !== undefined) this.#count(cell.installed, 1);
    for (const cell of [...this.#cells.values()]) this.#settleOrQueue(cell);
  }

  /** The device is away: forgets what flies, and everything is pending until {@link reset}. */
  detach(): void {
    this.#attached = false;
    this.#failed.length = 0;
    this.#flying = 0;
    for (const cell of this.#cells.values()) {
      cell.flight = undefined;
      cell.failure = undefined;
      this.#move(cell, 'queued');
    }
  }

  /** Begins the audit of one table; what changes from now on is left out of it. One audit at a time. */
  beginAudit(): number {
    this.#graves = new Set();
    return ++this.#clock;
  }

  /** Compares a row read from the device. Returns whether it was not what the planner believed. */
  auditRow(audit: number, row: Row): boolean {
    const key = this.#model.key(row);
    const known = this.#cells.get(key);
    if (known === undefined ? this.#graves?.has(key) : known.flight !== undefined || known.touched > audit)
      return false;
    if (known !== undefined) known.seen = audit;
    if (known?.installed !== undefined && this.#model.equal(known.installed, row)) return false;
    const cell = this.#cellFor(key, row);
    cell.seen = audit;
    this.#arrived(cell, row, false);
    this.#enqueue(cell);
    return true;
  }

  /** Finds the rows of a table that the device lost. Returns how many. */
  endAudit(audit: number, table: string): number {
    this.#graves = undefined;
    let lost = 0;
    for (const cell of this.#cells.values()) {
      const { installed } = cell;
      if (installed === undefined || cell.seen === audit || cell.flight !== undefined || cell.touched > audit)
        continue;
      if (this.#model.table(installed) !== table) continue;
      this.#arrived(cell, undefined, false);
      this.#enqueue(cell);
      lost++;
    }
    return lost;
  }

  *#order(): Generator<Queue<Cell<Row>>> {
    yield* this.#rising;
    for (let phase = this.#falling.length - 1; phase >= 0; phase--) {
      const queue = this.#falling[phase];
      if (queue !== undefined) yield queue;
    }
  }

  #cellFor(key: string, row: Row): Cell<Row> {
    const cell = this.#cellNamed(key);
    cell.phase = this.#model.phase(row);
    return cell;
  }

  #cellNamed(key: string): Cell<Row> {
    let cell = this.#cells.get(key);
    if (cell === undefined) {
      cell = new Cell<Row>(key);
      this.#cells.set(key, cell);
    }
    return cell;
  }

  #want(cell: Cell<Row>, row: Row | undefined, owner: Owner<Row>): void {
    const { wanted } = cell;
    const same =
      wanted === row || (wanted !== undefined && row !== undefined && this.#model.equal(wanted, row));
    if (same && cell.owner === owner) return;
    this.#disown(cell);
    cell.owner = owner;
    cell.wanted = row;
    if (!same) cell.failure = undefined;
    this.#own(cell);
    if (cell.flight === undefined) this.#settleOrQueue(cell);
  }

  /** Queues a cell, or settles it at once if there is nothing to do. */
  #settleOrQueue(cell: Cell<Row>): void {
    const { installed, wanted } = cell;
    if (!this.#attached) this.#move(cell, 'queued');
    else if (wanted === undefined && installed === undefined && cell.doubtful.length === 0)
      this.#settle(cell);
    else if (wanted !== undefined && installed !== undefined && this.#isInstalled(cell, wanted))
      this.#settle(cell);
    else this.#enqueue(cell);
  }

  #isInstalled(cell: Cell<Row>, wanted: Row): boolean {
    const { installed } = cell;
    return (
      installed !== undefined &&
      cell.doubtful.length === 0 &&
      !cell.exists &&
      this.#model.requires(wanted).length === 0 &&
      this.#model.equal(installed, wanted)
    );
  }

  #enqueue(cell: Cell<Row>): void {
    if (cell.flight !== undefined) return;
    this.#stopWaiting(cell);
    this.#move(cell, 'queued');
    if (cell.inQueue) return;
    cell.inQueue = true;
    const queues = cell.wanted === undefined ? this.#falling : this.#rising;
    queues[cell.phase]?.push(cell);
  }

  /** Decides about a queued cell; returns the update to send, if there is one. */
  #evaluate(cell: Cell<Row>): Operation<Row> | undefined {
    const decision = decide(cell, this.#model, (key) => this.#cells.get(key));
    switch (decision.kind) {
      case 'settled':
        this.#settle(cell);
        return undefined;
      case 'wait':
        this.#wait(cell, decision.key, decision.blocked);
        return undefined;
      case 'wait-for-dependents':
      case 'wait-for-owner':
        this.#move(cell, 'waiting');
        return undefined;
      case 'write': {
        const { operation } = decision;
        if (operation.kind !== 'delete') this.#count(operation.row, 1);
        cell.flight = operation;
        cell.touched = ++this.#clock;
        this.#flying++;
        this.#move(cell, 'flying');
        return operation;
      }
    }
  }

  #settle(cell: Cell<Row>): void {
    this.#stopWaiting(cell);
    cell.failure = undefined;
    this.#contradictions.delete(cell);
    this.#move(cell, 'idle');
    this.#wake(cell.key);
    this.#forgetIfEmpty(cell);
  }

  #forgetIfEmpty(cell: Cell<Row>): void {
    if (cell.state !== 'idle' || cell.dependents > 0) return;
    if (cell.wanted !== undefined || cell.installed !== undefined) return;
    this.#disown(cell);
    this.#cells.delete(cell.key);
    this.#graves?.add(cell.key);
  }

  /** The device now holds `installed` under this key. `counted`: its requirements have been counted already. */
  #arrived(cell: Cell<Row>, installed: Row | undefined, counted: boolean): void {
    const before = cell.installed;
    const { doubtful } = cell;
    cell.installed = installed;
    cell.doubtful = [];
    cell.exists = false;
    if (installed !== undefined) {
      cell.failure = undefined;
      if (!counted) this.#count(installed, 1);
    }
    if (before !== undefined) this.#count(before, -1);
    for (const row of doubtful) this.#count(row, -1);
  }

  #refused(operation: Operation<Row>, reason: string, message: string): void {
    const { cell } = operation;
    const wanted = operation.kind === 'delete' ? cell.wanted === undefined : cell.wanted !== undefined;
    // What was refused is no longer wanted: the new wish deserves an attempt at once.
    if (!wanted) return;
    cell.failure = { reason, message, attempts: (cell.failure?.attempts ?? 0) + 1 };
    this.#move(cell, 'failed');
    this.#failed.push(cell);
  }

  #contradicted(cell: Cell<Row>, message: string): void {
    const times = (this.#contradictions.get(cell) ?? 0) + 1;
    this.#contradictions.set(cell, times);
    if (times <= MAX_CONTRADICTIONS) return;
    cell.failure = { reason: 'WriteFailed', message, attempts: times - MAX_CONTRADICTIONS };
    this.#move(cell, 'failed');
    this.#failed.push(cell);
  }

  #wait(cell: Cell<Row>, key: string, blocked: boolean): void {
    let waiters = this.#waiters.get(key);
    if (waiters === undefined) {
      waiters = new Set();
      this.#waiters.set(key, waiters);
    }
    waiters.add(cell);
    cell.waitingFor = key;
    this.#move(cell, 'waiting', blocked);
    if (blocked) this.#wake(cell.key);
  }

  #stopWaiting(cell: Cell<Row>): void {
    if (cell.waitingFor === undefined) return;
    const waiters = this.#waiters.get(cell.waitingFor);
    waiters?.delete(cell);
    if (waiters?.size === 0) this.#waiters.delete(cell.waitingFor);
    cell.waitingFor = undefined;
  }

  #wake(key: string): void {
    const waiters = this.#waiters.get(key);
    if (waiters === undefined) return;
    for (const cell of [...waiters]) this.#enqueue(cell);
  }

  /** Counts `row` in or out as a dependent of what it requires. */
  #count(row: Row, by: 1 | -1): void {
    for (const key of this.#model.requires(row)) {
      const cell = this.#cellNamed(key);
      cell.dependents += by;
      if (cell.dependents > 0 || by > 0) continue;
      if (cell.state === 'waiting' && cell.wanted === undefined) this.#enqueue(cell);
      else this.#forgetIfEmpty(cell);
    }
  }

  #move(cell: Cell<Row>, state: CellState, blocked = false): void {
    this.#unsettled += Number(state !== 'idle') - Number(cell.state !== 'idle');
    cell.state = state;
    const bucket = bucketOf(cell, blocked);
    if (bucket === cell.bucket) return;
    this.#moving += Number(bucket === 'moving') - Number(cell.bucket === 'moving');
    this.#unbucket(cell);
    cell.bucket = bucket;
    this.#bucket(cell);
  }

  #own(cell: Cell<Row>): void {
    cell.bucket = bucketOf(cell, false);
    this.#moving += Number(cell.bucket === 'moving');
    this.#bucket(cell);
  }

  #disown(cell: Cell<Row>): void {
    this.#unbucket(cell);
    this.#moving -= Number(cell.bucket === 'moving');
    cell.bucket = 'none';
    cell.owner = undefined;
  }

  #bucket(cell: Cell<Row>): void {
    const { owner, bucket } = cell;
    if (owner === undefined || bucket === 'none') return;
    owner[bucket]++;
    if (cell.wanted !== undefined && (bucket === 'moving' || bucket === 'waiting')) owner.rising++;
    this.#changed.add(owner);
  }

  #unbucket(cell: Cell<Row>): void {
    const { owner, bucket } = cell;
    if (owner === undefined || bucket === 'none') return;
    owner[bucket]--;
    this.#changed.add(owner);
    if (cell.wanted === undefined || (bucket !== 'moving' && bucket !== 'waiting')) return;
    owner.rising--;
    if (owner.rising > 0) return;
    for (const other of owner.cells) {
      if (other.owner === owner && other.wanted === undefined && other.state === 'waiting')
        this.#enqueue(other);
    }
  }
}

function bucketOf<Row>(cell: Cell<Row>, blocked: boolean): Bucket {
  if (cell.failure !== undefined) return 'failed';
  switch (cell.state) {
    case 'idle':
      return 'none';
    case 'queued':
    case 'flying':
      return 'moving';
    case 'waiting':
      return blocked ? 'blocked' : 'waiting';
    case 'failed':
      return 'failed';
  }
}
