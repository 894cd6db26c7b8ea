import * as z from 'zod';

/** What came of a check. */
export type Parsed<Output> =
  | { readonly success: true; readonly data: Output; readonly error?: undefined }
  | {
      readonly success: false;
      readonly data?: undefined;
      readonly error: Pick<z.ZodError, 'issues'> & Error;
    };

/**
 * Checks a value from outside against a schema, and never throws. Zod's own `safeParse` does: it compares the `length` of
 * whatever has one with the limits of strings, and `{ length: { toString: 1 } }` cannot be compared.
 */
export function safeParse<Output>(schema: z.ZodType<Output>, value: unknown): Parsed<Output> {
  try {
    return schema.safeParse(value);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const message = 'has an object with a field named length or size where there should be something else';
    return { success: false, error: new z.ZodError([{ code: 'custom', path: [], message, input: value }]) };
  }
}
