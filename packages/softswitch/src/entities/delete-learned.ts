import type { TableEntry } from '@infra-offload/p4rt/proto';
import type { Pipeline } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import type { BoundTable } from '../pipeline/bound.js';
import type { Journal } from './journal.js';
import { parseKey } from './keys.js';

/** DELETE of a learned entry, which the data plane then sees no more. NOT_FOUND if there is none. */
export function deleteLearned(
  { table, pipeline }: { readonly table: BoundTable; readonly pipeline: Pipeline },
  entry: TableEntry,
  journal: Journal | undefined,
): void {
  const key = parseKey(table, entry.match, entry.priority).fields.map(({ value }) => value);
  if (pipeline.learnedFind(table.target, key).count === 0)
    fail('NOT_FOUND', `table ${table.p4.alias}: no such entry, or it has expired`);
  const keep = pipeline.learnedForget(table.target, key);
  journal?.push(keep);
}
