import type { BigIntStats } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '@infra-offload/base';
import { MANIFEST_LIMITS, readTextFile, YamlError } from '@infra-offload/yaml';
import { type LoadedObject, loadManifests } from './load-file.js';
import { type ManifestProblem, manifestProblem } from './problem.js';

/** What is known of one manifest file. */
export interface ManifestFile {
  readonly path: string;
  /** Changes whenever the file does. */
  readonly signature: string;
  /** What is in force; undefined if there never was anything good. */
  readonly objects: readonly LoadedObject[] | undefined;
  readonly problems: readonly ManifestProblem[];
}

export interface Scan {
  /** By name. */
  readonly files: ReadonlyMap<string, ManifestFile>;
  /** Of the directory itself. */
  readonly problems: readonly ManifestProblem[];
}

/** Files read at a time. */
const CONCURRENCY = 32;

/**
 * Looks at a directory and reads the files that are not what they were at the previous scan. `files` is the previous
 * map if none has changed. Never throws.
 */
export async function scanDirectory(directory: string, previous: Scan['files']): Promise<Scan> {
  const listing = await listManifests(directory);
  if (!listing.ok) {
    const files = listing.gone && previous.size > 0 ? new Map() : previous;
    return { files, problems: [listing.problem] };
  }
  const files = new Map<string, ManifestFile>();
  let changed = false;
  for (let i = 0; i < listing.names.length; i += CONCURRENCY) {
    const names = listing.names.slice(i, i + CONCURRENCY);
    const scanned = await Promise.all(
      names.map((name) => scanFile(join(directory, name), previous.get(name))),
    );
    for (const [j, name] of names.entries()) {
      const file = scanned[j];
      if (file !== undefined) files.set(name, file);
      changed ||= file !== previous.get(name);
    }
  }
  changed ||= files.size !== previous.size;
  return { files: changed ? files : previous, problems: [] };
}

type Listing =
  | { readonly ok: true; readonly names: readonly string[] }
  | { readonly ok: false; readonly gone: boolean; readonly problem: ManifestProblem };

async function listManifests(directory: string): Promise<Listing> {
  try {
    const names = await readdir(directory);
    // Names with a dot in front are editors' and ConfigMap volumes' own.
    return { ok: true, names: names.filter((name) => /^[^.].*\.(ya?ml|json)$/.test(name)).sort() };
  } catch (error) {
    if (errorCode(error) === 'ENOENT') {
      const cause = 'the directory does not exist; it will be read when it does';
      return {
        ok: false,
        gone: true,
        problem: manifestProblem({ code: 'NO_DIRECTORY', file: directory, cause }),
      };
    }
    return { ok: false, gone: false, problem: unreadable(directory, error) };
  }
}

async function scanFile(path: string, previous?: ManifestFile): Promise<ManifestFile | undefined> {
  let signature = '';
  try {
    const stats = await stat(path, { bigint: true });
    signature = signatureOf(stats);
    if (previous?.signature === signature) return previous;
    if (!stats.isFile()) throw new Error('is not a regular file');
    const text = await readTextFile(path, MANIFEST_LIMITS.bytes);
    const loaded = await loadManifests(path, text, previous?.objects);
    return { path, signature, ...loaded };
  } catch (cause) {
    let error = cause;
    if (errorCode(cause) === 'ENOENT' || (YamlError.is(cause) && errorCode(cause.cause) === 'ENOENT')) {
      // Removed since the listing, if it is no link.
      if (!(await isLink(path))) return undefined;
      error = new Error('is a link that leads nowhere');
    }
    return { path, signature, objects: previous?.objects, problems: [unreadable(path, error)] };
  }
}

async function isLink(path: string): Promise<boolean> {
  const stats = await lstat(path).catch(() => undefined);
  return stats?.isSymbolicLink() ?? false;
}

function signatureOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`;
}

function unreadable(file: string, error: unknown): ManifestProblem {
  if (YamlError.is(error)) {
    return manifestProblem({ code: 'UNREADABLE', file, ...error.details.position, cause: error.reason });
  }
  const cause = messageOf(error);
  return manifestProblem({ code: 'UNREADABLE', file, cause });
}

function errorCode(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}
