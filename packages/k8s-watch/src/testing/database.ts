import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { Listeners } from '@infra-offload/base';
import {
  apiVersionOf,
  isRecord,
  type KubeObject,
  keyOf,
  type ObjectRef,
  RESOURCES,
  type Resource,
  resourceOfKind,
} from './objects.js';
import { expired, notFound, StatusError } from './status.js';

/** One write: `before` is absent for a new object, `after` for a deleted one. */
export interface Change {
  readonly version: number;
  readonly before?: KubeObject;
  readonly after?: KubeObject;
}

interface Table {
  objects: Map<string, KubeObject>;
  /** The last changes, oldest first. */
  history: Change[];
  /** Changes up to this version have been forgotten. */
  compacted: number;
}

/** A copy of everything, to go back to. */
export interface Backup {
  readonly version: number;
  readonly objects: ReadonlyMap<string, ReadonlyMap<string, KubeObject>>;
}

/** An object to write: without the fields that the server sets. */
export interface ObjectInput {
  readonly apiVersion?: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}

/** The objects, one version counter for all of them, and the last changes of each kind: what etcd and watch cache are. */
export class Database {
  readonly #tables = new Map<string, Table>();
  readonly #listeners = new Listeners<[resource: Resource, change: Change]>();
  readonly #historySize: number;
  #version: number;

  constructor(version: number, historySize: number) {
    this.#version = version;
    this.#historySize = historySize;
    for (const { kind } of RESOURCES)
      this.#tables.set(kind, { objects: new Map(), history: [], compacted: version });
  }

  get version(): number {
    return this.#version;
  }

  subscribe(listener: (resource: Resource, change: Change) => void): () => void {
    return this.#listeners.add(listener);
  }

  get(ref: ObjectRef): KubeObject | undefined {
    return this.#table(ref.kind).objects.get(keyOf(located(ref)));
  }

  values(kind: string): Iterable<KubeObject> {
    return this.#table(kind).objects.values();
  }

  create(input: ObjectInput): KubeObject {
    const { name, namespace } = located({ kind: input.kind, ...input.metadata });
    if (this.get({ kind: input.kind, ...input.metadata }) !== undefined) {
      const { plural } = resourceOfKind(input.kind);
      throw new StatusError(409, 'AlreadyExists', `${plural} "${name}" already exists`);
    }
    const metadata = { ...input.metadata, ...(namespace ? { namespace } : {}), name };
    return this.#write({
      ...input,
      metadata: {
        ...metadata,
        uid: randomUUID(),
        creationTimestamp: new Date().toISOString().replace(/\.\d+/, ''),
      },
    });
  }

  /** With `metadata.resourceVersion`, only if that is still the object's. Writing what is there already is no change. */
  update(input: ObjectInput): KubeObject {
    const ref = { kind: input.kind, ...input.metadata };
    const before = this.get(ref) ?? missing(ref);
    const { resourceVersion, uid, creationTimestamp } = before.metadata;
    const asked = input.metadata.resourceVersion;
    if (asked !== undefined && asked !== resourceVersion) {
      throw new StatusError(
        409,
        'Conflict',
        'the object has been modified; please apply your changes to the latest version',
      );
    }
    const { namespace } = located(ref);
    const metadata = { ...input.metadata, ...(namespace ? { namespace } : {}), uid, creationTimestamp };
    const after = { ...input, apiVersion: before.apiVersion, metadata: { ...metadata, resourceVersion } };
    return isDeepStrictEqual(before, after) ? before : this.#write({ ...input, metadata }, before);
  }

  /** A JSON merge patch (RFC 7386). */
  patch(ref: ObjectRef, patch: Readonly<Record<string, unknown>>): KubeObject {
    const before = this.get(ref) ?? missing(ref);
    const { metadata, ...fields } = mergePatch(before, patch);
    if (!isRecord(metadata)) throw new StatusError(422, 'Invalid', 'metadata cannot be removed');
    const { resourceVersion: _, ...kept } = metadata;
    return this.update({ ...fields, kind: before.kind, metadata: { ...kept, name: before.metadata.name } });
  }

  delete(ref: ObjectRef): void {
    const before = this.get(ref) ?? missing(ref);
    const resource = resourceOfKind(ref.kind);
    const table = this.#table(ref.kind);
    table.objects.delete(keyOf(before.metadata));
    this.#record(resource, table, { version: ++this.#version, before });
  }

  /** The objects as they were at a version. */
  stateAt(kind: string, version: number): Map<string, KubeObject> {
    const { objects, history, compacted } = this.#table(kind);
    if (version < compacted)
      throw expired('The provided continue parameter is too old to display a consistent list result.');
    const state = new Map(objects);
    for (let i = history.length - 1; i >= 0; i--) {
      const change = history[i];
      if (change === undefined || change.version <= version) break;
      const key = keyOf((change.before ?? change.after ?? { metadata: { name: '' } }).metadata);
      if (change.before === undefined) state.delete(key);
      else state.set(key, change.before);
    }
    return state;
  }

  changesAfter(kind: string, version: number): readonly Change[] {
    const { history, compacted } = this.#table(kind);
    if (version < compacted) throw expired(`too old resource version: ${version} (${compacted})`);
    return history.filter((change) => change.version > version);
  }

  /** Forgets all changes so far: watches from before and lists under way get 410. */
  compact(): void {
    for (const table of this.#tables.values()) {
      table.history = [];
      table.compacted = this.#version;
    }
  }

  backup(): Backup {
    const objects = new Map(
      [...this.#tables].map(([kind, table]) => [kind, new Map(table.objects)] as const),
    );
    return { version: this.#version, objects };
  }

  /** Goes back to the state and the version of the backup. */
  restore({ version, objects }: Backup): void {
    this.#version = version;
    for (const [kind, table] of this.#tables) table.objects = new Map(objects.get(kind));
    this.compact();
  }

  #write(input: ObjectInput, before?: KubeObject): KubeObject {
    const resource = resourceOfKind(input.kind);
    const table = this.#table(input.kind);
    const version = ++this.#version;
    const metadata = { ...input.metadata, resourceVersion: String(version) };
    const after: KubeObject = { ...structuredClone(input), apiVersion: apiVersionOf(resource), metadata };
    table.objects.set(keyOf(after.metadata), after);
    this.#record(resource, table, before === undefined ? { version, after } : { version, before, after });
    return after;
  }

  #record(resource: Resource, table: Table, change: Change): void {
    table.history.push(change);
    while (table.history.length > this.#historySize)
      table.compacted = table.history.shift()?.version ?? table.compacted;
    this.#listeners.emit(resource, change);
  }

  #table(kind: string): Table {
    const table = this.#tables.get(resourceOfKind(kind).kind);
    if (table === undefined) throw new Error(`no table of ${kind}`);
    return table;
  }
}

/** With the namespace that the API server would take. */
function located({ kind, namespace, name }: ObjectRef): {
  readonly namespace?: string;
  readonly name: string;
} {
  return resourceOfKind(kind).namespaced ? { namespace: namespace ?? 'default', name } : { name };
}

function missing(ref: ObjectRef): never {
  throw notFound(`${resourceOfKind(ref.kind).plural} "${ref.name}" not found`);
}

function mergePatch(target: unknown, patch: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const result: Record<string, unknown> = isRecord(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = isRecord(value) ? mergePatch(result[key], value) : value;
  }
  return result;
}
