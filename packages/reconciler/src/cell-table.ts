import { MultiMap, Queue } from '@infra-offload/base';
import { Bundles } from './bundles.js';
import { type Bucket, Cell, type CellState, type Owner, type RowKey, type RowModel } from './model.js';

/**
 * The cells of a planner: by key, in queues by phase, waiting for one another, and counted by their owners. It decides
 * nothing.
 */
export class CellTable<Row> {
  readonly #model: RowModel<Row>;
  readonly #cells = new Map<RowKey, Cell<Row>>();
  readonly #rising: readonly Queue<Cell<Row>>[];
  readonly #falling: readonly Queue<Cell<Row>>[];
  /** Cells that wait, by the key they wait for. */
  readonly #waiters = new MultiMap<RowKey, Cell<Row>>();
  readonly #changed = new Set<Owner<Row>>();
  #unsettled = 0;
  #moving = 0;
  /** Keys of cells that were forgotten; collected while somebody wants to know. */
  forgotten: Set<RowKey> | undefined;
  readonly bundles: Bundles<Row>;

  constructor(model: RowModel<Row>) {
    this.#model = model;
    this.bundles = new Bundles(model, (key) => this.wake(key));
    this.#rising = Array.from({ length: model.phases }, () => new Queue<Cell<Row>>());
    this.#falling = Array.from({ length: model.phases }, () => new Queue<Cell<Row>>());
  }

  /** Cells that are queued or flying for the first time, not as a retry. */
  get moving(): number {
    return this.#moving;
  }

  /** Cells that are not idle. */
  get unsettled(): number {
    return this.#unsettled;
  }

  /** Cells in the device that nobody wants, and that stay. */
  get kept(): number {
    let kept = 0;
    for (const cell of this.#cells.values()) kept += Number(cell.isKept);
    return kept;
  }

  get(key: RowKey): Cell<Row> | undefined {
    return this.#cells.get(key);
  }

  values(): IterableIterator<Cell<Row>> {
    return this.#cells.values();
  }

  /** Owners of cells that changed since the last call. */
  takeChangedOwners(): readonly Owner<Row>[] {
    const owners = [...this.#changed];
    this.#changed.clear();
    return owners;
  }

  /** Notes that an owner is to be told of, whatever its cells do. */
  changed(owner: Owner<Row>): void {
    this.#changed.add(owner);
  }

  /** The cell of a row, made if need be. */
  for(key: RowKey, row: Row): Cell<Row> {
    const cell = this.named(key);
    cell.phase = this.#model.phase(row);
    this.bundles.assign(cell, row);
    return cell;
  }

  /** The cell of a key whose row may not be known. */
  named(key: RowKey): Cell<Row> {
    let cell = this.#cells.get(key);
    if (cell === undefined) {
      cell = new Cell<Row>(key);
      this.#cells.set(key, cell);
    }
    return cell;
  }

  /** The next queued cell: writes of low phases first, then deletions of high ones. */
  next(): Cell<Row> | undefined {
    for (const queue of this.#rising) {
      const cell = shiftQueued(queue);
      if (cell !== undefined) return cell;
    }
    for (let phase = this.#falling.length - 1; phase >= 0; phase--) {
      const queue = this.#falling[phase];
      const cell = queue && shiftQueued(queue);
      if (cell !== undefined) return cell;
    }
    return undefined;
  }

  /** Has a cell looked at, unless it is flying. */
  enqueue(cell: Cell<Row>): void {
    if (cell.flight !== undefined) return;
    this.stopWaiting(cell);
    this.move(cell, 'queued');
    if (cell.inQueue) return;
    cell.inQueue = true;
    const queues = cell.wanted === undefined ? this.#falling : this.#rising;
    queues[cell.phase]?.push(cell);
  }

  /** Drops a cell that stands for nothing any more. */
  forgetIfEmpty(cell: Cell<Row>): void {
    if (cell.state !== 'idle' || cell.dependents > 0) return;
    if (cell.wanted !== undefined || cell.installed !== undefined) return;
    this.disown(cell);
    this.#cells.delete(cell.key);
    this.forgotten?.add(cell.key);
  }

  /** Parks a cell until {@link wake} is called for `key`. */
  wait(cell: Cell<Row>, key: RowKey, blocked: boolean): void {
    this.#waiters.add(key, cell);
    cell.waitingFor = key;
    this.move(cell, 'waiting', blocked);
    if (blocked) this.wake(cell.key);
  }

  /** Takes a cell out of the line that it waits in. */
  stopWaiting(cell: Cell<Row>): void {
    if (cell.waitingFor === undefined) return;
    this.#waiters.delete(cell.waitingFor, cell);
    cell.waitingFor = undefined;
  }

  /** Has everything looked at that waits for a key. */
  wake(key: RowKey): void {
    if (this.#waiters.has(key)) for (const cell of [...this.#waiters.get(key)]) this.enqueue(cell);
  }

  /** Counts `row` in or out as a dependent of what it requires. */
  count(row: Row, by: 1 | -1): void {
    this.bundles.count(row, by);
    for (const key of this.#model.requires(row)) {
      const cell = this.named(key);
      cell.dependents += by;
      if (cell.dependents > 0 || by > 0) continue;
      if (cell.state === 'waiting' && cell.wanted === undefined) this.enqueue(cell);
      else this.forgetIfEmpty(cell);
    }
  }

  /** Puts a cell into a state, and counts it anew. */
  move(cell: Cell<Row>, state: CellState, blocked = false): void {
    this.#unsettled += Number(state !== 'idle') - Number(cell.state !== 'idle');
    cell.state = state;
    const bucket = bucketOf(cell, blocked);
    if (bucket !== cell.bucket) {
      this.#moving += Number(bucket === 'moving') - Number(cell.bucket === 'moving');
      this.#unbucket(cell);
      cell.bucket = bucket;
      this.#bucket(cell);
    }
    this.bundles.recount(cell);
  }

  /** Counts a cell with the owners that it has now. */
  own(cell: Cell<Row>, blocked = false): void {
    cell.bucket = bucketOf(cell, blocked);
    this.#moving += Number(cell.bucket === 'moving');
    this.#bucket(cell);
    for (const { owner, agrees } of cell.others) {
      owner.conflicts += Number(!agrees);
      this.#changed.add(owner);
    }
    this.bundles.recount(cell);
  }

  /** Takes a cell out of its owners' counts. */
  disown(cell: Cell<Row>): void {
    this.#unbucket(cell);
    this.#moving -= Number(cell.bucket === 'moving');
    for (const { owner, agrees } of cell.others) {
      owner.conflicts -= Number(!agrees);
      this.#changed.add(owner);
    }
    cell.bucket = 'none';
    cell.owner = undefined;
  }

  #bucket(cell: Cell<Row>): void {
    if (cell.bucket === 'none') return;
    if (cell.owner !== undefined) this.#countIn(cell, cell.owner);
    for (const { owner, agrees } of cell.others) if (agrees) this.#countIn(cell, owner);
  }

  #unbucket(cell: Cell<Row>): void {
    if (cell.bucket === 'none') return;
    if (cell.owner !== undefined) this.#countOut(cell, cell.owner);
    for (const { owner, agrees } of cell.others) if (agrees) this.#countOut(cell, owner);
  }

  #countIn(cell: Cell<Row>, owner: Owner<Row>): void {
    const { bucket } = cell;
    if (bucket === 'none') return;
    owner[bucket]++;
    if (cell.wanted !== undefined && (bucket === 'moving' || bucket === 'waiting')) owner.rising++;
    this.#changed.add(owner);
  }

  #countOut(cell: Cell<Row>, owner: Owner<Row>): void {
    const { bucket } = cell;
    if (bucket === 'none') return;
    owner[bucket]--;
    this.#changed.add(owner);
    if (cell.wanted === undefined || (bucket !== 'moving' && bucket !== 'waiting')) return;
    owner.rising--;
    if (owner.rising > 0) return;
    for (const other of owner.cells) {
      if (other.owner === owner && other.wanted === undefined && other.state === 'waiting')
        this.enqueue(other);
    }
  }

  /** Forgets who waits for whom, and who names which bundle. */
  forgetRelations(): void {
    this.#waiters.clear();
    this.bundles.clearNamers();
  }
}

function shiftQueued<Row>(queue: Queue<Cell<Row>>): Cell<Row> | undefined {
  for (let cell = queue.shift(); cell !== undefined; cell = queue.shift()) {
    cell.inQueue = false;
    if (cell.state === 'queued') return cell;
  }
  return undefined;
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
