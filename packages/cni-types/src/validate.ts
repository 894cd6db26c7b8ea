import * as z from 'zod/mini';
import en from 'zod/v4/locales/en.js';
import { CniError, CniErrorCode } from './error.js';

const messages = en().localeError;

/**
 * Checks `value` against `schema`.
 *
 * @throws CniError with `code`; its message names `what` and the first wrong field, its details all of them.
 */
export function validate<T extends z.ZodMiniType>(
  schema: T,
  value: unknown,
  what: string,
  code: number = CniErrorCode.invalidConfig,
): z.output<T> {
  const result = z.safeParse(schema, value, { error: messages });
  if (result.success) return result.data;
  const problems = result.error.issues.map(describeIssue);
  const [first = 'not valid', ...others] = problems;
  throw new CniError(code, `${what}: ${first}`, {
    details: others.length > 0 ? problems.join('; ') : undefined,
    cause: result.error,
  });
}

/**
 * Parses JSON text.
 *
 * @throws CniError 6 naming `what`.
 */
export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CniError(CniErrorCode.decodeFailure, `${what} is not JSON: ${reason}`, { cause });
  }
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const path = issue.path.reduce<string>(
    (text, key) =>
      typeof key === 'number' ? `${text}[${key}]` : text === '' ? String(key) : `${text}.${String(key)}`,
    '',
  );
  return path === '' ? issue.message : `${path}: ${issue.message}`;
}
