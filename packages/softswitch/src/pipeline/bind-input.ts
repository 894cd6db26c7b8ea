import type { P4Info, Preamble } from '@infra-offload/p4info/proto';
import type { PipelineSchema, TableSchema } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import type { TargetContext } from './context.js';

/** What the parts of a program are bound from. */
export interface BindInput {
  readonly p4info: P4Info;
  readonly context: TargetContext;
  readonly schema: PipelineSchema;
  /** Ids of the tables that have a direct meter. */
  readonly metered: ReadonlySet<number>;
  readonly warnings: string[];
}

/** The name that context.json gives a table, if it is there, and the names p4c may have used if it is not. */
export function findTable(input: BindInput, preamble: Preamble): TableSchema {
  const { context, schema } = input;
  const entry = context.matchTables.get(preamble.name);
  const names =
    entry?.target_name === undefined
      ? [preamble.alias, preamble.name, preamble.name.replaceAll('.', '_')]
      : [entry.target_name];
  for (const name of names) {
    const table = schema.tables.get(name);
    if (table !== undefined) return table;
  }
  fail(
    'INVALID_ARGUMENT',
    `table ${preamble.name}: the program has no table ${names.map((name) => `'${name}'`).join(' or ')}; ` +
      `it has ${[...schema.tables.keys()].join(', ') || 'none'}`,
  );
}
