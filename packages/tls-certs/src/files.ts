import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { messageOf } from '@infra-offload/base';
import { readTextFile, readTextFileSync, YamlError } from '@infra-offload/yaml';
import { TlsCertsError } from './errors.js';
import { type PemFile, unreadable } from './material.js';

/** Something to be written. Keys are for their owner only. */
export interface NewFile {
  readonly file: string;
  readonly text: string;
  readonly isSecret: boolean;
}

/** A bundle of all public authorities has 250 kB. */
const MAX_PEM_BYTES = 1024 * 1024;

/** @throws TlsCertsError FILE */
export function readPem(file: string): PemFile {
  try {
    return { file, text: readTextFileSync(file, MAX_PEM_BYTES) };
  } catch (error) {
    throw unreadablePem(file, error);
  }
}

/** As {@link readPem}, while others get their turn. */
export async function readPemAsync(file: string): Promise<PemFile> {
  try {
    return { file, text: await readTextFile(file, MAX_PEM_BYTES) };
  } catch (error) {
    throw unreadablePem(file, error);
  }
}

function unreadablePem(file: string, error: unknown): TlsCertsError {
  if (!YamlError.is(error)) return unreadable(file, error);
  return unreadable(file, error.code === 'UNREADABLE' ? error.cause : error.reason);
}

/**
 * Writes files, each whole or not at all: whoever reads one meanwhile gets the old or the new one. Directories that are
 * missing are made, for their owner only.
 *
 * @throws TlsCertsError FILE
 */
export function writeFiles(files: readonly NewFile[]): void {
  for (const { file, text, isSecret } of files) {
    const fresh = `${file}.new`;
    try {
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      rmSync(fresh, { force: true });
      writeFileSync(fresh, text, { mode: isSecret ? 0o600 : 0o644, flag: 'wx' });
      renameSync(fresh, file);
    } catch (error) {
      removeIfThere(fresh);
      throw new TlsCertsError('FILE', `${file} cannot be written: ${messageOf(error)}`, {
        details: { file },
        cause: error,
      });
    }
  }
}

function removeIfThere(file: string): void {
  try {
    rmSync(file, { force: true });
  } catch {
    // Not there, because what was to be its directory is none.
  }
}
