import type { ManagerReason } from '@infra-offload/infra-api';
import type { Owner, RowFailure, RowKey } from '@infra-offload/reconciler';

/** What is wrong, in the words of a status. */
export interface Problem {
  readonly reason: ManagerReason;
  readonly message: string;
}

/**
 * Why the rows of an owner are not all in the device.
 *
 * @param failureOf the failure of the cell that a waiting cell waits for.
 */
export function failuresOf<Row>(
  owner: Owner<Row>,
  failureOf: (key: RowKey) => RowFailure | undefined,
): readonly Problem[] {
  const failures: Problem[] = [];
  for (const cell of owner.cells) {
    if (cell.failure !== undefined && cell.isWantedBy(owner)) failures.push(cell.failure);
  }
  if (failures.length > 0) return failures;
  const blocked = owner.cells.find((cell) => cell.bucket === 'blocked' && cell.isWantedBy(owner));
  const cause = blocked?.waitingFor === undefined ? undefined : failureOf(blocked.waitingFor);
  return [
    {
      reason: 'DependencyFailed',
      message: `waits for ${blocked?.waitingFor ?? 'another entry'}, which the target refused${
        cause === undefined ? '' : `: ${cause.message}`
      }`,
    },
  ];
}

/** Entries that another object wants otherwise. */
export function conflictsOf<Row>(owner: Owner<Row>): readonly Problem[] {
  if (owner.conflicts === 0) return [];
  const keys = owner.cells.filter((cell) => !cell.isWantedBy(owner)).map((cell) => cell.key);
  return [{ reason: 'EntryConflict', message: `another object has ${keys.join(', ')}` }];
}
