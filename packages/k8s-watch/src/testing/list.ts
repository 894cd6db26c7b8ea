import type { Database } from './database.js';
import { apiVersionOf, type KubeObject, keyOf, type Resource } from './objects.js';
import type { Matcher } from './selectors.js';
import { badRequest } from './status.js';

export interface ListQuery {
  readonly resource: Resource;
  readonly matches: Matcher;
  readonly filtered: boolean;
  readonly limit: number | undefined;
  readonly next: string | undefined;
}

/** A list, or a page of it; all pages show the state of the first one. */
export function list(database: Database, { resource, matches, filtered, limit, next }: ListQuery): object {
  const token = next === undefined ? undefined : decodeToken(next);
  const version = token?.version ?? database.version;
  const state = [...database.stateAt(resource.kind, version)].filter(([, object]) => matches(object));
  const sorted = state.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, object]) => object);
  const start = token === undefined ? 0 : sorted.findIndex(({ metadata }) => keyOf(metadata) > token.after);
  const rest = start === -1 ? [] : sorted.slice(start);
  const page = limit === undefined ? rest : rest.slice(0, limit);
  const last = page.at(-1);
  const more = last !== undefined && page.length < rest.length;
  return {
    kind: `${resource.kind}List`,
    apiVersion: apiVersionOf(resource),
    metadata: {
      resourceVersion: String(version),
      ...(more ? { continue: encodeToken({ version, after: keyOf(last.metadata) }) } : {}),
      ...(more && !filtered ? { remainingItemCount: rest.length - page.length } : {}),
    },
    items: page.map(withoutType),
  };
}

/** Items of a list do not name their kind. */
function withoutType({ kind: _kind, apiVersion: _apiVersion, ...object }: KubeObject): object {
  return object;
}

interface Token {
  readonly version: number;
  readonly after: string;
}

function encodeToken(token: Token): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

function decodeToken(text: string): Token {
  try {
    const { version, after } = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    if (typeof version === 'number' && typeof after === 'string') return { version, after };
  } catch {
    // Falls through to the same answer.
  }
  throw badRequest('continue key is not valid');
}
