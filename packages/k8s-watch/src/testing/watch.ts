import type { Body } from './body.js';
import type { Change, Database } from './database.js';
import type { Fault } from './faults.js';
import { apiVersionOf, type KubeObject, type Resource } from './objects.js';
import type { Matcher } from './selectors.js';
import { expired, StatusError } from './status.js';

export interface WatchQuery {
  readonly resource: Resource;
  readonly matches: Matcher;
  /** Changes after this one; all objects first if absent. */
  readonly after: number | undefined;
  readonly bookmarks: boolean;
  readonly timeoutMs: number;
  readonly bookmarkMs: number;
}

/** One watch, from its first event to its end. */
export class Watch {
  readonly #query: WatchQuery;
  readonly #database: Database;
  readonly #body: Body;
  readonly #faults: readonly Fault[];
  readonly #onClosed: () => void;
  #unsubscribe: () => void = () => undefined;
  #bookmarkTimer: NodeJS.Timeout | undefined;
  #endTimer: NodeJS.Timeout | undefined;
  #sent = 0;
  #events = 0;
  #closed = false;

  constructor(
    database: Database,
    query: WatchQuery,
    body: Body,
    faults: readonly Fault[],
    onClosed: () => void,
  ) {
    this.#database = database;
    this.#query = query;
    this.#body = body;
    this.#faults = faults;
    this.#onClosed = onClosed;
  }

  start(): void {
    const { resource, matches, after, bookmarks, timeoutMs, bookmarkMs } = this.#query;
    this.#applyFaults();
    if (this.#closed) return;
    this.#sent = after ?? 0;
    if (after === undefined) {
      for (const object of [...this.#database.values(resource.kind)].filter(matches))
        this.#send('ADDED', object);
      this.#sent = this.#database.version;
    } else {
      try {
        for (const change of this.#database.changesAfter(resource.kind, after)) this.#onChange(change);
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        this.fail(error);
        return;
      }
    }
    if (this.#closed) return;
    this.#unsubscribe = this.#database.subscribe((changed, change) => {
      if (changed === resource) this.#onChange(change);
    });
    this.#endTimer = setTimeout(() => this.end(), timeoutMs);
    if (bookmarks) this.#bookmarkTimer = setInterval(() => this.#bookmark(), bookmarkMs);
  }

  /** As when its time is over. */
  end(): void {
    if (this.#closed) return;
    if (this.#query.bookmarks) this.#bookmark();
    this.#body.end();
    this.close();
  }

  /** The connection is gone. */
  close(): void {
    this.#closed = true;
    this.#unsubscribe();
    clearInterval(this.#bookmarkTimer);
    clearTimeout(this.#endTimer);
    this.#onClosed();
  }

  fail(error: StatusError): void {
    this.#line('ERROR', error.toStatus());
    this.#body.end();
    this.close();
  }

  #onChange({ version, before, after }: Change): void {
    // A client that is ahead, because the server was restored, waits until the versions get there.
    if (this.#closed || version <= this.#sent) return;
    const { matches } = this.#query;
    const had = before !== undefined && matches(before);
    const has = after !== undefined && matches(after);
    this.#sent = version;
    if (has) this.#send(had ? 'MODIFIED' : 'ADDED', after);
    else if (had) {
      const metadata = { ...before.metadata, resourceVersion: String(version) };
      this.#send('DELETED', { ...before, metadata });
    }
  }

  #send(type: 'ADDED' | 'MODIFIED' | 'DELETED', object: KubeObject): void {
    if (this.#closed) return;
    this.#line(type, object);
    if (this.#faults.some((fault) => fault.type === 'duplicate')) this.#line(type, object);
    this.#events++;
    this.#applyFaults();
  }

  #bookmark(): void {
    const { resource } = this.#query;
    if (this.#database.version < this.#sent) return;
    this.#sent = this.#database.version;
    this.#line('BOOKMARK', {
      kind: resource.kind,
      apiVersion: apiVersionOf(resource),
      metadata: { resourceVersion: String(this.#sent), creationTimestamp: null },
    });
  }

  #line(type: string, object: unknown): void {
    this.#body.write(`${JSON.stringify({ type, object })}\n`);
  }

  /** Those that are due after as many events as have been sent. */
  #applyFaults(): void {
    for (const fault of this.#faults) {
      if (this.#closed) return;
      if (dueAfter(fault) !== this.#events) continue;
      switch (fault.type) {
        case 'cut':
          this.#body.cut();
          this.close();
          break;
        case 'end':
          this.end();
          break;
        case 'stall':
          this.#body.stall();
          break;
        case 'garbage':
          this.#body.write(`${fault.text ?? '{"type":"ADDED","object":{"metadata"'}\n`);
          break;
        case 'gone':
          this.fail(expired('The resourceVersion for the provided watch is too old.'));
          break;
        case 'status':
        case 'delay':
        case 'duplicate':
        case 'pieces':
          break;
        default:
          fault satisfies never;
      }
    }
  }
}

/** How many events come before the fault; undefined if it does not wait for events. */
function dueAfter(fault: Fault): number | undefined {
  if (fault.type === 'gone') return fault.as === 'event' ? (fault.afterEvents ?? 0) : undefined;
  return 'afterEvents' in fault ? fault.afterEvents : undefined;
}
