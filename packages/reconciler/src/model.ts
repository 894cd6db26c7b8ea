import type { ManagerReason } from '@infra-offload/infra-api';
/** Identity of a row. Numbers for the table with the most rows spare building and hashing a string for each. */
export type RowKey = string | number;

/**
 * What the reconciler must know of a target's rows. A row is one entity of the device in the driver's own compact
 * form; equal keys mean the same entity.
 */
export interface RowModel<Row> {
  /** Canonical identity of the row's entity, unique over all tables. */
  key(row: Row): RowKey;
  /** Table or action profile that holds it, by its P4Info alias. */
  table(row: Row): string;
  /** Number of phases; `phase` answers 0 to `phases` - 1. */
  readonly phases: number;
  /** Rows only ever name rows of lower phases: inserts go up the phases, deletes down. */
  phase(row: Row): number;
  equal(a: Row, b: Row): boolean;
  /** Keys of the rows that must be in the device before this one, and must stay while it is there. */
  requires(row: Row): readonly RowKey[];
  /** Whether other rows may name `installed`, though `wanted` is what it should be. */
  usable(installed: Row, wanted: Row): boolean;
  /** `row` without what the device refused, or undefined if it makes no sense without. */
  without(row: Row, refused: (key: RowKey) => boolean): Row | undefined;
  /** Key of the bundle that a row is part of: rows that others name as a whole. Absent: there are no bundles. */
  bundle?(row: Row): RowKey | undefined;
  /**
   * The bundle that a row names. The row is written when everything wanted of the bundle is in the device, or was
   * refused without leaving something else there; and nothing of a bundle that is given up leaves before the last
   * row that names it.
   */
  names?(row: Row): RowKey | undefined;
  /** About how many bytes its update takes on the wire. */
  bytes(row: Row): number;
}

/** Why the device does not hold a row. */
export interface RowFailure {
  readonly reason: ManagerReason;
  readonly message: string;
  /** Consecutive failures, from 1. */
  readonly attempts: number;
}

/** One update on its way to the device. */
export interface Operation<Row> {
  readonly kind: 'insert' | 'modify' | 'delete';
  readonly row: Row;
  readonly cell: Cell<Row>;
}

/** How an update ended. */
export type Outcome =
  | { readonly kind: 'done' }
  /** The device says no; it holds what it held before. */
  | { readonly kind: 'refused'; readonly reason: ManagerReason; readonly message: string }
  /** The device has the entity that was to be inserted. */
  | { readonly kind: 'exists' }
  /** The device lacks the entity that was to be changed or deleted. */
  | { readonly kind: 'absent' }
  /** No answer: the device may hold either row. */
  | { readonly kind: 'unknown'; readonly reason: ManagerReason; readonly message: string }
  /** It never reached the device. */
  | { readonly kind: 'unsent' };

/** How much one batch may hold. */
export interface BatchLimits {
  readonly updates: number;
  readonly bytes: number;
}

/** Where a cell stands; see {@link Cell.state}. */
export type CellState =
  /** The device holds what is wanted, or what stays until all that is wanted is known. */
  | 'idle'
  /** To be looked at. */
  | 'queued'
  | 'flying'
  /** For another cell (`waitingFor`), for what names it, or for the owner's inserts. */
  | 'waiting'
  /** Refused; the executor tries again later. */
  | 'failed';

/** What an owner counts its cells by. */
export type Bucket = 'none' | 'moving' | 'waiting' | 'blocked' | 'failed';

/** One entity: what is wanted of it, and what the device is known to hold. */
export class Cell<Row> {
  wanted: Row | undefined = undefined;
  installed: Row | undefined = undefined;
  /** Rows that the device may hold instead of `installed`: writes whose outcome is not known. */
  doubtful: readonly Row[] = NONE;
  /** Told by the device, against `installed`: the entity exists. */
  exists = false;
  flight: Operation<Row> | undefined = undefined;
  failure: RowFailure | undefined = undefined;
  /** Who wants it, or wanted it last and waits for its removal. */
  owner: Owner<Row> | undefined = undefined;
  /** Who wants it, too, in the order in which they came: the first inherits the cell when `owner` lets go. */
  others: readonly Wish<Row>[] = NONE;
  /** How many rows in the device, or on their way, require this one. */
  dependents = 0;
  state: CellState = 'idle';
  waitingFor: RowKey | undefined = undefined;
  bucket: Bucket = 'none';
  /** Planner's clock at the last change, and the audit that saw it last. */
  touched = 0;
  seen = 0;
  /** Mark of the last `setWanted` that named it. */
  mark = 0;
  /** Whether a queue holds it. */
  inQueue = false;
  phase = 0;
  /** Bundle of its rows, and how it counts there; see bundles.ts. */
  bundle: RowKey | undefined = undefined;
  share: 'none' | 'moving' | 'stale' | 'kept' = 'none';
  countsAsWanted = false;

  constructor(readonly key: RowKey) {}

  /** In the device, wanted by nobody, and not on its way out. */
  get isKept(): boolean {
    return this.state === 'idle' && this.wanted === undefined && this.installed !== undefined;
  }

  /** Whether `owner` wants what the cell wants. */
  isWantedBy(owner: Owner<Row>): boolean {
    return this.owner === owner || this.others.some((wish) => wish.owner === owner && wish.agrees);
  }
}

/** What another owner wants of a cell that has one. */
export interface Wish<Row> {
  readonly owner: Owner<Row>;
  readonly row: Row;
  /** Whether it is what the cell's owner wants; else it is a conflict. */
  readonly agrees: boolean;
}

const NONE: readonly never[] = [];

/** Something that wants rows: an object, or the driver's base. */
export class Owner<Row> {
  cells: Cell<Row>[] = [];
  moving = 0;
  waiting = 0;
  blocked = 0;
  failed = 0;
  /** Wanted cells that are moving or waiting: removals wait for them (make before break). */
  rising = 0;
  /** Cells of which another owner wants something else. */
  conflicts = 0;

  constructor(readonly key: string) {}

  /** Where the owner's rows stand, all in all. */
  get progress(): 'pending' | 'done' | 'failed' {
    if (this.moving > 0) return 'pending';
    if (this.failed > 0 || this.blocked > 0) return 'failed';
    return this.waiting > 0 ? 'pending' : 'done';
  }
}
