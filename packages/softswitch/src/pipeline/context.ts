import { z } from 'zod';
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

export type TargetContext = z.infer<typeof contextSchema>;

/** Reads context.json; INVALID_ARGUMENT with the place of the first fault. */
export function parseContext(bytes: Uint8Array): TargetContext {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error);
    fail('INVALID_ARGUMENT', `the pipeline's context.json is no JSON: ${cause}`);
  }
  const parsed = contextSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  fail(
    'INVALID_ARGUMENT',
    `the pipeline's context.json: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'invalid'}`,
  );
}
