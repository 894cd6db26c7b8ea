import { MANIFEST_LIMITS, readDocuments } from '@infra-offload/yaml';
import type { Database, ObjectInput } from './database.js';
import { isRecord, keyOf, RESOURCES } from './objects.js';

/**
 * The objects of a YAML or JSON text, lists unfolded; kinds that the server does not have are left out.
 *
 * @param file for messages
 * @throws {Error} if the text or an object in it cannot be read.
 */
export function readManifests(text: string, file?: string): ObjectInput[] {
  return [...readDocuments(text, { file, limits: MANIFEST_LIMITS })].flatMap(({ value }) => unfold(value));
}

function unfold(value: unknown): ObjectInput[] {
  if (value === null || value === undefined) return [];
  if (!isRecord(value) || typeof value.kind !== 'string')
    throw new Error('a document is no Kubernetes object');
  if (Array.isArray(value.items)) return value.items.flatMap(unfold);
  const { kind, metadata } = value;
  const resource = RESOURCES.find((one) => one.kind === kind);
  if (resource === undefined) return [];
  if (!isRecord(metadata) || typeof metadata.name !== 'string')
    throw new Error(`a ${kind} has no metadata.name`);
  const { name, namespace } = metadata;
  if (!resource.namespaced) return [{ ...value, kind, metadata: { ...metadata, name } }];
  return [
    {
      ...value,
      kind,
      metadata: { ...metadata, name, namespace: typeof namespace === 'string' ? namespace : 'default' },
    },
  ];
}

/** Creates the objects, or updates those that are there already. */
export function applyObjects(database: Database, objects: readonly ObjectInput[]): void {
  for (const object of objects) {
    if (database.get({ kind: object.kind, ...object.metadata }) === undefined) database.create(object);
    else database.update(object);
  }
}

/** "kind namespace/name", to tell objects apart. */
export function identityOf({ kind, metadata }: ObjectInput): string {
  return `${kind} ${keyOf(metadata)}`;
}
