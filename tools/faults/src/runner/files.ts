import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';

const FOLDERS = ['packages', 'apps', 'tools', 'e2e'];
const SKIPPED = new Set(['node_modules', 'dist', 'gen']);

/** All `*.faults.test.ts` of the project, sorted, as paths from its root. */
export function faultTestFiles(root: string): string[] {
  return FOLDERS.flatMap((folder) => below(join(root, folder)))
    .map((file) => relative(root, file))
    .sort();
}

/** Whether a file needs root's rights, processes or namespaces: it is of project `system` or `e2e`. */
export function needsSystem(file: string): boolean {
  return file.startsWith('e2e/') || file.endsWith('.system.faults.test.ts');
}

function below(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return SKIPPED.has(entry.name) ? [] : below(path);
    return entry.name.endsWith('.faults.test.ts') ? [path] : [];
  });
}
