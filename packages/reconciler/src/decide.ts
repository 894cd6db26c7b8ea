import type { Bundle } from './bundles.js';
import type { Cell, Operation, RowKey, RowModel } from './model.js';

/** What to do about one cell now. */
export type Decision<Row> =
  | { readonly kind: 'settled' }
  /** Nobody here has ever wanted it, and it is not known yet whether somebody does: it stays. */
  | { readonly kind: 'kept' }
  | { readonly kind: 'write'; readonly operation: Operation<Row> }
  /** For the cell or bundle `key`; `blocked` when that one was refused, so that it may take long. */
  | { readonly kind: 'wait'; readonly key: RowKey; readonly blocked: boolean }
  /** Until nothing in the device names the row any more. */
  | { readonly kind: 'wait-for-dependents' }
  /** Until the owner's inserts are in the device. */
  | { readonly kind: 'wait-for-owner' };

const SETTLED = { kind: 'settled' } as const;
const KEPT = { kind: 'kept' } as const;

/** What a decision may look at beside the cell itself. */
export interface Surroundings<Row> {
  cell(key: RowKey): Cell<Row> | undefined;
  bundle(key: RowKey): Bundle | undefined;
  /** Whether rows that nobody has ever wanted stay. */
  keepsUnknown(): boolean;
}

/**
 * The one rule of the reconciler, a pure function: a row is written when everything that it names is in the device,
 * and deleted when nothing in the device, or on its way there, names it and the owner's inserts have arrived. What nobody
 * has ever wanted is deleted when all that is wanted is known.
 */
export function decide<Row>(cell: Cell<Row>, model: RowModel<Row>, around: Surroundings<Row>): Decision<Row> {
  return cell.wanted === undefined
    ? decideRemoval(cell, around)
    : decideWrite(cell, cell.wanted, model, around);
}

function decideRemoval<Row>(cell: Cell<Row>, around: Surroundings<Row>): Decision<Row> {
  const row = cell.installed ?? cell.doubtful[0];
  if (row === undefined) return SETTLED;
  if (cell.owner === undefined && around.keepsUnknown()) return KEPT;
  if (cell.bundle !== undefined) {
    const bundle = around.bundle(cell.bundle);
    if (bundle?.wanted === 0 && bundle.namers.size > 0)
      return { kind: 'wait', key: cell.bundle, blocked: false };
  }
  if (cell.dependents > 0) return { kind: 'wait-for-dependents' };
  if (cell.owner !== undefined && cell.owner.rising > 0) return { kind: 'wait-for-owner' };
  return { kind: 'write', operation: { kind: 'delete', row, cell } };
}

function decideWrite<Row>(
  cell: Cell<Row>,
  wanted: Row,
  model: RowModel<Row>,
  around: Surroundings<Row>,
): Decision<Row> {
  const named = model.names?.(wanted);
  const bundle = named === undefined ? undefined : around.bundle(named);
  if (named !== undefined && bundle !== undefined && bundle.state !== 'ready')
    return { kind: 'wait', key: named, blocked: bundle.state === 'stale' };
  let pending: RowKey | undefined;
  let refused: Set<RowKey> | undefined;
  let firstRefused: RowKey = '';
  for (const key of model.requires(wanted)) {
    switch (availability(around.cell(key), model)) {
      case 'ready':
        break;
      case 'pending':
        pending = key;
        break;
      case 'refused':
        if (refused === undefined) firstRefused = key;
        refused = (refused ?? new Set()).add(key);
        break;
    }
  }
  if (pending !== undefined) return { kind: 'wait', key: pending, blocked: false };
  const blocked: Decision<Row> = { kind: 'wait', key: firstRefused, blocked: true };
  const row = refused === undefined ? wanted : model.without(wanted, (key) => refused.has(key));
  if (row === undefined) return blocked;
  const { installed } = cell;
  if (installed !== undefined && cell.doubtful.length === 0 && !cell.exists && model.equal(installed, row)) {
    return refused === undefined ? SETTLED : blocked;
  }
  const kind = installed !== undefined || cell.exists ? 'modify' : 'insert';
  return { kind: 'write', operation: { kind, row, cell } };
}

function availability<Row>(
  cell: Cell<Row> | undefined,
  model: RowModel<Row>,
): 'ready' | 'pending' | 'refused' {
  if (cell === undefined) return 'pending';
  if (cell.state === 'idle') return cell.wanted === undefined ? 'pending' : 'ready';
  const { installed, wanted } = cell;
  // After a deletion whose answer was lost, it may be gone.
  const mayBeGone =
    cell.flight?.kind === 'delete' || (installed !== undefined && cell.doubtful.includes(installed));
  if (wanted !== undefined && installed !== undefined && !mayBeGone) {
    if (model.usable(installed, wanted)) return 'ready';
  }
  return cell.failure !== undefined || cell.bucket === 'blocked' ? 'refused' : 'pending';
}
