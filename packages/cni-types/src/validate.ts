import * as z from 'zod/mini';
import en from 'zod/v4/locales/en.js';
import { CniError, CniErrorCode } from './error.js';
import { excerpt } from './json.js';

const messages = en().localeError;

/** Of a value that is wrong everywhere, nobody reads on. */
const MAX_PROBLEMS = 10;

/**
 * Checks `value` against `schema`.
 *
 * @throws CniError with `code`; its message names `what` and the first wrong field, its details the first ten.
 */
export function validate<T extends z.ZodMiniType>(
  schema: T,
  value: unknown,
  what: string,
  code: number = CniErrorCode.invalidConfig,
): z.output<T> {
  const result = safeParse(schema, value);
  if (result.success) return result.data;
  const { issues, cause } = result;
  const problems = issues.slice(0, MAX_PROBLEMS).map(describeIssue);
  const more = issues.length > MAX_PROBLEMS ? [`and ${issues.length - MAX_PROBLEMS} more`] : [];
  const [first = 'not valid', ...others] = problems;
  throw new CniError(code, `${what}: ${first}`, {
    details: others.length > 0 ? [...problems, ...more].join('; ') : undefined,
    cause,
  });
}

/** Zod compares the `length` of whatever has one with the limits of strings; `{ length: { toString: 1 } }` cannot be compared. */
function safeParse<T extends z.ZodMiniType>(
  schema: T,
  value: unknown,
): { success: true; data: z.output<T> } | { success: false; issues: z.core.$ZodIssue[]; cause: Error } {
  try {
    const result = z.safeParse(schema, value, { error: messages });
    return result.success ? result : { success: false, issues: result.error.issues, cause: result.error };
  } catch (cause) {
    if (!(cause instanceof TypeError)) throw cause;
    const message = 'has an object with a field named length or size where there should be something else';
    return { success: false, issues: [{ code: 'custom', path: [], message, input: value }], cause };
  }
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const path = issue.path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`,
    '',
  );
  return path === '' ? issue.message : `${excerpt(path)}: ${excerpt(issue.message)}`;
}
