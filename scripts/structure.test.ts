import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/** What imports what, as CONTRIBUTING promises it: no cycles, packages below apps, folders in the order written there. */
const ROOT = join(import.meta.dirname, '..');
const PARTS = ['packages', 'apps', 'tools', 'p4src', 'e2e', 'bench'];

interface Manifest {
  readonly name?: string;
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

const files = PARTS.flatMap((part) => sourcesBelow(part));
const known = new Set(files);
const packages = new Map(
  ['packages', 'apps', 'tools']
    .flatMap((part) => readdirSync(join(ROOT, part)).map((name) => `${part}/${name}`))
    .concat('p4src')
    .filter((folder) => existsSync(join(ROOT, folder, 'package.json')))
    .map((folder) => [manifestOf(folder).name ?? folder, folder]),
);
const imports = new Map(files.map((file) => [file, importsOf(file)]));

it('has no files that import each other, directly or through others', () => {
  expect(cycles(imports)).toEqual([]);
});

it('has packages that import no app, tool or test', () => {
  const upwards = [...imports].flatMap(([file, targets]) =>
    file.startsWith('packages/') && !isForTests(file)
      ? targets
          .filter((target) => !/^(packages|p4src)\//.test(target))
          .map((target) => `${file} -> ${target}`)
      : [],
  );
  expect(upwards).toEqual([]);
});

describe('has folders that import only those below them:', () => {
  it.each(layers())('$part', ({ part, folders }) => {
    const levelOf = (file: string) => folders.indexOf(file.slice(part.length + 1).split('/')[0] ?? '');
    const present = readdirSync(join(ROOT, part), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !['testing', 'gen'].includes(entry.name))
      .map(({ name }) => name);
    expect([...folders].sort()).toEqual(present.sort());
    const upwards = [...imports].flatMap(([file, targets]) =>
      file.startsWith(`${part}/`) && !isForTests(file)
        ? targets
            .filter((target) => target.startsWith(`${part}/`) && levelOf(target) > levelOf(file))
            // Files beside the folders, such as errors.ts, are for all of them, or put them together.
            .filter((target) => levelOf(file) >= 0 && levelOf(target) >= 0)
            .map((target) => `${file} -> ${target}`)
        : [],
    );
    expect(upwards).toEqual([]);
  });
});

/** The rows of the table in CONTRIBUTING: `folder` | `lowest`, `next`, ... */
function layers(): { readonly part: string; readonly folders: readonly string[] }[] {
  const text = readFileSync(join(ROOT, 'CONTRIBUTING.md'), 'utf8');
  const [, table = ''] = /\| folder \| from the bottom \|\n\|[-|]+\|\n((?:\|.*\n)+)/.exec(text) ?? [];
  const rows = table.split('\n').filter((row) => row !== '');
  expect(rows.length).toBeGreaterThan(0);
  return rows.map((row) => {
    const [part = '', ...folders] = [...row.matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);
    return { part, folders };
  });
}

function sourcesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory())
      return ['node_modules', 'dist', 'build'].includes(entry.name) ? [] : sourcesBelow(path);
    return /\.ts$/.test(entry.name) && !/\.d\.ts$/.test(entry.name) ? [path] : [];
  });
}

function isForTests(file: string): boolean {
  return /\.test\.ts$|\/testing\//.test(file);
}

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(join(ROOT, folder, 'package.json'), 'utf8'));
}

function importsOf(file: string): string[] {
  const text = readFileSync(join(ROOT, file), 'utf8');
  return ts
    .preProcessFile(text, true, true)
    .importedFiles.map(({ fileName }) => resolve(file, fileName))
    .filter((target) => target !== undefined);
}

/** The file that a specifier means, if it is one of ours. */
function resolve(from: string, specifier: string): string | undefined {
  if (specifier.startsWith('.')) {
    const path = normalize(join(dirname(from), specifier)).replace(/\.js$/, '.ts');
    return known.has(path) ? path : undefined;
  }
  const [scope, name, ...rest] = specifier.split('/');
  const folder = packages.get(`${scope}/${name}`);
  if (folder === undefined) return undefined;
  const entry = manifestOf(folder).exports?.[['.', ...rest].join('/')];
  const source = typeof entry === 'object' ? entry['@infra-offload/source'] : undefined;
  return source && normalize(join(folder, source));
}

/** The groups of nodes that reach each other (Tarjan). */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const path: string[] = [];
  const open = new Set<string>();
  const found: string[][] = [];
  const visit = (node: string): number => {
    const number = order.size;
    let low = number;
    order.set(node, number);
    path.push(node);
    open.add(node);
    for (const next of graph.get(node) ?? []) {
      if (!order.has(next)) low = Math.min(low, visit(next));
      else if (open.has(next)) low = Math.min(low, lowest.get(next) ?? order.get(next) ?? low);
    }
    lowest.set(node, low);
    if (low === number) {
      const group = path.splice(path.indexOf(node));
      for (const member of group) open.delete(member);
      if (group.length > 1) found.push(group.sort());
    }
    return low;
  };
  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return found;
}
