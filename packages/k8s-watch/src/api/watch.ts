import { isRecord } from '../plain-values.js';
import { decodeJson } from './decode-json.js';
import { KubernetesApiError } from './error.js';
import { type ApiClient, statusError } from './http.js';
import { LineSplitter } from './json-lines.js';
import type { ResourceSelector } from './resources.js';

/** etcd takes objects of 1.5 MB; JSON may be some times as long. */
export const MAX_EVENT_BYTES = 16 * 1024 * 1024;

export interface WatchOptions {
  readonly path: string;
  readonly selector: ResourceSelector;
  /** Events after this version are told. */
  readonly resourceVersion: string;
  /** When the server shall end the watch. */
  readonly timeoutSeconds: number;
  readonly answerMs: number;
  readonly silenceMs: number;
  readonly signal: AbortSignal;
  readonly onAccepted: () => void;
}

export type WatchEvent =
  | {
      readonly type: 'set' | 'delete';
      readonly object: Readonly<Record<string, unknown>>;
      readonly resourceVersion: string;
    }
  /** Nothing has changed up to this version. */
  | { readonly type: 'bookmark'; readonly resourceVersion: string };

/**
 * The events of one watch until the server ends it, those that came together in one array.
 *
 * @throws {KubernetesApiError} `EXPIRED` if the server has forgotten the version, `BAD_RESPONSE` for what is no event:
 * in both cases something may be missed, so list again. With any other code the watch can go on where it ended. What
 * came before the failure has been given out.
 */
export async function* watchEvents(
  client: Pick<ApiClient, 'get'>,
  { selector, resourceVersion, timeoutSeconds, ...request }: WatchOptions,
): AsyncGenerator<readonly WatchEvent[], void, void> {
  const query = {
    watch: 'true',
    allowWatchBookmarks: 'true',
    resourceVersion,
    timeoutSeconds: String(timeoutSeconds),
    ...selector,
  };
  const lines = new LineSplitter(MAX_EVENT_BYTES);
  for await (const chunk of client.get({ ...request, query })) {
    const { events, failure } = decode(lines, chunk);
    if (events.length > 0) yield events;
    if (failure !== undefined) throw failure;
  }
  if (lines.pending > 0) throw new KubernetesApiError('BAD_RESPONSE', 'the watch ended within an event');
}

function decode(
  lines: LineSplitter,
  chunk: Uint8Array,
): { events: readonly WatchEvent[]; failure?: KubernetesApiError } {
  const events: WatchEvent[] = [];
  try {
    for (const line of lines.push(chunk)) events.push(decodeEvent(line));
    return { events };
  } catch (error) {
    if (KubernetesApiError.is(error)) return { events, failure: error };
    if (!(error instanceof RangeError)) throw error;
    return { events, failure: bad(`the watch sent ${error.message}`, error) };
  }
}

function decodeEvent(line: string): WatchEvent {
  const value = decodeJson(line, `the watch sent '${excerpt(line)}', which`);
  if (!isRecord(value) || !isRecord(value.object)) throw bad(`the watch sent no event: ${excerpt(line)}`);
  const { type, object } = value;
  if (type === 'ERROR') throw errorOf(object);
  const version = isRecord(object.metadata) ? object.metadata.resourceVersion : undefined;
  if (typeof version !== 'string' || version === '') {
    throw bad(`the watch sent an event without resourceVersion: ${excerpt(line)}`);
  }
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
      return { type: 'set', object, resourceVersion: version };
    case 'DELETED':
      return { type: 'delete', object, resourceVersion: version };
    case 'BOOKMARK':
      return { type: 'bookmark', resourceVersion: version };
    default:
      throw bad(`the watch sent an event of the unknown type ${JSON.stringify(type)}`);
  }
}

/** Of an ERROR event, whose object is a Status. */
function errorOf({ code, message, details }: Readonly<Record<string, unknown>>): KubernetesApiError {
  const seconds = isRecord(details) ? details.retryAfterSeconds : undefined;
  const text = typeof message === 'string' ? message : '';
  return statusError(
    typeof code === 'number' ? code : 500,
    text,
    typeof seconds === 'number' ? seconds * 1000 : undefined,
  );
}

function excerpt(line: string): string {
  return line.length <= 100 ? line : `${line.slice(0, 100)}… (${line.length} characters)`;
}

function bad(message: string, cause?: unknown): KubernetesApiError {
  return new KubernetesApiError('BAD_RESPONSE', message, { cause });
}
