import { oneLine } from '@infra-offload/yaml';

/**
 * - `SYNTAX`: the file is not YAML or JSON, or too large or deep to be read; its last good state stays in force.
 * - `DUPLICATE_KEY`: a mapping has a key twice; the last one counts.
 * - `INVALID_OBJECT`: an object breaks Kubernetes' rules; its last good version stays in force.
 * - `UNREADABLE`: the file or directory cannot be read; what was read before stays in force.
 * - `UNSUPPORTED_VERSION`: an object is skipped, since its apiVersion is not read.
 * - `DUPLICATE_OBJECT`: an object is skipped, since an earlier file, or the same one further up, has it too.
 * - `NOT_MIRRORED`: Endpoints are skipped, since their service selects pods.
 * - `NO_DIRECTORY`: the directory does not exist; that counts as empty.
 * - `WATCH_FAILED`: changes are seen late, by polling only.
 */
export type ManifestProblemCode =
  | 'SYNTAX'
  | 'DUPLICATE_KEY'
  | 'INVALID_OBJECT'
  | 'UNREADABLE'
  | 'UNSUPPORTED_VERSION'
  | 'DUPLICATE_OBJECT'
  | 'NOT_MIRRORED'
  | 'NO_DIRECTORY'
  | 'WATCH_FAILED';

export interface ManifestProblem {
  readonly code: ManifestProblemCode;
  /** One line for people that names everything below. */
  readonly message: string;
  /** The file or directory. */
  readonly file: string;
  /** From 1. */
  readonly line?: number;
  /** From 1. */
  readonly column?: number;
  /** "Service default/web". */
  readonly object?: string;
  /** "spec.ports[0].port". */
  readonly path?: string;
}

/** A problem is told when it comes up and, once, when it is gone. */
export interface ManifestReport {
  readonly type: 'problem' | 'resolved';
  readonly problem: ManifestProblem;
}

export type ProblemFields = Omit<ManifestProblem, 'message'> & { readonly cause: string };

/** "web.yaml:12:9: Service default/web: spec.ports[0].port: must be …". */
export function manifestProblem({ cause, ...fields }: ProblemFields): ManifestProblem {
  const { file, line, column, object, path } = fields;
  const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
  // The object's name and its fields are what stands in the file, whatever that is.
  const message = oneLine([place, object, path, cause].filter(Boolean).join(': '));
  return { ...fields, message };
}
