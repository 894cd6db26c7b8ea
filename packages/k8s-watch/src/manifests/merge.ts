import { objectKey, type WatchedObject } from '../objects/kinds.js';
import { objectName } from '../objects/types.js';
import { type ManifestProblem, manifestProblem } from './problem.js';
import type { ManifestFile } from './scan.js';

export interface MergedObjects {
  /** By kind and name. */
  readonly objects: ReadonlyMap<string, WatchedObject>;
  readonly problems: readonly ManifestProblem[];
}

/**
 * All objects of all files. Of those with the same name the first counts, in the order of file names. Endpoints of a
 * service that selects pods do not count: Kubernetes does not mirror them either.
 */
export function mergeFiles(files: readonly ManifestFile[]): MergedObjects {
  const selecting = selectingServices(files);
  const objects = new Map<string, WatchedObject>();
  const origins = new Map<string, string>();
  const problems: ManifestProblem[] = [];
  for (const { path, objects: loaded } of files) {
    for (const { object, origin: source, position } of loaded ?? []) {
      const key = objectKey(object);
      if (source.startsWith('Endpoints ') && selecting.has(source.slice('Endpoints '.length))) {
        const cause =
          'is skipped because its service has a selector: use EndpointSlices, or remove the selector';
        problems.push(
          manifestProblem({ code: 'NOT_MIRRORED', file: path, ...position, object: source, cause }),
        );
        continue;
      }
      const origin = origins.get(key);
      if (origin !== undefined) {
        const cause = `is defined in ${origin === path ? 'this file already' : origin}, too; the first counts`;
        problems.push(
          manifestProblem({ code: 'DUPLICATE_OBJECT', file: path, ...position, object: key, cause }),
        );
        continue;
      }
      objects.set(key, object);
      origins.set(key, path);
    }
  }
  return { objects, problems };
}

/** Names of the services that have a selector. */
function selectingServices(files: readonly ManifestFile[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { objects } of files) {
    for (const { object, selectsPods } of objects ?? []) if (selectsPods) names.add(objectName(object));
  }
  return names;
}
