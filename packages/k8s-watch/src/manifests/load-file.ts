import { setImmediate } from 'node:timers/promises';
import { formatPath, type ObjectIssue, parseObject } from '../objects/parse.js';
import { isObjectKind } from '../objects/schema.js';
import type { WatchedObject } from '../objects/types.js';
import { isRecord } from '../plain-values.js';
import { type ManifestDocument, type Position, readDocuments } from './documents.js';
import { type ManifestProblem, manifestProblem, type ProblemFields } from './problem.js';

export interface LoadedObject {
  readonly object: WatchedObject;
  /** Where the object begins; not known of JSON. */
  readonly position: Position | undefined;
}

export interface LoadedFile {
  /** In the order of the file. Only to be used if `good`. */
  readonly objects: readonly LoadedObject[];
  /** Whether everything in the file could be read. */
  readonly good: boolean;
  readonly problems: readonly ManifestProblem[];
}

/** More problems of one file are only counted. */
const MAX_PROBLEMS = 20;
/** Each list in a list adds two steps. */
const MAX_LIST_PATH = 20;
/** The longest stretch of work before others get their turn. */
const SLICE_MS = 10;

/**
 * Reads all objects of a manifest file that are of a watched kind. `hasGoodState`: there is something to keep if this
 * fails, which the problems then say.
 */
export async function loadManifests(file: string, text: string, hasGoodState: boolean): Promise<LoadedFile> {
  const loader = new Loader(file, hasGoodState);
  let sliceEnd = performance.now() + SLICE_MS;
  for (const result of readDocuments(text)) {
    if (result.ok) {
      for (const step of loader.walk(result.document)) {
        step();
        if (performance.now() < sliceEnd) continue;
        await setImmediate();
        sliceEnd = performance.now() + SLICE_MS;
      }
    } else {
      const { message, line, column } = result.error;
      loader.fail({ code: 'SYNTAX', file, line, column, cause: message });
    }
  }
  return loader.finish();
}

class Loader {
  readonly #file: string;
  readonly #consequence: string;
  readonly #objects: LoadedObject[] = [];
  readonly #problems: ManifestProblem[] = [];
  #good = true;
  #uncounted = 0;

  constructor(file: string, hasGoodState: boolean) {
    this.#file = file;
    this.#consequence = hasGoodState
      ? "the file's last good state stays in force"
      : 'nothing of this file is in force';
  }

  /** One step for each object of the document; lists are opened. */
  walk(document: ManifestDocument): Generator<() => void> {
    return this.#walk(document, document.value, []);
  }

  fail(problem: ProblemFields): void {
    this.#good = false;
    this.#report({ ...problem, cause: `${problem.cause}; ${this.#consequence}` });
  }

  finish(): LoadedFile {
    if (this.#uncounted > 0) {
      const cause = `${this.#uncounted} more problems in this file`;
      this.#problems.push(manifestProblem({ code: 'INVALID_OBJECT', file: this.#file, cause }));
    }
    return { objects: this.#objects, good: this.#good, problems: this.#problems };
  }

  *#walk(document: ManifestDocument, value: unknown, path: readonly PropertyKey[]): Generator<() => void> {
    // An empty document, between two separators for instance, is no mistake.
    if (value === null || value === undefined) return;
    const list = asList(value);
    if (list === undefined) {
      yield () => this.#read(document, value, path);
      return;
    }
    if (path.length > MAX_LIST_PATH) {
      yield () =>
        this.fail(this.#problemOf(document, path, '', { path: [], message: 'is a list in too many lists' }));
      return;
    }
    for (const [i, item] of list.items.entries()) {
      // Items of a typed list need not say what they are.
      const typed = isRecord(item) && list.defaults ? { ...list.defaults, ...item } : item;
      yield* this.#walk(document, typed, [...path, 'items', i]);
    }
  }

  #read(document: ManifestDocument, value: unknown, root: readonly PropertyKey[]): void {
    const parsed = parseObject(value);
    switch (parsed.result) {
      case 'ignored':
        return;
      case 'object':
        this.#objects.push({
          object: detached(parsed.object),
          position: document.positionsKnown ? document.locate(root) : undefined,
        });
        return;
      case 'unsupported': {
        const problem = this.#problemOf(document, root, parsed.description, parsed.issue);
        this.#report({ ...problem, code: 'UNSUPPORTED_VERSION' });
        return;
      }
      case 'invalid':
        for (const issue of parsed.issues) {
          this.fail(this.#problemOf(document, root, parsed.description, issue));
        }
        return;
      default:
        parsed satisfies never;
    }
  }

  #problemOf(
    document: ManifestDocument,
    root: readonly PropertyKey[],
    object: string,
    { path, message }: ObjectIssue,
  ): ProblemFields {
    const fullPath = [...root, ...path];
    return {
      code: 'INVALID_OBJECT',
      file: this.#file,
      ...document.locate(fullPath),
      object,
      path: formatPath(fullPath),
      cause: message,
    };
  }

  #report(problem: ProblemFields): void {
    if (this.#problems.length < MAX_PROBLEMS) this.#problems.push(manifestProblem(problem));
    else this.#uncounted++;
  }
}

/** A copy whose strings are not pieces of the file's text, which they would keep in memory as a whole. */
function detached(object: WatchedObject): WatchedObject {
  return JSON.parse(JSON.stringify(object));
}

interface ObjectList {
  readonly items: readonly unknown[];
  readonly defaults?: { readonly kind: string; readonly apiVersion: unknown };
}

/** `kind: List` of anything, or a typed list such as ServiceList. */
function asList(value: unknown): ObjectList | undefined {
  if (!isRecord(value) || typeof value.kind !== 'string' || !value.kind.endsWith('List')) return undefined;
  const items = value.items ?? [];
  if (!Array.isArray(items)) return undefined;
  const kind = value.kind.slice(0, -'List'.length);
  if (kind === '') return { items };
  return isObjectKind(kind) ? { items, defaults: { kind, apiVersion: value.apiVersion } } : undefined;
}
