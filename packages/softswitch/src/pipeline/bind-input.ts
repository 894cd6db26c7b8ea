import type { P4Object } from '@infra-offload/p4info';
import type { PipelineSchema, TableSchema } from '../dataplane/dataplane.js';
import { fail } from '../errors.js';
import type { TargetContext } from './context.js';

/** What the objects of P4Info are bound to. */
export interface BindInput {
  readonly context: TargetContext;
  readonly schema: PipelineSchema;
  readonly warnings: string[];
}

/** The name that context.json gives a table, if it is there, and the names p4c may have used if it is not. */
export function findTable({ context, schema }: BindInput, { name, alias }: P4Object): TableSchema {
  const entry = context.matchTables.get(name);
  const targets =
    entry?.target_name === undefined ? [alias, name, name.replaceAll('.', '_')] : [entry.target_name];
  for (const target of targets) {
    const table = schema.tables.get(target);
    if (table !== undefined) return table;
  }
  fail(
    'INVALID_ARGUMENT',
    `table ${name}: the program has no table ${targets.map((target) => `'${target}'`).join(' or ')}; ` +
      `it has ${[...schema.tables.keys()].join(', ') || 'none'}`,
  );
}
