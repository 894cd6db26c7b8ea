import { messageOf } from '@infra-offload/base';
import { CniError, CniErrorCode } from './error.js';

/** Deeper than any configuration or result; whoever walks such a value does not run out of stack. */
const MAX_DEPTH = 100;
const MAX_EXCERPT = 100;

/**
 * Parses JSON text.
 *
 * @throws CniError 6 naming `what` if it is no JSON, or nested more than 100 levels deep.
 */
export function parseJson(text: string, what: string): unknown {
  if (isDeep(text)) {
    throw new CniError(CniErrorCode.decodeFailure, `${what} is nested more than ${MAX_DEPTH} levels deep`);
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const reason = messageOf(cause);
    throw new CniError(CniErrorCode.decodeFailure, `${what} is not JSON: ${reason}`, { cause });
  }
}

/**
 * Reads text as UTF-8, in which JSON is (RFC 8259, section 8.1).
 *
 * @throws CniError 6 naming `what`.
 */
export function decodeText(bytes: Uint8Array, what: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new CniError(CniErrorCode.decodeFailure, `${what} is not UTF-8`, { cause });
  }
}

/** The beginning of what somebody else has written, for messages. */
export function excerpt(value: unknown): string {
  const text = typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value));
  return text.length <= MAX_EXCERPT ? text : `${text.slice(0, MAX_EXCERPT)}… (${text.length} characters)`;
}

/** Brackets outside of strings, whether the rest is JSON or not. */
function isDeep(text: string): boolean {
  let depth = 0;
  let isString = false;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (isString) {
      if (character === '\\') at++;
      else if (character === '"') isString = false;
    } else if (character === '"') isString = true;
    else if (character === '[' || character === '{') depth++;
    else if (character === ']' || character === '}') depth--;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}
