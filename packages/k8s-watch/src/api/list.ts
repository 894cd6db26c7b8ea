import { isRecord } from '../plain-values.js';
import { decodeJson } from './decode-json.js';
import { KubernetesApiError } from './error.js';
import type { ApiClient } from './http.js';
import type { ResourceSelector } from './resources.js';

/** A page is decoded as a whole; this is what a page may have, so that nothing can fill the memory. */
export const MAX_PAGE_BYTES = 256 * 1024 * 1024;

export interface ListOptions {
  readonly path: string;
  readonly selector: ResourceSelector;
  /** Objects a page; all in one if absent. */
  readonly limit?: number;
  readonly answerMs: number;
  readonly silenceMs: number;
  readonly signal: AbortSignal;
}

export interface ListPage {
  readonly items: readonly unknown[];
  /**
   * From where to watch. All pages show one state; should a server not keep to that, then the version of the first page
   * still loses nothing.
   */
  readonly resourceVersion: string;
}

/**
 * Lists a resource page by page, always the newest state (no resourceVersion is asked for).
 *
 * @throws {KubernetesApiError} `EXPIRED` if the server has forgotten the state that the pages show: begin again.
 */
export async function* listPages(
  client: Pick<ApiClient, 'get'>,
  options: ListOptions,
): AsyncGenerator<ListPage, void, void> {
  let next: string | undefined;
  do {
    const { items, metadata } = await getList(client, options, next);
    yield { items, resourceVersion: metadata.resourceVersion };
    next = metadata.continue;
  } while (next !== undefined);
}

interface List {
  readonly items: readonly unknown[];
  readonly metadata: { readonly resourceVersion: string; readonly continue: string | undefined };
}

async function getList(
  client: Pick<ApiClient, 'get'>,
  { selector, limit, ...request }: ListOptions,
  next: string | undefined,
): Promise<List> {
  const query = { ...selector, limit: limit === undefined ? undefined : String(limit), continue: next };
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of client.get({ ...request, query })) {
    pieces.push(chunk);
    size += chunk.length;
    if (size > MAX_PAGE_BYTES) throw bad(`a page of the list has more than ${MAX_PAGE_BYTES} bytes`);
  }
  return decodeList(Buffer.concat(pieces, size).toString('utf8'));
}

function decodeList(text: string): List {
  const value = decodeJson(text, 'the list');
  if (!isRecord(value) || !isRecord(value.metadata)) throw bad('the list has no metadata');
  const { resourceVersion, continue: next } = value.metadata;
  if (typeof resourceVersion !== 'string' || resourceVersion === '')
    throw bad('the list has no resourceVersion');
  // Go writes a list without items as null.
  const items = value.items ?? [];
  if (!Array.isArray(items)) throw bad('the items of the list are not an array');
  return {
    items,
    metadata: { resourceVersion, continue: typeof next === 'string' && next !== '' ? next : undefined },
  };
}

function bad(message: string): KubernetesApiError {
  return new KubernetesApiError('BAD_RESPONSE', message);
}
