import type { BatchLimits, Operation, Outcome, RowKey, RowModel } from '../model.js';
import type { Planner } from '../planner.js';

/** A small world in the shape of the real one: leaves, groups of leaves, and heads that name a group. */
export type ToyRow =
  | { readonly table: 'leaf'; readonly id: number; readonly value: number }
  | { readonly table: 'group'; readonly id: number; readonly leaves: readonly number[] }
  | { readonly table: 'head'; readonly id: number; readonly group: number | undefined };

const PHASE = { leaf: 0, group: 1, head: 2 } as const;

export const toyModel: RowModel<ToyRow> = {
  phases: 3,
  key: (row) => `${row.table}/${row.id}`,
  table: (row) => row.table,
  phase: (row) => PHASE[row.table],
  equal: (a, b) => JSON.stringify(a) === JSON.stringify(b),
  requires: (row) =>
    row.table === 'group'
      ? row.leaves.map((leaf) => `leaf/${leaf}`)
      : row.table === 'head' && row.group !== undefined
        ? [`group/${row.group}`]
        : [],
  usable: (installed) => installed.table === 'group',
  without: (row, refused) => {
    if (row.table !== 'group') return undefined;
    const leaves = row.leaves.filter((leaf) => !refused(`leaf/${leaf}`));
    return leaves.length === 0 ? undefined : { ...row, leaves };
  },
  bytes: () => 10,
};

/** A device that enforces what a real one should: no duplicates, no dangling references, limited tables. */
export class ToyDevice {
  readonly rows = new Map<RowKey, ToyRow>();
  capacity = Number.POSITIVE_INFINITY;
  /** Breaches of the order; must stay empty. */
  readonly violations: string[] = [];
  writes = 0;

  /** Executes one update; answers as a device would. */
  apply({ kind, row }: Operation<ToyRow>): Outcome {
    this.writes++;
    const key = toyModel.key(row);
    const has = this.rows.has(key);
    if (kind === 'delete') {
      if (!has) return { kind: 'absent' };
      for (const other of this.rows.values()) {
        if (toyModel.requires(other).includes(key))
          this.violations.push(`deleted ${key} under ${toyModel.key(other)}`);
      }
      this.rows.delete(key);
      return { kind: 'done' };
    }
    for (const needed of toyModel.requires(row)) {
      if (!this.rows.has(needed)) this.violations.push(`${kind} of ${key} without ${needed}`);
    }
    if (kind === 'insert' && has) return { kind: 'exists' };
    if (kind === 'modify' && !has) return { kind: 'absent' };
    if (!has && this.rows.size >= this.capacity)
      return { kind: 'refused', reason: 'TableFull', message: 'full' };
    this.rows.set(key, row);
    return { kind: 'done' };
  }
}

const LIMITS: BatchLimits = { updates: 4, bytes: 1000 };

/** Runs a planner against a device until nothing is left to send, with failed cells retried `retries` times. */
export function drain(planner: Planner<ToyRow>, device: ToyDevice, retries = 0): void {
  for (let round = 0; ; round++) {
    for (let batch = planner.nextBatch(LIMITS); batch.length > 0; batch = planner.nextBatch(LIMITS)) {
      for (const operation of batch) planner.report(operation, device.apply(operation));
    }
    const failed = planner.takeFailed();
    if (failed.length === 0 || round >= retries) return;
    for (const cell of failed) planner.retry(cell);
  }
}
