import type { Cell, RowKey, RowModel } from './model.js';

/** What the rows of a bundle add up to on the device. */
export type BundleState =
  /** The device holds it, or lacks only rows that it refused. */
  | 'ready'
  | 'pending'
  /** The device refused a change, and may hold rows that are not wanted. */
  | 'stale';

/** Rows that other rows name as a whole. */
export class Bundle {
  /** Cells on their way. */
  moving = 0;
  /** Cells that the device would not change. */
  stale = 0;
  /** Cells that nobody wants, and that stay; see {@link Cell.isKept}. */
  kept = 0;
  /** Cells whose rows are wanted. While there are none, the bundle as a whole is to go. */
  wanted = 0;
  /** Rows in the device, or on their way there, that name it, and how often. */
  readonly namers = new Map<RowKey, number>();

  constructor(readonly key: RowKey) {}

  get state(): BundleState {
    if (this.moving > 0) return 'pending';
    return this.stale > 0 ? 'stale' : 'ready';
  }

  /** Whether it may be forgotten. */
  get isEmpty(): boolean {
    return this.moving + this.stale + this.kept + this.wanted + this.namers.size === 0;
  }
}

/** How a cell counts in its bundle. */
type Share = Cell<never>['share'];

/** The bundles of a planner. It says through `changed` when what waits for a bundle should be looked at. */
export class Bundles<Row> {
  readonly #model: RowModel<Row>;
  readonly #bundles = new Map<RowKey, Bundle>();
  readonly #changed: (key: RowKey) => void;

  constructor(model: RowModel<Row>, changed: (key: RowKey) => void) {
    this.#model = model;
    this.#changed = changed;
  }

  get(key: RowKey): Bundle | undefined {
    return this.#bundles.get(key);
  }

  /** Tells a cell which bundle its rows are part of. */
  assign(cell: Cell<Row>, row: Row): void {
    cell.bundle ??= this.#model.bundle?.(row);
  }

  /** Counts a cell anew: its state, what is wanted of it, or what the device holds has changed. */
  recount(cell: Cell<Row>): void {
    if (cell.bundle === undefined) return;
    const share = this.#shareOf(cell);
    const isWanted = cell.wanted !== undefined;
    if (share === cell.share && isWanted === cell.countsAsWanted) return;
    const bundle = this.#for(cell.bundle);
    const before = bundle.state;
    bundle.moving += Number(share === 'moving') - Number(cell.share === 'moving');
    bundle.stale += Number(share === 'stale') - Number(cell.share === 'stale');
    bundle.kept += Number(share === 'kept') - Number(cell.share === 'kept');
    bundle.wanted += Number(isWanted) - Number(cell.countsAsWanted);
    cell.share = share;
    cell.countsAsWanted = isWanted;
    if (bundle.state !== before) this.#changed(bundle.key);
    this.#forgetIfEmpty(bundle);
  }

  /** Counts a row in or out as one that names a bundle. */
  count(row: Row, by: 1 | -1): void {
    const key = this.#model.names?.(row);
    if (key === undefined) return;
    const bundle = this.#for(key);
    const namer = this.#model.key(row);
    const times = (bundle.namers.get(namer) ?? 0) + by;
    if (times > 0) {
      bundle.namers.set(namer, times);
      return;
    }
    bundle.namers.delete(namer);
    if (bundle.namers.size > 0) return;
    this.#changed(key);
    this.#forgetIfEmpty(bundle);
  }

  /** Forgets who names what: the device is about to be read anew. */
  clearNamers(): void {
    for (const bundle of this.#bundles.values()) bundle.namers.clear();
  }

  #for(key: RowKey): Bundle {
    let bundle = this.#bundles.get(key);
    if (bundle === undefined) {
      bundle = new Bundle(key);
      this.#bundles.set(key, bundle);
    }
    return bundle;
  }

  #shareOf(cell: Cell<Row>): Share {
    if (cell.isKept) return 'kept';
    if (cell.state === 'idle') return 'none';
    if (cell.bucket !== 'failed' && cell.bucket !== 'blocked') return 'moving';
    const { wanted, installed, doubtful } = cell;
    const differs = (row: Row) => wanted === undefined || !this.#model.equal(row, wanted);
    return (installed !== undefined && differs(installed)) || doubtful.some(differs) ? 'stale' : 'none';
  }

  #forgetIfEmpty(bundle: Bundle): void {
    if (bundle.isEmpty) this.#bundles.delete(bundle.key);
  }
}
