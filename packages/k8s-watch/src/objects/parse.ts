import { safeParse } from '@infra-offload/yaml';
import type * as z from 'zod';
import { isRecord } from '../plain-values.js';
import { isObjectKind, KINDS, type ObjectKind, type ObjectKinds, type WatchedObject } from './kinds.js';

export interface ObjectIssue {
  /** From the object's root. */
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

export type ParsedObject<Item = WatchedObject> =
  | { readonly result: 'object'; readonly object: Item }
  /** A kind that is not watched. */
  | { readonly result: 'ignored' }
  /** A kind that is watched, in a version that is not read. */
  | { readonly result: 'unsupported'; readonly description: string; readonly issue: ObjectIssue }
  | InvalidObject;

export interface InvalidObject {
  readonly result: 'invalid';
  /** "Service default/web", as far as it can be told. */
  readonly description: string;
  readonly identity: ObjectIdentity;
  readonly issues: readonly ObjectIssue[];
}

/** Which object it is, as far as that can be told of one that is wrong. */
export interface ObjectIdentity {
  readonly kind: string | undefined;
  /** "default/web". */
  readonly name: string | undefined;
}

/** Longer than any that Kubernetes allows. */
const MAX_DESCRIPTION = 400;

/** Reads one object as Kubernetes writes it, and checks the fields that are used. Never throws. */
export function parseObject(value: unknown): ParsedObject {
  if (!isRecord(value)) return notAnObject(value);
  const { apiVersion, kind } = value;
  if (typeof kind !== 'string' || kind === '') {
    return invalid(value, [{ path: ['kind'], message: 'is needed: a string, such as "Service"' }]);
  }
  if (typeof apiVersion !== 'string' || apiVersion === '') {
    return invalid(value, [{ path: ['apiVersion'], message: 'is needed: a string, such as "v1"' }]);
  }
  if (!isObjectKind(kind)) return { result: 'ignored' };
  const { group, version, schema, formerGroup } = KINDS[kind];
  const slash = apiVersion.lastIndexOf('/');
  const own = apiVersion.slice(0, Math.max(slash, 0));
  // Other groups have kinds of the same name (Knative's Service, for instance): not ours.
  if (own !== group && own !== formerGroup) return { result: 'ignored' };
  if (own !== group || apiVersion.slice(slash + 1) !== version) {
    const supported = group === '' ? version : `${group}/${version}`;
    const message = `'${apiVersion}' is not supported, only '${supported}'`;
    return { result: 'unsupported', description: describe(value), issue: { path: ['apiVersion'], message } };
  }
  return checkObject<WatchedObject>(schema, value);
}

/**
 * Reads an object whose kind is known from where it was found: the items of an API server's list do not name theirs.
 * Never throws.
 */
export function parseObjectAs<Kind extends ObjectKind>(
  kind: Kind,
  value: unknown,
): Extract<ParsedObject<ObjectKinds[Kind]>, { result: 'object' | 'invalid' }> {
  if (!isRecord(value)) return notAnObject(value);
  return checkObject(KINDS[kind].schema, { ...value, kind });
}

/** Checks an object of a known kind. */
export function checkObject<Item>(
  schema: z.ZodType<Item>,
  value: Record<string, unknown>,
): { readonly result: 'object'; readonly object: Item } | InvalidObject {
  const parsed = safeParse(schema, value);
  if (parsed.success) return { result: 'object', object: parsed.data };
  const issues = parsed.error.issues.map(({ path, message }) => ({
    path,
    message: message.replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase()),
  }));
  return invalid(value, issues);
}

/** "Service default/web", as far as it can be told. */
function describe(value: Record<string, unknown>): string {
  const { kind, name } = identify(value);
  if (name === undefined) return kind ?? '';
  return `${kind ?? 'object'} ${name}`.slice(0, MAX_DESCRIPTION);
}

function identify(value: Record<string, unknown>): ObjectIdentity {
  const metadata = isRecord(value.metadata) ? value.metadata : {};
  const kind = typeof value.kind === 'string' && value.kind !== '' ? value.kind : undefined;
  if (typeof metadata.name !== 'string') return { kind, name: undefined };
  const namespaced = kind === undefined || !isObjectKind(kind) || KINDS[kind].namespaced;
  const namespace = typeof metadata.namespace === 'string' ? metadata.namespace : 'default';
  return { kind, name: namespaced ? `${namespace}/${metadata.name}` : metadata.name };
}

/** "spec.ports[0].port". */
export function formatPath(path: readonly PropertyKey[]): string {
  let text = '';
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`;
    else if (/^[\w-]+$/.test(String(key))) text += text === '' ? String(key) : `.${String(key)}`;
    else text += `["${String(key)}"]`;
  }
  return text;
}

function invalid(value: Record<string, unknown>, issues: readonly ObjectIssue[]): InvalidObject {
  return { result: 'invalid', description: describe(value), identity: identify(value), issues };
}

function notAnObject(value: unknown): InvalidObject {
  return invalid({}, [{ path: [], message: `is ${nameType(value)}, not a Kubernetes object` }]);
}

function nameType(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}
