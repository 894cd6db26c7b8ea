import { messageOf } from '@infra-offload/base';
import { safeParse } from '@infra-offload/yaml';
import * as z from 'zod';
import { fail } from '../errors.js';

/**
 * What is read of p4c-dpdk's context.json: how the names of P4Info map to the SWX specification. Everything else in
 * the file is let through unread, because its other parts differ between compiler versions.
 */
const contextSchema = z.object({
  tables: z
    .array(
      z.object({
        name: z.string(),
        target_name: z.string().optional(),
        table_type: z.string().optional(),
        action_profile: z.string().optional(),
        selection_table_refs: z.array(z.object({ name: z.string() })).optional(),
      }),
    )
    .default([]),
  externs: z
    .array(z.object({ name: z.string(), target_name: z.string().optional(), type: z.string().optional() }))
    .default([]),
});

type Context = z.infer<typeof contextSchema>;
type ContextTable = Context['tables'][number];
type ContextExtern = Context['externs'][number];

/** What context.json says, by the names of P4Info. Of two with a name the first counts. */
export interface TargetContext {
  /** Of any type. */
  readonly tables: ReadonlyMap<string, ContextTable>;
  /** Those that are no selectors. */
  readonly matchTables: ReadonlyMap<string, ContextTable>;
  readonly selectors: ReadonlyMap<string, ContextTable>;
  readonly externs: ReadonlyMap<string, ContextExtern>;
}

/** Reads context.json; INVALID_ARGUMENT with the place of the first fault. */
export function parseContext(bytes: Uint8Array): TargetContext {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    const cause = messageOf(error);
    fail('INVALID_ARGUMENT', `the pipeline's context.json is no JSON: ${cause}`);
  }
  const parsed = safeParse(contextSchema, json);
  if (parsed.success) return byName(parsed.data);
  const issue = parsed.error.issues[0];
  fail(
    'INVALID_ARGUMENT',
    `the pipeline's context.json: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
  );
}

function byName({ tables, externs }: Context): TargetContext {
  const isSelector = (table: ContextTable) => table.table_type === 'selection';
  return {
    tables: index(tables),
    matchTables: index(tables.filter((table) => !isSelector(table))),
    selectors: index(tables.filter(isSelector)),
    externs: index(externs),
  };
}

function index<T extends { readonly name: string }>(items: readonly T[]): Map<string, T> {
  return new Map(items.toReversed().map((item) => [item.name, item]));
}
