export type { Bundle } from './bundles.js';
export type {
  BatchLimits,
  CellState,
  Operation,
  Outcome,
  RowFailure,
  RowKey,
  RowModel,
  Wish,
} from './model.js';
export { Cell, Owner } from './model.js';
export { Planner } from './planner.js';
