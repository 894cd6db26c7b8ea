import {
  Composer,
  CST,
  type Document,
  isCollection,
  isNode,
  LineCounter,
  type ParsedNode,
  Parser,
} from 'yaml';

type ParsedDocument = Document.Parsed<ParsedNode>;

export interface Position {
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
}

export interface ManifestDocument {
  readonly value: unknown;
  /** Where the value at the path is, or would be: then its nearest ancestor. */
  locate(path: readonly PropertyKey[]): Position;
  /** Whether `locate` knows already; else it has to read the text again. */
  readonly positionsKnown: boolean;
}

export interface DocumentError extends Position {
  readonly message: string;
}

export type DocumentResult =
  | { readonly ok: true; readonly document: ManifestDocument }
  | { readonly ok: false; readonly error: DocumentError };

/**
 * The documents of a YAML stream, one by one, so that a caller can do something else in between. JSON is YAML, but is
 * tried as JSON first, which is many times faster. Merge keys work; aliases are limited, so that a small file cannot
 * unfold into a huge one.
 */
export function* readDocuments(text: string): Generator<DocumentResult> {
  const source = text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
  const json = tryJson(source);
  if (json !== undefined) yield { ok: true, document: json };
  else yield* readYaml(source);
}

function tryJson(text: string): ManifestDocument | undefined {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    // JSON.parse keeps no positions, so they are looked up in a second reading, if ever they are needed.
    let locateIn: ManifestDocument['locate'] | undefined;
    return {
      value,
      positionsKnown: false,
      locate: (path) => {
        locateIn ??= locator(text);
        return locateIn(path);
      },
    };
  } catch {
    return undefined;
  }
}

function locator(text: string): ManifestDocument['locate'] {
  const lines = new LineCounter();
  const [composed] = compose(text, lines);
  if (!composed?.ok) return () => ({ line: 1, column: 1 });
  return (path) => locate(composed.document, lines, path);
}

function* readYaml(text: string): Generator<DocumentResult> {
  const lines = new LineCounter();
  for (const composed of compose(text, lines)) {
    if (!composed.ok) {
      const message = `is nested more than ${MAX_DEPTH} levels deep`;
      yield { ok: false, error: { ...position(lines, composed.offset), message } };
      continue;
    }
    const { document } = composed;
    const [error] = document.errors;
    if (error !== undefined) {
      yield { ok: false, error: { ...position(lines, error.pos[0]), message: firstLine(error.message) } };
      continue;
    }
    try {
      const value: unknown = document.toJS({ maxAliasCount: 100 });
      yield {
        ok: true,
        document: { value, positionsKnown: true, locate: (path) => locate(document, lines, path) },
      };
    } catch (error) {
      const message = error instanceof Error ? firstLine(error.message) : String(error);
      yield { ok: false, error: { ...position(lines, document.range[0]), message } };
    }
  }
}

type Composed =
  | { readonly ok: true; readonly document: ParsedDocument }
  /** Too deep; nothing behind it is read. */
  | { readonly ok: false; readonly offset: number };

function* compose(text: string, lines: LineCounter): Generator<Composed> {
  const composer = new Composer({ merge: true, logLevel: 'error' });
  for (const token of new Parser(lines.addNewLine).parse(text)) {
    if (isTooDeep(token)) {
      yield { ok: false, offset: 'offset' in token ? token.offset : 0 };
      return;
    }
    for (const document of composer.next(token)) yield { ok: true, document };
  }
  for (const document of composer.end(false, text.length)) yield { ok: true, document };
}

/** The composer calls itself for each level, and Node may die, rather than throw, when the stack is used up. */
const MAX_DEPTH = 200;

function isTooDeep(root: CST.Token): boolean {
  const waiting: { readonly token: CST.Token; readonly depth: number }[] = [{ token: root, depth: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { token, depth } = next;
    if (depth > MAX_DEPTH) return true;
    if (token.type === 'document' && token.value) waiting.push({ token: token.value, depth });
    if (!CST.isCollection(token)) continue;
    for (const { key, value } of token.items) {
      if (key) waiting.push({ token: key, depth: depth + 1 });
      if (value) waiting.push({ token: value, depth: depth + 1 });
    }
  }
  return false;
}

function locate(document: ParsedDocument, lines: LineCounter, path: readonly PropertyKey[]): Position {
  let offset = document.contents?.range[0] ?? document.range[0];
  let node: unknown = document.contents;
  for (const key of path) {
    if (!isCollection(node)) break;
    node = node.get(key, true);
    if (!isNode(node) || !node.range) break;
    offset = node.range[0];
  }
  return position(lines, offset);
}

function position(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

function firstLine(message: string): string {
  return message.split('\n', 1)[0] ?? message;
}
