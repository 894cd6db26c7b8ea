import ts from 'typescript';
import { filesBelow, read } from './files.js';

interface Source {
  readonly path: string;
  readonly text: string;
}

/** What programs are made of: TypeScript and the manifests that run them; no tests. */
export const sources: readonly Source[] = ['apps', 'packages', 'tools/infractl', 'p4src/src', 'deploy']
  .flatMap((folder) => filesBelow(folder))
  .filter((path) => /\.(ts|ya?ml)$/.test(path) && !/\.test\.ts$|\/testing[./]/.test(path))
  .map((path) => ({ path, text: read(path) }));

/**
 * Whether a program can say this. `…` stands for anything.
 *
 * @returns whether a string or template of the sources has all fixed parts, in this order.
 */
export function isSaid(quote: string): boolean {
  const parts = quote.split('…').map((part) => part.trim());
  const longest = parts.reduce((a, b) => (b.length > a.length ? b : a));
  const pattern = new RegExp(
    parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*'),
    's',
  );
  return sources
    .filter(({ path, text }) => path.endsWith('.ts') && text.includes(longest))
    .some((source) => literals(source).some((literal) => pattern.test(literal)));
}

/** Whether a string of the sources is exactly this. */
export function isLiteral(word: string): boolean {
  return sources.some((source) => source.text.includes(word) && literals(source).includes(word));
}

/** Whether the sources or manifests have a word: a name of a setting, a file, a container. */
export function hasWord(word: string): boolean {
  const pattern = new RegExp(`(?<![\\w-])${word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?![\\w-])`);
  return sources.some(({ text }) => pattern.test(text));
}

const parsed = new Map<string, readonly string[]>();

/** The strings and templates of a file, with `…` for what is put into templates. */
function literals({ path, text }: Source): readonly string[] {
  const known = parsed.get(path);
  if (known !== undefined) return known;
  const found = [...literalsIn(ts.createSourceFile(path, text, ts.ScriptTarget.ESNext))];
  parsed.set(path, found);
  return found;
}

function* literalsIn(node: ts.Node): Generator<string> {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) yield node.text;
  if (ts.isTemplateExpression(node))
    yield [node.head.text, ...node.templateSpans.map(({ literal }) => literal.text)].join('…');
  const children: ts.Node[] = [];
  ts.forEachChild(node, (child) => void children.push(child));
  for (const child of children) yield* literalsIn(child);
}
