import { setImmediate } from 'node:timers/promises';
import {
  MANIFEST_LIMITS,
  type Position,
  readDocuments,
  type YamlDocument,
  YamlError,
} from '@infra-offload/yaml';
import { parseEndpoints } from '../objects/endpoints-schema.js';
import { isObjectKind, objectKey, type WatchedObject } from '../objects/kinds.js';
import { formatPath, type InvalidObject, type ObjectIssue, parseObject } from '../objects/parse.js';
import { isRecord } from '../plain-values.js';
import { type ManifestProblem, manifestProblem, type ProblemFields } from './problem.js';

export interface LoadedObject {
  readonly object: WatchedObject;
  /** "Endpoints default/web" for a slice that mirrors them; else the object's own key. */
  readonly origin: string;
  /** Of a service: whether it selects pods, so that its Endpoints are not mirrored. */
  readonly selectsPods: boolean;
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
  try {
    for (const document of readDocuments(text, { file, limits: MANIFEST_LIMITS })) {
      for (const step of loader.walk(document)) {
        step();
        if (performance.now() < sliceEnd) continue;
        await setImmediate();
        sliceEnd = performance.now() + SLICE_MS;
      }
    }
  } catch (error) {
    if (!YamlError.is(error)) throw error;
    loader.fail({ code: 'SYNTAX', file, ...error.details.position, cause: error.reason });
  }
  return loader.finish();
}

class Loader {
  readonly #file: string;
  readonly #before: readonly LoadedObject[] | undefined;
  /** `before` by origin, once that is needed. */
  #lastGood: ReadonlyMap<string, readonly LoadedObject[]> | undefined;
  readonly #objects: LoadedObject[] = [];
  readonly #origins = new Set<string>();
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
  *walk(document: YamlDocument): Generator<() => void> {
    for (const { key, line, column } of document.duplicates) {
      const cause = `the key '${key}' is given again; as in kubectl, the last one counts`;
      yield () => this.#report({ code: 'DUPLICATE_KEY', file: this.#file, line, column, cause });
    }
    yield* this.#walk(document, document.value, []);
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

  *#walk(document: YamlDocument, value: unknown, path: readonly PropertyKey[]): Generator<() => void> {
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

  #read(document: YamlDocument, value: unknown, root: readonly PropertyKey[]): void {
    const parsed = parseEndpoints(value) ?? parseObject(value);
    const position = document.positionsKnown ? document.locate(root) : undefined;
    switch (parsed.result) {
      case 'ignored':
        return;
      case 'object': {
        const object = detached(parsed.object);
        this.#add([{ object, origin: objectKey(object), selectsPods: selectsPods(value), position }]);
        return;
      }
      case 'endpoints': {
        const origin = parsed.description;
        this.#add(
          parsed.slices.map((slice) => ({ object: detached(slice), origin, selectsPods: false, position })),
        );
        return;
      }
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

  /** All objects of one origin. */
  #add(loaded: readonly LoadedObject[]): void {
    for (const one of loaded) {
      this.#objects.push(one);
      this.#origins.add(one.origin);
    }
  }

  /** Keeps the last good version of an object that is wrong, and tells what is in force. */
  #keep({ kind, name }: InvalidObject['identity']): string {
    const before = this.#before ?? [];
    if (kind === undefined || name === undefined) {
      this.#nameless.add(kind ?? '');
      const stays = before.some(({ origin }) => kind === undefined || kindOf(origin) === kind);
      return stays
        ? `no ${kind ?? 'object'} of this file is taken away until it is right`
        : 'it is not in force';
    }
    const key = `${kind} ${name}`;
    this.#lastGood ??= byOrigin(before);
    const last = this.#lastGood.get(key);
    if (last === undefined) return 'it is not in force';
    if (!this.#origins.has(key)) this.#add(last);
    return 'its last good version stays in force';
  }

  /** What has gone from the file, but may be one of the objects that do not tell their names. */
  #maybeNameless(): readonly LoadedObject[] {
    if (this.#nameless.size === 0) return [];
    return (this.#before ?? []).filter(
      ({ origin }) =>
        !this.#origins.has(origin) && (this.#nameless.has('') || this.#nameless.has(kindOf(origin))),
    );
  }

  #problemOf(
    document: YamlDocument,
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

function byOrigin(objects: readonly LoadedObject[]): ReadonlyMap<string, readonly LoadedObject[]> {
  const found = new Map<string, LoadedObject[]>();
  for (const loaded of objects) {
    const others = found.get(loaded.origin);
    if (others === undefined) found.set(loaded.origin, [loaded]);
    else others.push(loaded);
  }
  return found;
}

/** "Service" of "Service default/web". */
function kindOf(origin: string): string {
  return origin.slice(0, origin.indexOf(' '));
}

/** Whether it is a service with a selector, whose endpoints are pods. */
function selectsPods(value: unknown): boolean {
  if (!isRecord(value) || !isRecord(value.spec) || !isRecord(value.spec.selector)) return false;
  return Object.keys(value.spec.selector).length > 0;
}

/** A copy whose strings are not pieces of the file's text, which they would keep in memory as a whole. */
function detached<Item extends WatchedObject>(object: Item): Item {
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
