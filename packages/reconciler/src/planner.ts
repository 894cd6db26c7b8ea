import type { ManagerReason } from '@infra-offload/infra-api';
import type { Bundle } from './bundles.js';
import { CellTable } from './cell-table.js';
import { decide, type Surroundings } from './decide.js';
import type { BatchLimits, Cell, Operation, Outcome, Owner, RowKey, RowModel, Wish } from './model.js';

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
  readonly #table: CellTable<Row>;
  readonly #failed: Cell<Row>[] = [];
  readonly #contradictions = new Map<Cell<Row>, number>();
  #clock = 0;
  #mark = 0;
  #flying = 0;
  #attached = false;
  #keepsUnknown: boolean;
  readonly #surroundings: Surroundings<Row>;

  /** @param keepsUnknown whether rows that nobody has ever wanted stay until {@link forgetUnknown}. */
  constructor(model: RowModel<Row>, keepsUnknown = false) {
    this.#model = model;
    this.#table = new CellTable(model);
    this.#keepsUnknown = keepsUnknown;
    this.#surroundings = {
      cell: (key) => this.#table.get(key),
      bundle: (key) => this.#table.bundles.get(key),
      keepsUnknown: () => this.#keepsUnknown,
    };
  }

  /** Whether what nobody has ever wanted stays. */
  get keepsUnknown(): boolean {
    return this.#keepsUnknown;
  }

  /** Rows in the device that nobody has ever wanted, and that stay for now. */
  get kept(): number {
    return this.#keepsUnknown ? this.#table.kept : 0;
  }

  /** All that is wanted is known: what else is in the device goes. */
  forgetUnknown(): void {
    if (!this.#keepsUnknown) return;
    this.#keepsUnknown = false;
    for (const cell of [...this.#table.values()]) if (cell.isKept) this.#table.enqueue(cell);
  }

  /** Updates sent and not yet reported. */
  get flying(): number {
    return this.#flying;
  }

  /** Cells that are queued or flying for the first time, not as a retry. */
  get moving(): number {
    return this.#table.moving;
  }

  /** Whether the device holds what is wanted, as far as known: nothing moves, waits or failed. */
  get settled(): boolean {
    return this.#table.unsettled === 0;
  }

  cell(key: RowKey): Cell<Row> | undefined {
    return this.#table.get(key);
  }

  /** A bundle of which something is wanted, or in the device; see {@link RowModel.bundle}. */
  bundle(key: RowKey): Bundle | undefined {
    return this.#table.bundles.get(key);
  }

  /** Whether every row in the device, or on its way, that names a bundle is to name it. */
  isNamedAsWanted(bundle: RowKey): boolean {
    for (const key of this.bundle(bundle)?.namers.keys() ?? []) {
      const wanted = this.cell(key)?.wanted;
      if (wanted === undefined || this.#model.names?.(wanted) !== bundle) return false;
    }
    return true;
  }

  cells(): IterableIterator<Cell<Row>> {
    return this.#table.values();
  }

  /** Owners whose progress may have changed since the last call. */
  takeChangedOwners(): readonly Owner<Row>[] {
    return this.#table.takeChangedOwners();
  }

  /** Cells that failed since the last call; give them back to {@link retry} when it is time. */
  takeFailed(): readonly Cell<Row>[] {
    return this.#failed.splice(0);
  }

  /**
   * Replaces everything that `owner` wants. A row that another owner wants already is shared with it, and stays for as
   * long as anybody wants it. Where that one wants something else, the first to come wins and the others wait in line;
   * see {@link Owner.conflicts}.
   */
  setWanted(owner: Owner<Row>, rows: readonly Row[]): void {
    const mark = ++this.#mark;
    const cells: Cell<Row>[] = [];
    for (const row of rows) {
      const cell = this.#table.for(this.#model.key(row), row);
      if (cell.mark === mark) continue;
      cell.mark = mark;
      cells.push(cell);
      if (cell.owner !== owner && cell.owner !== undefined && cell.wanted !== undefined)
        this.#join(cell, row, owner);
      else this.#want(cell, row, owner);
    }
    for (const cell of owner.cells) {
      if (cell.mark === mark) continue;
      if (cell.owner !== owner) {
        this.#setLine(
          cell,
          cell.others.filter((wish) => wish.owner !== owner),
        );
        continue;
      }
      const [heir, ...others] = cell.others;
      if (heir === undefined) {
        cells.push(cell);
        this.#want(cell, undefined, owner);
      } else {
        this.#setLine(cell, others);
        this.#want(cell, heir.row, heir.owner);
      }
    }
    owner.cells = cells;
    this.#table.changed(owner);
  }

  /**
   * The next updates that may be sent, in any order and at the same time as those already flying. Inserts of low
   * phases come first, then deletes of high ones. Empty if everything waits or is settled.
   */
  nextBatch(limits: BatchLimits): Operation<Row>[] {
    const batch: Operation<Row>[] = [];
    if (!this.#attached) return batch;
    let bytes = 0;
    for (let cell = this.#table.next(); cell !== undefined; cell = this.#table.next()) {
      const operation = this.#evaluate(cell);
      if (operation === undefined) continue;
      batch.push(operation);
      bytes += this.#model.bytes(operation.row);
      if (batch.length >= limits.updates || bytes >= limits.bytes) break;
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
        if (kind !== 'delete') this.#table.count(row, -1);
        this.#arrived(cell, undefined, false);
        if (kind !== 'delete') this.#contradicted(cell, 'the device has no such entry to change');
        break;
      case 'exists':
        this.#table.count(row, -1);
        cell.exists = true;
        this.#contradicted(cell, 'the device has such an entry already');
        break;
      case 'refused':
        if (kind !== 'delete') this.#table.count(row, -1);
        this.#refused(operation, outcome.reason, outcome.message);
        break;
      case 'unknown':
        if (kind === 'delete') this.#table.count(row, 1);
        cell.doubtful = [...cell.doubtful, row];
        this.#refused(operation, outcome.reason, outcome.message);
        break;
      case 'unsent':
        if (kind !== 'delete') this.#table.count(row, -1);
        break;
    }
    const sought = kind === 'delete' ? undefined : row;
    if (outcome.kind === 'done' && cell.wanted === sought) this.#settle(cell);
    else if (cell.state !== 'failed') this.#table.enqueue(cell);
    this.#table.wake(cell.key);
  }

  /** Tries a failed cell again. */
  retry(cell: Cell<Row>): void {
    if (cell.state === 'failed') this.#table.enqueue(cell);
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
    this.#table.forgetRelations();
    this.#contradictions.clear();
    for (const cell of this.#table.values()) {
      cell.installed = undefined;
      cell.doubtful = [];
      cell.exists = false;
      cell.flight = undefined;
      cell.failure = undefined;
      cell.dependents = 0;
      cell.waitingFor = undefined;
      cell.touched = this.#clock;
      this.#table.move(cell, 'queued');
    }
    for (const row of installed) {
      const cell = this.#table.for(this.#model.key(row), row);
      cell.installed = row;
      this.#table.move(cell, 'queued');
    }
    for (const cell of this.#table.values())
      if (cell.installed !== undefined) this.#table.count(cell.installed, 1);
    for (const cell of [...this.#table.values()]) this.#settleOrQueue(cell);
  }

  /** The device is away: forgets what flies, and everything is pending until {@link reset}. */
  detach(): void {
    this.#attached = false;
    this.#failed.length = 0;
    this.#flying = 0;
    for (const cell of this.#table.values()) {
      cell.flight = undefined;
      cell.failure = undefined;
      this.#table.move(cell, 'queued');
    }
  }

  /** Begins the audit of one table; what changes from now on is left out of it. One audit at a time. */
  beginAudit(): number {
    this.#table.forgotten = new Set();
    return ++this.#clock;
  }

  /** Compares a row read from the device. Returns whether it was not what the planner believed. */
  auditRow(audit: number, row: Row): boolean {
    const key = this.#model.key(row);
    const known = this.#table.get(key);
    if (
      known === undefined
        ? this.#table.forgotten?.has(key)
        : known.flight !== undefined || known.touched > audit
    )
      return false;
    if (known !== undefined) known.seen = audit;
    if (known?.installed !== undefined && this.#model.equal(known.installed, row)) return false;
    const cell = this.#table.for(key, row);
    cell.seen = audit;
    this.#arrived(cell, row, false);
    this.#table.enqueue(cell);
    return true;
  }

  /** Finds the rows of a table that the device lost. Returns how many. */
  endAudit(audit: number, table: string): number {
    this.#table.forgotten = undefined;
    let lost = 0;
    for (const cell of this.#table.values()) {
      const { installed } = cell;
      if (installed === undefined || cell.seen === audit || cell.flight !== undefined || cell.touched > audit)
        continue;
      if (this.#model.table(installed) !== table) continue;
      this.#arrived(cell, undefined, false);
      this.#table.enqueue(cell);
      lost++;
    }
    return lost;
  }

  #want(cell: Cell<Row>, row: Row | undefined, owner: Owner<Row>): void {
    const { wanted } = cell;
    const same =
      wanted === row || (wanted !== undefined && row !== undefined && this.#model.equal(wanted, row));
    if (same && cell.owner === owner) {
      if (row === undefined || wanted === undefined || row === wanted) return;
      // What it requires may differ all the same.
      cell.wanted = row;
      if (this.#attached && !this.#sameRequirements(row, wanted)) this.#table.enqueue(cell);
      return;
    }
    this.#table.disown(cell);
    cell.owner = owner;
    cell.wanted = row;
    if (!same) cell.failure = undefined;
    if (cell.others.length > 0) cell.others = cell.others.map((wish) => this.#judged(cell, wish));
    this.#table.own(cell);
    if (cell.flight === undefined) this.#settleOrQueue(cell);
  }

  /** Puts an owner in the line of a cell that has another one, or changes its wish there. */
  #join(cell: Cell<Row>, row: Row, owner: Owner<Row>): void {
    const known = cell.others.find((wish) => wish.owner === owner);
    if (known !== undefined && this.#model.equal(known.row, row)) return;
    const wish = { owner, row, agrees: false };
    this.#setLine(
      cell,
      known === undefined
        ? [...cell.others, wish]
        : cell.others.map((other) => (other === known ? wish : other)),
    );
  }

  #setLine(cell: Cell<Row>, line: readonly Wish<Row>[]): void {
    const { owner, bucket } = cell;
    this.#table.disown(cell);
    cell.owner = owner;
    cell.others = line.map((wish) => this.#judged(cell, wish));
    this.#table.own(cell, bucket === 'blocked');
  }

  #judged(cell: Cell<Row>, { owner, row }: Wish<Row>): Wish<Row> {
    return { owner, row, agrees: cell.wanted !== undefined && this.#model.equal(cell.wanted, row) };
  }

  /** Queues a cell, or settles it at once if there is nothing to do. */
  #settleOrQueue(cell: Cell<Row>): void {
    const { installed, wanted } = cell;
    if (!this.#attached) this.#table.move(cell, 'queued');
    else if (wanted === undefined && installed === undefined && cell.doubtful.length === 0)
      this.#settle(cell);
    else if (wanted !== undefined && installed !== undefined && this.#isInstalled(cell, wanted))
      this.#settle(cell);
    else this.#table.enqueue(cell);
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

  /** Decides about a queued cell; returns the update to send, if there is one. */
  #evaluate(cell: Cell<Row>): Operation<Row> | undefined {
    const decision = decide(cell, this.#model, this.#surroundings);
    switch (decision.kind) {
      case 'settled':
        this.#settle(cell);
        return undefined;
      case 'kept':
        this.#table.stopWaiting(cell);
        this.#table.move(cell, 'idle');
        return undefined;
      case 'wait':
        this.#table.wait(cell, decision.key, decision.blocked);
        return undefined;
      case 'wait-for-dependents':
      case 'wait-for-owner':
        this.#table.move(cell, 'waiting');
        return undefined;
      case 'write': {
        const { operation } = decision;
        if (operation.kind !== 'delete') this.#table.count(operation.row, 1);
        cell.flight = operation;
        cell.touched = ++this.#clock;
        this.#flying++;
        this.#table.move(cell, 'flying');
        return operation;
      }
    }
  }

  #settle(cell: Cell<Row>): void {
    this.#table.stopWaiting(cell);
    this.#adopt(cell);
    cell.failure = undefined;
    if (this.#contradictions.size > 0) this.#contradictions.delete(cell);
    this.#table.move(cell, 'idle');
    this.#table.wake(cell.key);
    this.#table.forgetIfEmpty(cell);
  }

  /** Takes what is installed for what is wanted, which it equals, with what that requires. */
  #adopt(cell: Cell<Row>): void {
    const { wanted, installed } = cell;
    if (wanted === undefined || installed === undefined || wanted === installed) return;
    cell.installed = wanted;
    if (this.#sameRequirements(wanted, installed)) return;
    this.#table.count(wanted, 1);
    this.#table.count(installed, -1);
  }

  #sameRequirements(a: Row, b: Row): boolean {
    const other = this.#model.requires(b);
    const own = this.#model.requires(a);
    return own.length === other.length && own.every((key, i) => key === other[i]);
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
      if (!counted) this.#table.count(installed, 1);
    }
    if (before !== undefined) this.#table.count(before, -1);
    for (const row of doubtful) this.#table.count(row, -1);
  }

  #refused(operation: Operation<Row>, reason: ManagerReason, message: string): void {
    const { cell } = operation;
    const wanted = operation.kind === 'delete' ? cell.wanted === undefined : cell.wanted !== undefined;
    // What was refused is no longer wanted: the new wish deserves an attempt at once.
    if (!wanted) return;
    cell.failure = { reason, message, attempts: (cell.failure?.attempts ?? 0) + 1 };
    this.#table.move(cell, 'failed');
    this.#failed.push(cell);
  }

  #contradicted(cell: Cell<Row>, message: string): void {
    const times = (this.#contradictions.get(cell) ?? 0) + 1;
    this.#contradictions.set(cell, times);
    if (times <= MAX_CONTRADICTIONS) return;
    cell.failure = { reason: 'WriteFailed', message, attempts: times - MAX_CONTRADICTIONS };
    this.#table.move(cell, 'failed');
    this.#failed.push(cell);
  }
}
