import { messageOf } from '@infra-offload/base';
import { YamlError, type YamlErrorDetails } from './error.js';
import { jsonFault } from './json-fault.js';
import { LineIndex } from './position.js';

export { type Position, YamlError, type YamlErrorCode, type YamlErrorDetails } from './error.js';

/** Arrays and objects within each other, unless said otherwise: Kubernetes' objects have some 20. */
export const MAX_JSON_DEPTH = 100;

export interface JsonOptions {
  /** For messages. */
  readonly file?: string;
  readonly maxDepth?: number;
}

/**
 * Parses one JSON text (RFC 8259). Unlike what JSON.parse returns, the value is never so deep that code that calls
 * itself for each level dies of it.
 *
 * @throws {YamlError} SYNTAX or LIMIT
 */
export function parseJson(text: string, { file, maxDepth = MAX_JSON_DEPTH }: JsonOptions = {}): unknown {
  const extent = extentOf(text, 0, maxDepth);
  if (extent !== undefined && 'tooDeepAt' in extent) {
    throw tooDeep(maxDepth, { file, position: new LineIndex(text).positionOf(extent.tooDeepAt) });
  }
  try {
    return JSON.parse(text);
  } catch (cause) {
    const position = new LineIndex(text).positionOf(jsonFault(text));
    throw new YamlError('SYNTAX', reasonOf(cause), { details: { file, position }, cause });
  }
}

export function tooDeep(maxDepth: number, details: YamlErrorDetails): YamlError {
  return new YamlError('LIMIT', `is nested more than ${maxDepth} levels deep`, { details });
}

/** The end of an object or array, or the bracket that opens one level too many. */
export type JsonExtent = { readonly end: number } | { readonly tooDeepAt: number };

/**
 * Where the object or array that begins at `start` ends: behind its last bracket. Undefined if it does not end. Whether
 * it is JSON remains to be seen.
 */
export function extentOf(text: string, start: number, maxDepth: number): JsonExtent | undefined {
  let depth = 0;
  let isInString = false;
  // Character by character, since this precedes JSON.parse for all that an API server sends, and costs a tenth of it.
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (isInString) {
      if (code === 0x5c) at++;
      else if (code === 0x22) isInString = false;
      continue;
    }
    switch (code) {
      case 0x22: // "
        isInString = true;
        break;
      case 0x5b: // [
      case 0x7b: // {
        if (++depth > maxDepth) return { tooDeepAt: at };
        break;
      case 0x5d: // ]
      case 0x7d: // }
        if (--depth <= 0) return { end: at + 1 };
    }
  }
  return undefined;
}

/** What V8 says, without the position and the piece of text that it may show. */
function reasonOf(error: unknown): string {
  const message = messageOf(error);
  const [reason = message] = message.split(/ in JSON at position |, (?:"|\.\.\.)| after JSON at position /);
  return `is not JSON: ${reason}`;
}
