import ts from 'typescript';

/** One change of a source. */
export interface Mutant {
  /** From 1 on, in order of the source. */
  readonly id: number;
  readonly line: number;
  /** `a < b -> a <= b`, in one line. */
  readonly what: string;
  /** The node that it replaces. */
  readonly start: number;
  readonly end: number;
  /** What stands there instead; an expression, or nothing for a statement that is removed. */
  readonly replacement: string;
  readonly isStatement: boolean;
}

const BINARY: ReadonlyMap<ts.SyntaxKind, readonly string[]> = new Map([
  [ts.SyntaxKind.AmpersandAmpersandToken, ['||']],
  [ts.SyntaxKind.BarBarToken, ['&&']],
  [ts.SyntaxKind.EqualsEqualsEqualsToken, ['!==']],
  [ts.SyntaxKind.ExclamationEqualsEqualsToken, ['===']],
  [ts.SyntaxKind.LessThanToken, ['<=', '>=']],
  [ts.SyntaxKind.LessThanEqualsToken, ['<', '>']],
  [ts.SyntaxKind.GreaterThanToken, ['>=', '<=']],
  [ts.SyntaxKind.GreaterThanEqualsToken, ['>', '<']],
  [ts.SyntaxKind.PlusToken, ['-']],
  [ts.SyntaxKind.MinusToken, ['+']],
  [ts.SyntaxKind.AsteriskToken, ['/']],
  [ts.SyntaxKind.SlashToken, ['*']],
  [ts.SyntaxKind.PercentToken, ['*']],
]);

/** Logs are for people to read, and no test has to check each word. */
const LOGS = /\blog(ger)?(\?\.|\.)?(trace|debug|info|warn|error|fatal|\[level\])$/;

/** All mutants of a source: operators, conditions, literals, returned values, removed statements. */
export function findMutants(file: string, text: string): readonly Mutant[] {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true, ts.ScriptKind.TS);
  const found: Omit<Mutant, 'id'>[] = [];

  function add(node: ts.Node, replacement: string, isStatement = false): void {
    const [start, end] = [node.getStart(source), node.getEnd()];
    const original = text.slice(start, end);
    if (original === replacement) return;
    const { line } = source.getLineAndCharacterOfPosition(start);
    const what = isStatement ? `without ${short(original)}` : `${short(original)} -> ${short(replacement)}`;
    found.push({ line: line + 1, what, start, end, replacement, isStatement });
  }

  function condition(node: ts.Expression | undefined, isLoop: boolean): void {
    if (node === undefined || node.kind === ts.SyntaxKind.TrueKeyword) return;
    if (!isLoop) add(node, 'true');
    add(node, 'false');
  }

  function visit(node: ts.Node): void {
    if (ts.isTypeNode(node) || ts.isInterfaceDeclaration(node) || ts.isTypeAliasDeclaration(node)) return;
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return;
    // `declare module 'x' {}` is all types.
    if (ts.isModuleDeclaration(node)) return;
    if (isLog(ts.isExpressionStatement(node) ? node.expression : node)) return;
    mutationsOf(node);
    ts.forEachChild(node, visit);
  }

  function isLog(node: ts.Node): boolean {
    return ts.isCallExpression(node) && LOGS.test(node.expression.getText(source));
  }

  function mutationsOf(node: ts.Node): void {
    if (ts.isBinaryExpression(node)) binary(node);
    else if (ts.isPrefixUnaryExpression(node)) unary(node);
    else if (ts.isIfStatement(node)) condition(node.expression, false);
    else if (ts.isConditionalExpression(node)) condition(node.condition, false);
    else if (ts.isWhileStatement(node) || ts.isDoStatement(node)) condition(node.expression, true);
    else if (ts.isForStatement(node)) condition(node.condition, true);
    else if (ts.isReturnStatement(node)) returned(node.expression);
    else if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) returned(node.body);
    else if (ts.isExpressionStatement(node)) statement(node);
    else literal(node);
  }

  function binary(node: ts.BinaryExpression): void {
    const [left, right] = [node.left.getText(source), node.right.getText(source)];
    if (node.operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken) {
      add(node, left);
      return;
    }
    if (node.operatorToken.kind === ts.SyntaxKind.PlusToken && [node.left, node.right].some(isText)) return;
    for (const operator of BINARY.get(node.operatorToken.kind) ?? [])
      add(node, `${left} ${operator} ${right}`);
  }

  function unary(node: ts.PrefixUnaryExpression): void {
    const { operator, operand } = node;
    if (operator === ts.SyntaxKind.ExclamationToken || operator === ts.SyntaxKind.MinusToken)
      add(node, operand.getText(source));
  }

  function returned(value: ts.Expression | undefined): void {
    if (value === undefined || value.getText(source) === 'undefined' || ts.isVoidExpression(value)) return;
    if (value.kind === ts.SyntaxKind.TrueKeyword || value.kind === ts.SyntaxKind.FalseKeyword) return;
    add(value, 'undefined');
  }

  function statement(node: ts.ExpressionStatement): void {
    const { expression } = node;
    const isSuper =
      ts.isCallExpression(expression) && expression.expression.kind === ts.SyntaxKind.SuperKeyword;
    // What a constructor sets up cannot be left out without breaking everything, which says nothing.
    const sets =
      ts.isBinaryExpression(expression) &&
      expression.operatorToken.kind === ts.SyntaxKind.EqualsToken &&
      ts.isConstructorDeclaration(node.parent.parent);
    if (!isSuper && !sets) add(node, '', true);
  }

  function literal(node: ts.Node): void {
    if (isName(node)) return;
    if (ts.isNumericLiteral(node)) add(node, node.text === '0' ? '1' : '0');
    else if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node))
      add(node, node.text === '' ? "'mutant'" : "''");
    else if (ts.isTemplateExpression(node)) add(node, "''");
    else if (node.kind === ts.SyntaxKind.TrueKeyword) add(node, 'false');
    else if (node.kind === ts.SyntaxKind.FalseKeyword) add(node, 'true');
    else if (ts.isArrayLiteralExpression(node) && node.elements.length > 0 && !isPattern(node))
      add(node, '[]');
  }

  visit(source);
  found.sort((a, b) => a.start - b.start || b.end - a.end);
  return found.map((mutant, index) => ({ id: index + 1, ...mutant }));
}

function isText(node: ts.Node): boolean {
  return ts.isStringLiteralLike(node) || ts.isTemplateExpression(node);
}

/** Whether a literal is the name of something, or stands where no expression may. */
function isName(node: ts.Node): boolean {
  const { parent } = node;
  if (parent === undefined) return true;
  if (ts.isLiteralTypeNode(parent) || ts.isTaggedTemplateExpression(parent)) return true;
  if (ts.isCallExpression(parent) && parent.expression.kind === ts.SyntaxKind.ImportKeyword) return true;
  const isNamed =
    ts.isPropertyAssignment(parent) || ts.isPropertySignature(parent) || ts.isPropertyDeclaration(parent);
  return (isNamed && parent.name === node) || ts.isEnumMember(parent) || ts.isMethodDeclaration(parent);
}

/** `[a, b] = c` */
function isPattern(node: ts.ArrayLiteralExpression): boolean {
  const { parent } = node;
  return ts.isBinaryExpression(parent) && parent.left === node;
}

function short(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ');
  return line.length > 60 ? `${line.slice(0, 57)}...` : line;
}
