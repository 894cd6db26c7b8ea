import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export const ROOT = join(import.meta.dirname, '../..');

const SKIPPED = new Set([
  '.git',
  '.turbo',
  'node_modules',
  'dist',
  'gen',
  'build',
  'coverage',
  'api-reference',
]);

/** Files below a folder, with paths from the repository's root; nothing that is installed or generated. */
export function filesBelow(folder = ''): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : filesBelow(path);
    return entry.isFile() ? [path] : [];
  });
}

/** The text of a file, by its path from the repository's root. */
export function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}
