import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';

/**
 * What others call (handlers of events, timers, ticks) and work that nobody waits for must not throw, since that ends the
 * process. So each is either made by a `Guard` (packages/guard), or so small that it cannot: it calls nothing but what is
 * in `HARMLESS`.
 */
const ROOT = join(import.meta.dirname, '..');
const PROGRAMS = ['apps', 'packages', 'tools/infractl'];

/** Functions that take a handler, and at which place. */
const FUNCTIONS: Readonly<Record<string, number>> = {
  setTimeout: 0,
  setInterval: 0,
  setImmediate: 0,
  queueMicrotask: 0,
};
const METHODS: Readonly<Record<string, number>> = {
  on: 1,
  once: 1,
  addListener: 1,
  prependListener: 1,
  setTimeout: 1,
  nextTick: 0,
};

/** What does not throw, by the last part of its name. */
const HARMLESS = new Set([
  ...[
    'resolve',
    'reject',
    'abort',
    'cancel',
    'clearTimeout',
    'clearInterval',
    'unref',
    'off',
    'push',
    'delete',
    'concat',
  ],
  ...[
    'destroy',
    'resetAndDestroy',
    'forceShutdown',
    'kill',
    'setKeepAlive',
    'toString',
    'messageOf',
    'join',
    'nextTick',
    'clear',
  ],
  // A guard's own.
  'run',
]);

/** What must end the process, and a registry whose listeners are guarded when they are called. */
const EXEMPT = new Set([
  'packages/guard/src/process.ts: process.removeAllListeners(event).on(event, end)',
  'packages/p4rt/src/session/session.ts: this.#events.on(event, listener)',
  'packages/p4rt-controller/src/controller.ts: this.#events.on(event, listener)',
]);

it('everything that others call is guarded, or cannot throw', () => {
  expect(PROGRAMS.flatMap((folder) => [...sources(join(ROOT, folder))].flatMap(unguarded))).toEqual([]);
});

function* sources(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (!['node_modules', 'dist', 'gen', 'testing'].includes(entry.name)) yield* sources(path);
    } else if (/(?<!\.test|\.d)\.ts$/.test(entry.name)) yield path;
  }
}

function unguarded(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const functions = localFunctions(source);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (isDangerous(node, functions)) {
      const { line } = source.getLineAndCharacterOfPosition(node.getStart());
      const [path, text] = [relative(ROOT, file), node.getText().split('\n')[0]];
      if (!EXEMPT.has(`${path}: ${text}`)) found.push(`${path}:${line + 1} ${text}`);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isDangerous(node: ts.Node, functions: Functions): boolean {
  if (ts.isCallExpression(node)) {
    const handler = handlerOf(node);
    return handler !== undefined && !isSafe(handler, functions);
  }
  // A promise that nobody looks at: its rejection ends the process.
  return (
    ts.isVoidExpression(node) &&
    ts.isCallExpression(node.expression) &&
    !isHarmlessCall(node.expression, functions)
  );
}

function handlerOf({ expression, arguments: given }: ts.CallExpression): ts.Expression | undefined {
  // A method of one's own is no emitter's.
  const isPrivate = ts.isPropertyAccessExpression(expression) && ts.isPrivateIdentifier(expression.name);
  const name = isPrivate ? '' : nameOf(expression);
  // Its settings are before it, if it has any.
  const place =
    name === 'createServer' ? given.length - 1 : (ts.isIdentifier(expression) ? FUNCTIONS : METHODS)[name];
  if (place === undefined) return undefined;
  const handler = given[place];
  // Others have methods of these names, too, that take no functions.
  const isOther = place === 1 && handler !== undefined;
  return isOther && !mayBeHandler(given[0], handler) ? undefined : handler;
}

function mayBeHandler(event: ts.Expression | undefined, handler: ts.Expression): boolean {
  if (event === undefined) return false;
  if (ts.isStringLiteral(event)) return true;
  const isFunction = ts.isArrowFunction(handler) || ts.isCallExpression(handler);
  return isFunction || (ts.isIdentifier(event) && event.text === 'event');
}

/** Functions of a file that have a name, and what is a guarded handler. */
type Functions = ReadonlyMap<string, ts.Expression>;

function localFunctions(source: ts.SourceFile): Functions {
  const functions = new Map<string, ts.Expression>();
  const visit = (node: ts.Node): void => {
    const isNamed = ts.isVariableDeclaration(node) || ts.isPropertyDeclaration(node);
    if (isNamed && node.initializer !== undefined) functions.set(bare(node.name.getText()), node.initializer);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return functions;
}

function isSafe(handler: ts.Expression, functions: Functions): boolean {
  if (ts.isCallExpression(handler)) return nameOf(handler.expression) === 'handler';
  if (ts.isIdentifier(handler)) return isHarmlessName(handler.text, functions);
  if (ts.isArrowFunction(handler)) {
    const isAsync = handler.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.AsyncKeyword) ?? false;
    return !isAsync && isHarmless(handler.body, functions);
  }
  if (ts.isPropertyAccessExpression(handler)) return isHarmlessName(bare(handler.name.text), functions);
  return !ts.isFunctionExpression(handler);
}

function isHarmless(node: ts.Node, functions: Functions): boolean {
  if (ts.isThrowStatement(node) || ts.isAwaitExpression(node)) return false;
  if (ts.isCallExpression(node) && !isHarmlessCall(node, functions)) return false;
  return !(ts.forEachChild(node, (child) => !isHarmless(child, functions)) ?? false);
}

function isHarmlessCall({ expression }: ts.CallExpression, functions: Functions): boolean {
  return isHarmlessName(nameOf(expression), functions);
}

function isHarmlessName(name: string, functions: Functions): boolean {
  if (HARMLESS.has(name)) return true;
  const local = functions.get(name);
  if (local === undefined || ts.isIdentifier(local)) return false;
  // It may call itself.
  const others = new Map([...functions].filter(([other]) => other !== name));
  return isSafe(local, others);
}

function nameOf(expression: ts.Expression): string {
  if (ts.isPropertyAccessExpression(expression)) return bare(expression.name.text);
  return ts.isIdentifier(expression) ? expression.text : '';
}

/** A name without what makes it private. */
function bare(name: string): string {
  return name.replace(/^#/, '');
}
