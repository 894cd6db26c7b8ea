import type { ObjectKind } from '../objects/kinds.js';
import type { KubernetesApiError } from './error.js';
import { apiResource } from './resources.js';

/** What failed, why, and what to do, in one line. */
export function explain(error: KubernetesApiError, kind: ObjectKind, verb: 'list' | 'watch'): string {
  const { name, plural, group, version } = apiResource(kind);
  const failed = `cannot ${verb} ${name}`;
  switch (error.code) {
    case 'FORBIDDEN': {
      const apiGroup = group === '' ? 'the core API group ("")' : `API group "${group}"`;
      const grant = `a ClusterRole must allow the verbs "list" and "watch" on resource "${plural}" of ${apiGroup}`;
      return `${failed}: ${grant}, here "${verb}" is missing; ${error.message}`;
    }
    case 'UNAUTHORIZED':
      return `${failed}: the server refuses the credentials, which are read again for each attempt; ${error.message}`;
    case 'NOT_SERVED':
      return `${failed}: the server does not have ${group === '' ? version : `${group}/${version}`}; ${error.message}`;
    case 'OVERLOADED':
      return `${failed}: the server asks to come back later; ${error.message}`;
    case 'BAD_RESPONSE':
      return `${failed}: ${error.message}; everything is listed again`;
    case 'CONFIG':
    case 'CREDENTIALS':
    case 'UNREACHABLE':
    case 'EXPIRED':
    case 'SERVER_ERROR':
      return `${failed}: ${error.message}`;
    default:
      return error.code satisfies never;
  }
}
