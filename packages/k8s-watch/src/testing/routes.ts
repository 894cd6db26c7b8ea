import { RESOURCES, type Resource } from './objects.js';

export interface Route {
  readonly resource: Resource;
  /** Of one namespace, or of all. */
  readonly namespace: string | undefined;
  /** One object, or a list. */
  readonly name: string | undefined;
}

/**
 * `/api/v1/…` and `/apis/<group>/v1/…`, with or without a namespace.
 *
 * @param versions of resources, by plural, that are served in another version than v1; in none if empty.
 */
export function routeOf(path: string, versions: Readonly<Record<string, string>> = {}): Route | undefined {
  const parts = path.split('/').filter((part) => part !== '');
  const group = parts[0] === 'api' ? '' : parts[0] === 'apis' ? parts[1] : undefined;
  const rest = parts.slice(group === '' ? 1 : 2);
  const version = rest.shift();
  if (group === undefined) return undefined;
  let namespace: string | undefined;
  if (rest[0] === 'namespaces' && rest.length >= 3) namespace = rest.splice(0, 2)[1];
  const [plural, name, ...more] = rest;
  const resource = RESOURCES.find((one) => one.group === group && one.plural === plural);
  if (resource === undefined || more.length > 0) return undefined;
  if (version !== (versions[resource.plural] ?? 'v1')) return undefined;
  if (namespace !== undefined && !resource.namespaced) return undefined;
  return { resource, namespace, name };
}
