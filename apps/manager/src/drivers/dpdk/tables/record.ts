import type { Entity } from '@infra-offload/p4rt/proto';
import type { RowKey } from '@infra-offload/reconciler';

/** All that the manager knows of one table of the device, or of one half of an action profile. */
export interface TableRecord<Row> {
  /** Where its entities are. */
  readonly source: EntitySource;
  /** Reads all of them. */
  readonly readAll: Entity;
  /** Its rows name only rows of lower phases. */
  readonly phase: number;
  key(row: Row): RowKey;
  /** Whether two rows of this table say the same. */
  equal(a: Row, b: Row): boolean;
  /** Keys of the rows that must be there before; none if left out. See `RowModel`, as for the two below. */
  requires?(row: Row): readonly RowKey[];
  bundle?(row: Row): RowKey;
  names?(row: Row): RowKey;
  /** About how many bytes an update takes; 100 if left out. */
  bytes?(row: Row): number;
  toEntity(row: Row): Entity;
  fromEntity(entity: Entity): Found<Row>;
}

export type EntitySource =
  | { readonly kind: 'table'; readonly id: number }
  | { readonly kind: 'members' | 'groups'; readonly profile: string };

/** What an entity of the device is. */
export type Found<Row> =
  | { readonly kind: 'row'; readonly row: Row }
  /** None that this driver would write; `key` is that of the row in whose way it stands, or its own. */
  | { readonly kind: 'foreign'; readonly key: RowKey };

export function found<Row>(row: Row): Found<Row> {
  return { kind: 'row', row };
}

export function foreign(key: RowKey): Found<never> {
  return { kind: 'foreign', key };
}
