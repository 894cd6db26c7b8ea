import { type Position, YamlError } from './error.js';
import { extentOf, tooDeep } from './json.js';
import type { Limits } from './limits.js';
import { LineIndex } from './position.js';
import { type ParsedYaml, parseYaml, YamlFault } from './yaml.js';

/** One document of a text. */
export interface YamlDocument {
  /** JSON's values only, null for an empty document; parts may occur more than once where aliases stood. */
  readonly value: unknown;
  /** Keys that are given again in the same mapping; the last one counts, as in Kubernetes. Not known of JSON. */
  readonly duplicates: readonly DuplicateKey[];
  /** Where the value at the path is, or would be: then its nearest ancestor. */
  locate(path: readonly PropertyKey[]): Position;
  /** Whether `locate` knows already; else it reads the document again. */
  readonly positionsKnown: boolean;
}

export interface DuplicateKey extends Position {
  readonly key: string;
}

export interface ReadOptions {
  /** For messages. */
  readonly file?: string | undefined;
  readonly limits: Limits;
}

/**
 * The documents of a text, one by one, so that a caller can do something else in between: as kubectl reads them, but
 * that what kubectl leaves out without a word is an error. Lines that begin with `---` separate documents; a document
 * that begins with `{` is JSON, which may follow JSON without a separator, or else YAML.
 *
 * Takes time and memory in proportion to the text, whatever it is.
 *
 * @throws {YamlError} for the first document that cannot be read; those before it have been given out
 */
export function* readDocuments(text: string, { file, limits }: ReadOptions): Generator<YamlDocument> {
  const lines = new LineIndex(text);
  const where = (offset: number) => ({ file, position: lines.positionOf(offset) });
  let start = 0;
  for (const separator of text.matchAll(SEPARATOR)) {
    yield* new Piece(text.slice(start, separator.index), start, limits, where).documents();
    const [line, rest = ''] = separator;
    start = separator.index + line.length;
    if (/^\s*(#|$)/.test(rest)) continue;
    const reason = 'nothing but a comment may follow --- on its line';
    throw new YamlError('SYNTAX', reason, { details: where(separator.index + 3 + rest.search(/\S/)) });
  }
  yield* new Piece(text.slice(start), start, limits, where).documents();
}

/** Only LF ends lines here, as in kubectl. */
const SEPARATOR = /(?:^|(?<=\n))---([^\n]*)\n?/g;

type Where = (offset: number) => { readonly file: string | undefined; readonly position: Position };

/** What stands between two separators. */
class Piece {
  readonly #text: string;
  readonly #limits: Limits;
  readonly #where: Where;

  constructor(text: string, start: number, limits: Limits, where: Where) {
    this.#text = text;
    this.#limits = limits;
    this.#where = (offset) => where(start + offset);
  }

  *documents(): Generator<YamlDocument> {
    for (let rest = 0; ; ) {
      const begin = afterBlanks(this.#text, rest);
      if (begin === this.#text.length) return;
      const json = this.#text.charAt(begin) === '{' ? this.#json(begin) : undefined;
      if (json === undefined) {
        const document = this.#yaml(rest, this.#text.length);
        if (document !== undefined) yield document;
        return;
      }
      yield json.document;
      rest = json.end;
    }
  }

  /** Undefined if it is none. */
  #json(start: number): { readonly document: YamlDocument; readonly end: number } | undefined {
    const extent = extentOf(this.#text, start, this.#limits.depth);
    if (extent === undefined) return undefined;
    if ('tooDeepAt' in extent) throw tooDeep(this.#limits.depth, this.#where(extent.tooDeepAt));
    const { end } = extent;
    let value: unknown;
    try {
      value = JSON.parse(this.#text.slice(start, end));
    } catch {
      return undefined;
    }
    // JSON.parse keeps no positions, so they are looked up in a second reading, if ever they are needed.
    let located: YamlDocument | undefined;
    const locate = (path: readonly PropertyKey[]) => {
      if (path.length === 0) return this.#where(start).position;
      located ??= this.#positions(start, end);
      return located.locate(path);
    };
    return { document: { value, duplicates: [], locate, positionsKnown: false }, end };
  }

  /** JSON as YAML. What YAML has no place for, such as very long JSON, has only the position of its beginning. */
  #positions(start: number, end: number): YamlDocument {
    const begin: YamlDocument = {
      value: undefined,
      duplicates: [],
      locate: () => this.#where(start).position,
      positionsKnown: true,
    };
    try {
      return this.#yaml(start, end) ?? begin;
    } catch (error) {
      if (YamlError.is(error)) return begin;
      throw error;
    }
  }

  /** Undefined if there is nothing but blanks and comments. */
  #yaml(start: number, end: number): YamlDocument | undefined {
    let parsed: ParsedYaml | undefined;
    try {
      parsed = parseYaml(this.#text.slice(start, end), this.#limits);
    } catch (error) {
      if (!(error instanceof YamlFault)) throw error;
      throw new YamlError(error.code, error.message, {
        details: this.#where(start + error.offset),
        cause: error.cause,
      });
    }
    return (
      parsed && {
        value: parsed.value,
        duplicates: parsed.duplicates.map(({ key, offset }) => ({
          key,
          ...this.#where(start + offset).position,
        })),
        locate: (path) => this.#where(start + parsed.offsetAt(path)).position,
        positionsKnown: true,
      }
    );
  }
}

function afterBlanks(text: string, start: number): number {
  let at = start;
  while (at < text.length && ' \t\r\n\ufeff'.includes(text.charAt(at))) at++;
  return at;
}
