import { SwxError, unknownName } from '../errors.js';
import type {
  SpecAction,
  SpecExtern,
  SpecHeader,
  SpecLearner,
  SpecMeterArray,
  SpecRegisterArray,
  SpecSelector,
  SpecStruct,
  SpecTable,
  SwxSpec,
} from '../spec.js';
import { groupBlocks, type Statement } from './blocks.js';
import { checkSpec, resolveDefaultAction } from './check.js';
import { parseInstructions } from './instructions.js';
import { resolveLearns } from './learn.js';
import { location, parseNumber, semanticError, syntaxError, tokenize } from './lexer.js';
import { Scope } from './scope.js';
import { MAX_ARRAY_SIZE } from './sizes.js';
import { parseStruct } from './structs.js';
import { parseLearner, parseSelector, parseTable } from './tables.js';

const KEYWORDS = [
  'struct',
  'header',
  'metadata',
  'extobj',
  'regarray',
  'metarray',
  'rss',
  'action',
  'table',
  'selector',
  'learner',
  'apply',
] as const;
type Keyword = (typeof KEYWORDS)[number];

export interface ParseSpecOptions {
  /** The name of the text in error messages; `<spec>` by default. */
  readonly file?: string;
}

/**
 * Parses the text of a DPDK SWX pipeline (`.spec`), as p4c-dpdk writes it and DPDK 22.11 to 25.11 read it,
 * and older p4c-dpdk did (`learn` without a timeout, `timeout 120` on one line, `jmpge`, `jmple`).
 * Declarations may come in any order. Every name is resolved and every width checked.
 *
 * @throws SwxError SYNTAX, SEMANTIC or NOT_FOUND; `details` has file, line and token. INVALID_VALUE if it is no text.
 */
export function parseSpec(text: string, options: ParseSpecOptions = {}): SwxSpec {
  const file = options.file ?? '<spec>';
  if (typeof text !== 'string') {
    throw new SwxError(
      'INVALID_VALUE',
      `${file}: a spec is text (a string), not ${text === null ? 'null' : typeof text}`,
    );
  }
  const byKeyword = sortByKeyword(groupBlocks(tokenize(text, file), file), file);
  const of = (keyword: Keyword): readonly Statement[] => byKeyword.get(keyword) ?? [];

  const structs = collect(of('struct'), 'struct', file, (s): SpecStruct => parseStruct(s, file));
  const headers = collect(of('header'), 'header', file, (s) => parseHeader(s, structs, file));
  const metadata = parseMetadata(of('metadata'), structs, file);
  const scope = new Scope(file, headers, metadata, undefined, false);

  const actions = resolveLearns(collect(of('action'), 'action', file, (s) => parseAction(s, structs, scope)));
  const tables = collect(of('table'), 'table', file, (s): SpecTable => {
    const table = parseTable(s, scope);
    return { ...table, defaultAction: resolveDefaultAction(table.defaultAction, actions, file) };
  });
  const learners = collect(of('learner'), 'learner', file, (s): SpecLearner => {
    const learner = parseLearner(s, scope);
    return { ...learner, defaultAction: resolveDefaultAction(learner.defaultAction, actions, file) };
  });
  const selectors = collect(of('selector'), 'selector', file, (s): SpecSelector => parseSelector(s, scope));

  const applies = of('apply');
  const [apply, second] = applies;
  if (apply === undefined) throw syntaxError(file, lastLine(text), `an 'apply {' block`);
  if (second !== undefined)
    throw semanticError(file, second.line, `only one 'apply' block is possible`, 'apply');
  if (apply.tokens.length !== 1 || apply.body === undefined) {
    throw syntaxError(file, apply.line, `'apply {'`, apply.tokens.join(' '));
  }

  const spec: SwxSpec = {
    file,
    structs,
    headers,
    metadata,
    actions,
    tables,
    selectors,
    learners,
    registers: collect(of('regarray'), 'regarray', file, (s) => parseRegisterArray(s, file)),
    meters: collect(of('metarray'), 'metarray', file, (s) => parseMeterArray(s, file)),
    externs: collect(of('extobj'), 'extobj', file, (s) => parseExtern(s, file)),
    rss: of('rss').map((s) => parseRss(s, file)),
    apply: parseInstructions(apply.body, scope),
  };
  checkSpec(spec, apply.line);
  return spec;
}

function lastLine(text: string): number {
  return text.split(/\r\n|\n|\r/).length;
}

function sortByKeyword(statements: readonly Statement[], file: string): Map<Keyword, Statement[]> {
  const sorted = new Map<Keyword, Statement[]>();
  for (const statement of statements) {
    const word = statement.tokens[0] ?? '{';
    const keyword = KEYWORDS.find((candidate) => candidate === word);
    if (keyword === undefined) {
      throw syntaxError(file, statement.line, `a declaration (${KEYWORDS.join(', ')})`, word);
    }
    const list = sorted.get(keyword) ?? [];
    list.push(statement);
    sorted.set(keyword, list);
  }
  return sorted;
}

function collect<T extends { readonly name: string; readonly line: number }>(
  statements: readonly Statement[],
  kind: string,
  file: string,
  parse: (statement: Statement) => T,
): Map<string, T> {
  const map = new Map<string, T>();
  for (const statement of statements) {
    const item = parse(statement);
    const earlier = map.get(item.name);
    if (earlier !== undefined) {
      throw semanticError(
        file,
        item.line,
        `${kind} '${item.name}' is on line ${earlier.line} already`,
        item.name,
      );
    }
    map.set(item.name, item);
  }
  return map;
}

/** `header <name> instanceof <struct>` */
function parseHeader(
  { tokens, line, body }: Statement,
  structs: ReadonlyMap<string, SpecStruct>,
  file: string,
): SpecHeader {
  const [, name, instanceOf, type] = tokens;
  if (
    name === undefined ||
    instanceOf !== 'instanceof' ||
    type === undefined ||
    tokens.length !== 4 ||
    body
  ) {
    throw syntaxError(file, line, `'header <name> instanceof <struct>'`, tokens.join(' '));
  }
  return { name, line, struct: findStruct(type, structs, file, line) };
}

/** `metadata instanceof <struct>` */
function parseMetadata(
  statements: readonly Statement[],
  structs: ReadonlyMap<string, SpecStruct>,
  file: string,
): SpecStruct {
  const [statement, second] = statements;
  if (statement === undefined) throw semanticError(file, 1, `the spec has no 'metadata instanceof <struct>'`);
  if (second !== undefined)
    throw semanticError(file, second.line, `metadata is declared already`, 'metadata');
  const { tokens, line, body } = statement;
  const type = tokens[2];
  if (tokens[1] !== 'instanceof' || type === undefined || tokens.length !== 3 || body !== undefined) {
    throw syntaxError(file, line, `'metadata instanceof <struct>'`, tokens.join(' '));
  }
  const struct = findStruct(type, structs, file, line);
  if (struct.fields.at(-1)?.varbit === true) {
    throw semanticError(file, line, `metadata cannot have a varbit field`, type);
  }
  return struct;
}

function findStruct(
  name: string,
  structs: ReadonlyMap<string, SpecStruct>,
  file: string,
  line: number,
): SpecStruct {
  const struct = structs.get(name);
  if (struct === undefined) {
    throw unknownName('struct', name, structs.keys(), location(file, line), `${file}:${line}: `);
  }
  return struct;
}

/** `action <name> args none|instanceof <struct> {` */
function parseAction(
  { tokens, line, body }: Statement,
  structs: ReadonlyMap<string, SpecStruct>,
  scope: Scope,
): SpecAction {
  const { file } = scope;
  const [, name, word, kind, type] = tokens;
  const none = kind === 'none' && tokens.length === 4;
  const struct = kind === 'instanceof' && tokens.length === 5;
  if (name === undefined || word !== 'args' || !(none || struct) || body === undefined) {
    throw syntaxError(file, line, `'action <name> args none|instanceof <struct> {'`, tokens.join(' '));
  }
  const args = type === undefined ? undefined : findStruct(type, structs, file, line);
  if (args?.fields.at(-1)?.varbit === true) {
    throw semanticError(file, line, `action '${name}': parameters cannot be varbit`, type);
  }
  return { name, line, args, instructions: parseInstructions(body, scope.withAction(args)) };
}

/** `regarray <name> size <n> initval <n>` */
function parseRegisterArray({ tokens, line, body }: Statement, file: string): SpecRegisterArray {
  const [, name, sizeWord, size, initialWord, initial] = tokens;
  if (name === undefined || sizeWord !== 'size' || initialWord !== 'initval' || tokens.length !== 6 || body) {
    throw syntaxError(file, line, `'regarray <name> size <n> initval <value>'`, tokens.join(' '));
  }
  const value = parseNumber(initial ?? '');
  if (value === undefined || value >= 1n << 64n) {
    throw syntaxError(file, line, `an initial value of at most 64 bits`, initial);
  }
  return { name, line, size: arraySize(size, file, line), initial: value };
}

/** `metarray <name> size <n>` */
function parseMeterArray({ tokens, line, body }: Statement, file: string): SpecMeterArray {
  const [, name, sizeWord, size] = tokens;
  if (name === undefined || sizeWord !== 'size' || tokens.length !== 4 || body !== undefined) {
    throw syntaxError(file, line, `'metarray <name> size <n>'`, tokens.join(' '));
  }
  return { name, line, size: arraySize(size, file, line) };
}

function arraySize(token: string | undefined, file: string, line: number): number {
  const size = parseNumber(token ?? '');
  if (size === undefined || size === 0n || size > MAX_ARRAY_SIZE) {
    throw syntaxError(file, line, `a size from 1 to ${MAX_ARRAY_SIZE}`, token);
  }
  return Number(size);
}

/** `extobj <name> instanceof <type> [pragma <text>]` */
function parseExtern({ tokens, line, body }: Statement, file: string): SpecExtern {
  const [, name, instanceOf, type, pragmaWord, pragma] = tokens;
  const shape = tokens.length === 4 || (tokens.length === 6 && pragmaWord === 'pragma');
  if (
    name === undefined ||
    instanceOf !== 'instanceof' ||
    type === undefined ||
    !shape ||
    body !== undefined
  ) {
    throw syntaxError(file, line, `'extobj <name> instanceof <type> [pragma <text>]'`, tokens.join(' '));
  }
  return { name, line, type, pragma };
}

/** `rss <name>` */
function parseRss({ tokens, line, body }: Statement, file: string): string {
  const name = tokens[1];
  if (name === undefined || tokens.length !== 2 || body !== undefined) {
    throw syntaxError(file, line, `'rss <name>'`, tokens.join(' '));
  }
  return name;
}
