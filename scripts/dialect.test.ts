import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';

/** What CONTRIBUTING says under "Dialect" and biome cannot check. */
const ROOT = join(import.meta.dirname, '..');
const files = ['packages', 'apps', 'tools', 'p4src/src', 'e2e', 'bench', 'scripts']
  .flatMap((folder) => sourcesBelow(folder))
  .map((path) => ({
    path,
    source: ts.createSourceFile(path, readFileSync(join(ROOT, path), 'utf8'), ts.ScriptTarget.Latest, true),
  }));
const isTest = (path: string) => /\.test\.ts$|\/testing\//.test(path);

it('constants of modules are in capitals', () => {
  const others = files
    .filter(({ path }) => !isTest(path))
    .flatMap(({ path, source }) =>
      writtenDown(source)
        // A record with the name of a type is an enumeration.
        .filter((name) => !/^[A-Z][A-Z0-9_]*$|^[A-Z][a-z]/.test(name))
        .map((name) => `${path}: ${name}`),
    );
  expect(others).toEqual([]);
});

it('members that are nobody else’s business are #private', () => {
  const others = files.flatMap(({ path, source }) =>
    found(source, (node) =>
      node.kind === ts.SyntaxKind.PrivateKeyword && !ts.isConstructorDeclaration(node.parent)
        ? `${path}: ${node.parent.getText().split('\n')[0]}`
        : undefined,
    ),
  );
  expect(others).toEqual([]);
});

it('tests say `it`, and zod is `z`', () => {
  const others = files.flatMap(({ path, source }) =>
    found(source, (node) => {
      if (!ts.isImportDeclaration(node)) return undefined;
      const text = node.getText();
      const isOdd =
        /\btest\b[^']*from 'vitest'/s.test(text) || (/from 'zod'/.test(text) && !/\* as z/.test(text));
      return isOdd ? `${path}: ${text}` : undefined;
    }),
  );
  expect(others).toEqual([]);
});

/** Names of module constants whose value stands there: numbers, texts, patterns, and lists, sets and records of them. */
function writtenDown(source: ts.SourceFile): string[] {
  const names: string[] = [];
  for (const statement of source.statements) {
    if (!ts.isVariableStatement(statement) || !(statement.declarationList.flags & ts.NodeFlags.Const))
      continue;
    for (const { name, initializer } of statement.declarationList.declarations) {
      if (ts.isIdentifier(name) && isWrittenDown(initializer)) names.push(name.text);
    }
  }
  return names;
}

function isWrittenDown(node: ts.Node | undefined): boolean {
  if (node === undefined) return false;
  if (ts.isAsExpression(node) || ts.isSatisfiesExpression(node) || ts.isParenthesizedExpression(node)) {
    return isWrittenDown(node.expression);
  }
  if (ts.isPrefixUnaryExpression(node)) return isWrittenDown(node.operand);
  if (ts.isBinaryExpression(node)) return isWrittenDown(node.left) && isWrittenDown(node.right);
  if (ts.isIdentifier(node)) return /^[A-Z][A-Z0-9_]*$/.test(node.text);
  if (ts.isTemplateExpression(node))
    return node.templateSpans.every(({ expression }) => isWrittenDown(expression));
  if (ts.isArrayLiteralExpression(node)) {
    return node.elements.every((element) =>
      isWrittenDown(ts.isSpreadElement(element) ? element.expression : element),
    );
  }
  if (ts.isObjectLiteralExpression(node)) {
    return node.properties.every(
      (property) => ts.isPropertyAssignment(property) && isWrittenDown(property.initializer),
    );
  }
  if (ts.isNewExpression(node)) {
    const made = ts.isIdentifier(node.expression) ? node.expression.text : '';
    const args = node.arguments ?? [];
    return (
      ['Set', 'Map'].includes(made) && args.length > 0 && args.every((argument) => isWrittenDown(argument))
    );
  }
  return (
    ts.isLiteralExpression(node) ||
    node.kind === ts.SyntaxKind.TrueKeyword ||
    node.kind === ts.SyntaxKind.FalseKeyword
  );
}

function found(source: ts.SourceFile, what: (node: ts.Node) => string | undefined): string[] {
  const all: string[] = [];
  const visit = (node: ts.Node) => {
    const one = what(node);
    if (one !== undefined) all.push(one);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return all;
}

function sourcesBelow(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) {
      return ['node_modules', 'dist', 'build', 'gen'].includes(entry.name) ? [] : sourcesBelow(path);
    }
    return /\.ts$/.test(entry.name) && !/\.d\.ts$/.test(entry.name) ? [path] : [];
  });
}
