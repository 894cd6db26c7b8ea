import { setTimeout as sleep } from 'node:timers/promises';
import { Backoff } from '@infra-offload/base';
import type { ObjectKind, ObjectKinds } from '../objects/kinds.js';
import { formatPath, parseObjectAs } from '../objects/parse.js';
import { objectName } from '../objects/types.js';
import { isRecord, plainEquals } from '../plain-values.js';
import type { ObjectStore } from '../store.js';
import { KubernetesApiError } from './error.js';
import { explain } from './explain.js';
import type { ApiClient } from './http.js';
import { type ListPage, listPages } from './list.js';
import { type ApiProblem, type ApiReport, ProblemBook } from './problem.js';
import { isOlder } from './resource-version.js';
import { apiResource, optionalVersions, type ResourceSelector } from './resources.js';
import type { ApiTiming } from './timing.js';
import { type WatchEvent, watchEvents } from './watch.js';

/** A server may ask for a pause; longer ones than this look like a mistake. */
const MAX_RETRY_AFTER_MS = 5 * 60_000;

/**
 * - `listing`: reads everything, for the first time or because the watch could not go on.
 * - `watching`: the store follows the server.
 * - `waiting`: after a failure, before the next attempt.
 * - `absent`: the server does not have such objects, or does not let us list them, and need not.
 */
export type ReflectorState = 'listing' | 'watching' | 'waiting' | 'absent' | 'stopped';

export interface ReflectorCounts {
  /** Complete lists; more than one means that a watch could not go on. */
  readonly lists: number;
  readonly watches: number;
  readonly events: number;
  readonly failures: number;
}

export interface ReflectorOptions<Kind extends ObjectKind> {
  readonly kind: Kind;
  readonly selector: ResourceSelector;
  readonly store: ObjectStore<ObjectKinds[Kind]>;
  readonly client: ApiClient;
  readonly timing: ApiTiming;
  readonly onReport: (report: ApiReport) => void;
  readonly onSynced: () => void;
}

const PAGE_LIMIT = 500;
const MIN_PAGE_LIMIT = 10;
/** A server ends a watch when it is told to; this much later its end has been lost. */
const LATE_END_MS = 30_000;

/**
 * Keeps the store of one kind equal to what the server has: list, watch from there, and list again whenever something
 * may have been missed. A list changes the store by the difference only, so a subscriber sees each change once.
 */
export class Reflector<Kind extends ObjectKind> {
  readonly #options: ReflectorOptions<Kind>;
  readonly #problems: ProblemBook;
  readonly #backoff: Backoff;
  readonly #counts = { lists: 0, watches: 0, events: 0, failures: 0 };
  #state: ReflectorState = 'stopped';
  /** Up to where the store is complete; undefined if everything must be listed. */
  #version: string | undefined;
  #synced = false;
  #pageLimit: number | undefined = PAGE_LIMIT;
  #bookmarksSeen = false;
  /** The last watch ended before its time, so another server, or a restored one, may answer the next. */
  #suspicious = false;
  #failuresInRow = 0;
  /** When the first of them was; undefined if requests work. */
  #failingSince: Date | undefined;
  /** When the server first refused (401, 403), milliseconds, monotonic; undefined if its last answer was another. */
  #refusedSince: number | undefined;
  /** Of the versions in which the kind may be served, so many are not. */
  #versionsMissed = 0;

  constructor(options: ReflectorOptions<Kind>) {
    this.#options = options;
    this.#problems = new ProblemBook(options.onReport);
    this.#backoff = new Backoff({ ...options.timing.backoff, jitter: 1, firstAtOnce: true });
  }

  get kind(): Kind {
    return this.#options.kind;
  }

  get state(): ReflectorState {
    return this.#state;
  }

  get synced(): boolean {
    return this.#synced;
  }

  get resourceVersion(): string | undefined {
    return this.#version;
  }

  get counts(): ReflectorCounts {
    return this.#counts;
  }

  get problems(): Iterable<ApiProblem> {
    return this.#problems.list();
  }

  /** Returns when aborted; fails only by a mistake in the program, such as a subscriber that throws. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        if (this.#version === undefined) await this.#list(signal);
        else if (this.#suspicious) await this.#checkServer(this.#version, signal);
        else await this.#watch(this.#version, signal);
      } catch (error) {
        if (signal.aborted) break;
        if (!KubernetesApiError.is(error)) throw error;
        if (error.code === 'FORBIDDEN' || error.code === 'UNAUTHORIZED')
          this.#refusedSince ??= performance.now();
        else this.#refusedSince = undefined;
        if (this.#isAbsence(error)) await this.#absent(error, signal);
        else await this.#failed(error, signal);
      }
    }
    this.#state = 'stopped';
  }

  /** Where the kind is on this server. */
  get #path(): string {
    const { kind } = this.#options;
    return apiResource(kind, optionalVersions(kind)?.[this.#versionsMissed]).path;
  }

  /** A permission that is taken away is a failure, one that was never given is not. */
  #isAbsence({ code }: KubernetesApiError): boolean {
    if (optionalVersions(this.#options.kind) === undefined) return false;
    return code === 'NOT_SERVED' || (code === 'FORBIDDEN' && this.#counts.lists === 0);
  }

  /** Whether a refusal may be that of a server that has just started. */
  get #isRefusalFresh(): boolean {
    const { refusalMs } = this.#options.timing;
    return this.#refusedSince !== undefined && performance.now() - this.#refusedSince < refusalMs;
  }

  async #absent({ code }: KubernetesApiError, signal: AbortSignal): Promise<void> {
    const { kind, timing, onSynced } = this.#options;
    const versions = optionalVersions(kind) ?? [];
    if (code === 'NOT_SERVED' && this.#versionsMissed + 1 < versions.length) {
      this.#versionsMissed++;
      return;
    }
    this.#versionsMissed = 0;
    this.#state = 'absent';
    this.#failingSince = undefined;
    this.#problems.requestsWork();
    if (!this.#synced) {
      this.#synced = true;
      onSynced();
    }
    if (this.#isRefusalFresh) await this.#backoff.wait(signal);
    else await sleep(timing.absentMs, undefined, { signal }).catch(() => undefined);
  }

  async #failed(error: KubernetesApiError, signal: AbortSignal): Promise<void> {
    const { kind } = this.#options;
    const message = explain(error, kind, this.#version === undefined ? 'list' : 'watch');
    this.#counts.failures++;
    this.#failuresInRow++;
    // Belongs to the protocol, and one broken connection is nothing to trouble people with.
    const expected =
      error.code === 'EXPIRED' || (error.code === 'UNREACHABLE' && this.#failuresInRow === 1 && this.#synced);
    if (error.code !== 'EXPIRED') this.#failingSince ??= new Date();
    if (!expected) {
      const since = this.#failingSince;
      const problem = { code: error.code, message, kind, ...(since && { since }) };
      this.#problems.requestFailed(problem, !this.#isRefusalFresh);
    }
    if (error.code === 'EXPIRED' || error.code === 'BAD_RESPONSE') this.#version = undefined;
    this.#suspicious = true;
    this.#state = 'waiting';
    await this.#backoff.wait(signal, {
      addMs: Math.min(error.details.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS),
    });
  }

  #requestsWork(): void {
    this.#failingSince = undefined;
    this.#refusedSince = undefined;
    this.#problems.requestsWork();
  }

  async #list(signal: AbortSignal): Promise<void> {
    const { store, onSynced } = this.#options;
    this.#state = 'listing';
    const listed = new Map<string, ObjectKinds[Kind] | undefined>();
    let version: string | undefined;
    try {
      for await (const page of this.#pages(this.#pageLimit, signal)) {
        version ??= page.resourceVersion;
        for (const item of page.items) {
          const { key, object } = this.#read(item);
          // What is known already is not kept a second time.
          const known = object && store.get(object.namespace, object.name);
          listed.set(key, known && plainEquals(known, object) ? known : object);
        }
      }
    } catch (error) {
      if (KubernetesApiError.is(error)) this.#pageLimit = this.#nextPageLimit(error);
      throw error;
    }
    this.#replace(listed);
    this.#version = version;
    this.#pageLimit = PAGE_LIMIT;
    this.#suspicious = false;
    this.#counts.lists++;
    this.#requestsWork();
    if (this.#synced) return;
    this.#synced = true;
    onSynced();
  }

  #pages(limit: number | undefined, signal: AbortSignal): AsyncIterable<ListPage> {
    const { selector, client, timing } = this.#options;
    const { answerMs, listSilenceMs: silenceMs } = timing;
    const path = this.#path;
    return listPages(client, { path, selector, ...(limit ? { limit } : {}), answerMs, silenceMs, signal });
  }

  #nextPageLimit({ code }: KubernetesApiError): number | undefined {
    // The server forgets a state after some minutes. A list that takes longer can only succeed without pages.
    if (code === 'EXPIRED') return undefined;
    // Perhaps it was too large.
    if (code === 'BAD_RESPONSE')
      return Math.max(MIN_PAGE_LIMIT, Math.floor((this.#pageLimit ?? PAGE_LIMIT) / 4));
    return this.#pageLimit;
  }

  /** In one synchronous run, removals first, so that what has moved to another name is never there twice. */
  #replace(listed: ReadonlyMap<string, ObjectKinds[Kind] | undefined>): void {
    const { store } = this.#options;
    for (const object of [...store.values()]) {
      if (!listed.has(objectName(object))) store.delete(object.namespace, object.name);
    }
    for (const object of listed.values()) if (object !== undefined) store.set(object);
    this.#problems.keepObjects((key) => listed.has(key));
  }

  /**
   * A server that was restored from a backup may be at an older version than the store. It would keep a watch from
   * there waiting for a version that comes much later, so ask it first.
   */
  async #checkServer(version: string, signal: AbortSignal): Promise<void> {
    for await (const { resourceVersion } of this.#pages(1, signal)) {
      if (isOlder(resourceVersion, version)) this.#version = undefined;
      break;
    }
    this.#suspicious = false;
  }

  async #watch(from: string, signal: AbortSignal): Promise<void> {
    const { selector, client, timing } = this.#options;
    const timeoutSeconds = Math.ceil(timing.watchSeconds * (1 + Math.random()));
    const timeoutMs = timeoutSeconds * 1000;
    const began = performance.now();
    this.#counts.watches++;
    try {
      const events = watchEvents(client, {
        path: this.#path,
        selector,
        resourceVersion: from,
        timeoutSeconds,
        answerMs: timing.answerMs,
        silenceMs: this.#bookmarksSeen ? timing.watchSilenceMs : timeoutMs + LATE_END_MS,
        signal,
        onAccepted: () => {
          this.#state = 'watching';
          this.#requestsWork();
        },
      });
      for await (const together of events) for (const event of together) this.#apply(event);
    } finally {
      const lasted = performance.now() - began;
      this.#suspicious = lasted < timeoutMs / 2;
      if (lasted >= timing.healthyMs) {
        this.#backoff.reset();
        this.#failuresInRow = 0;
      }
    }
    // A server that ends every watch at once would otherwise be asked without pause.
    if (this.#suspicious) await this.#backoff.wait(signal);
  }

  #apply(event: WatchEvent): void {
    const { store } = this.#options;
    if (isOlder(event.resourceVersion, this.#version)) {
      const message = `the server has gone back from version ${this.#version} to ${event.resourceVersion}`;
      throw new KubernetesApiError('EXPIRED', message);
    }
    switch (event.type) {
      case 'set': {
        const { object } = this.#read(event.object);
        if (object !== undefined) store.set(object);
        break;
      }
      case 'delete': {
        const { namespace, name } = nameOf(event.object);
        store.delete(namespace, name);
        this.#problems.objectValid(objectName({ namespace, name }));
        break;
      }
      case 'bookmark':
        this.#bookmarksSeen = true;
        break;
      default:
        event satisfies never;
    }
    this.#counts.events++;
    this.#version = event.resourceVersion;
  }

  /** `object` is absent for one that cannot be read, which is reported. */
  #read(value: unknown): { readonly key: string; readonly object?: ObjectKinds[Kind] } {
    const { kind } = this.#options;
    const key = objectName(nameOf(value));
    const parsed = parseObjectAs(kind, value);
    if (parsed.result === 'object') {
      this.#problems.objectValid(key);
      return { key, object: parsed.object };
    }
    const what = parsed.issues.map(({ path, message }) => `${formatPath(path)}: ${message}`).join('; ');
    const message = `${parsed.description}: ${what}; its last good state stays in force`;
    this.#problems.objectInvalid(key, { code: 'INVALID_OBJECT', message, kind, object: parsed.description });
    return { key };
  }
}

function nameOf(value: unknown): { readonly namespace: string; readonly name: string } {
  const metadata = isRecord(value) && isRecord(value.metadata) ? value.metadata : {};
  const { namespace, name } = metadata;
  if (typeof name !== 'string' || name === '') {
    throw new KubernetesApiError('BAD_RESPONSE', 'the server sent an object without a name');
  }
  return { namespace: typeof namespace === 'string' ? namespace : '', name };
}
