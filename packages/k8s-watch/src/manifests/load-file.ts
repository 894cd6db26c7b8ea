import { setImmediate } from 'node:timers/promises';
import { formatPath, type InvalidObject, type ObjectIssue, parseObject } from '../objects/parse.js';
import { isObjectKind } from '../objects/schema.js';
import { objectKey, type WatchedObject } from '../objects/types.js';
import { isRecord } from '../plain-values.js';
import { type ManifestDocument, type Position, readDocuments } from './documents.js';
import { type ManifestProblem, manifestProblem, type ProblemFields } from './problem.js';

export interface LoadedObject {
  readonly object: WatchedObject;
  /** Where the object begins; not known of JSON. */
  readonly position: Position | undefined;
}

export interface LoadedFile {
  /** What is in force, in the order of the file; undefined if there is nothing good yet. */
  readonly objects: readonly LoadedObject[] | undefined;
  readonly problems: readonly ManifestProblem[];
}

/** More problems of one file are only counted. */
const MAX_PROBLEMS = 20;
/** Each list in a list adds two steps. */
const MAX_LIST_PATH = 20;
/** The longest stretch of work before others get their turn. */
const SLICE_MS = 10;

/**
 * Reads all objects of a manifest file that are of a watched kind. `before` was in force until now: all of it stays if
 * the file is not well formed, and of an object that is wrong its last good version does. The problems tell which.
 */
export async function loadManifests(
  file: string,
  text: string,
  before: readonly LoadedObject[] | undefined,
): Promise<LoadedFile> {
  const loader = new Loader(file, before);
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
  readonly #before: readonly LoadedObject[] | undefined;
  /** `before` by key, once that is needed. */
  #lastGood: ReadonlyMap<string, LoadedObject> | undefined;
  readonly #objects: LoadedObject[] = [];
  readonly #keys = new Set<string>();
  readonly #problems: ManifestProblem[] = [];
  /** Kinds of objects that are wrong in a way that hides their names; '' stands for any kind. */
  readonly #nameless = new Set<string>();
  #wellFormed = true;
  #uncounted = 0;

  constructor(file: string, before: readonly LoadedObject[] | undefined) {
    this.#file = file;
    this.#before = before;
  }

  /** One step for each object of the document; lists are opened. */
  walk(document: ManifestDocument): Generator<() => void> {
    return this.#walk(document, document.value, []);
  }

  /** The file as a whole cannot be read. */
  fail(problem: ProblemFields): void {
    this.#wellFormed = false;
    const consequence =
      this.#before === undefined
        ? 'nothing of this file is in force'
        : "the file's last good state stays in force";
    this.#report({ ...problem, cause: `${problem.cause}; ${consequence}` });
  }

  finish(): LoadedFile {
    if (this.#uncounted > 0) {
      const cause = `${this.#uncounted} more problems in this file`;
      this.#problems.push(manifestProblem({ code: 'INVALID_OBJECT', file: this.#file, cause }));
    }
    if (!this.#wellFormed) return { objects: this.#before, problems: this.#problems };
    return { objects: [...this.#objects, ...this.#maybeNameless()], problems: this.#problems };
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
        this.#add({
          object: detached(parsed.object),
          position: document.positionsKnown ? document.locate(root) : undefined,
        });
        return;
      case 'unsupported': {
        const problem = this.#problemOf(document, root, parsed.description, parsed.issue);
        this.#report({ ...problem, code: 'UNSUPPORTED_VERSION' });
        return;
      }
      case 'invalid': {
        const consequence = this.#keep(parsed.identity);
        for (const issue of parsed.issues) {
          const problem = this.#problemOf(document, root, parsed.description, issue);
          this.#report({ ...problem, cause: `${problem.cause}; ${consequence}` });
        }
        return;
      }
      default:
        parsed satisfies never;
    }
  }

  #add(loaded: LoadedObject): void {
    this.#objects.push(loaded);
    this.#keys.add(objectKey(loaded.object));
  }

  /** Keeps the last good version of an object that is wrong, and tells what is in force. */
  #keep({ kind, name }: InvalidObject['identity']): string {
    const before = this.#before ?? [];
    if (kind === undefined || name === undefined) {
      this.#nameless.add(kind ?? '');
      const stays = before.some(({ object }) => kind === undefined || object.kind === kind);
      return stays
        ? `no ${kind ?? 'object'} of this file is taken away until it is right`
        : 'it is not in force';
    }
    const key = `${kind} ${name}`;
    this.#lastGood ??= new Map(before.map((loaded) => [objectKey(loaded.object), loaded]));
    const last = this.#lastGood.get(key);
    if (last === undefined) return 'it is not in force';
    if (!this.#keys.has(key)) this.#add(last);
    return 'its last good version stays in force';
  }

  /** What has gone from the file, but may be one of the objects that do not tell their names. */
  #maybeNameless(): readonly LoadedObject[] {
    if (this.#nameless.size === 0) return [];
    return (this.#before ?? []).filter(
      ({ object }) =>
        !this.#keys.has(objectKey(object)) && (this.#nameless.has('') || this.#nameless.has(object.kind)),
    );
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
