import { objectKey, type WatchedObject } from '../objects/types.js';
import { type ManifestProblem, manifestProblem } from './problem.js';
import type { ManifestFile } from './scan.js';

export interface MergedObjects {
  /** By kind and name. */
  readonly objects: ReadonlyMap<string, WatchedObject>;
  readonly problems: readonly ManifestProblem[];
}

/** All objects of all files. Of those with the same name the first counts, in the order of file names. */
export function mergeFiles(files: Iterable<ManifestFile>): MergedObjects {
  const objects = new Map<string, WatchedObject>();
  const origins = new Map<string, string>();
  const problems: ManifestProblem[] = [];
  for (const { path, objects: loaded } of files) {
    for (const { object, position } of loaded ?? []) {
      const key = objectKey(object);
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
