import type { SpecActionRef, SpecKeyField, SpecLearner, SpecSelector, SpecTable } from '../spec.js';
import type { Statement } from './blocks.js';
import { parseNumber, semanticError, syntaxError } from './lexer.js';
import type { Scope } from './scope.js';

/** `default_action` as written; its arguments are checked once all actions are known. */
export interface RawDefaultAction {
  readonly name: string;
  readonly words: readonly string[];
  readonly isConst: boolean;
  readonly line: number;
}

export type RawTable = Omit<SpecTable, 'defaultAction'> & { readonly defaultAction: RawDefaultAction };
export type RawLearner = Omit<SpecLearner, 'defaultAction'> & { readonly defaultAction: RawDefaultAction };

const MAX_SIZE = 2 ** 31;

/** The parts of a table, learner or selector, each of which begins with a word of its own. */
class Parts {
  readonly name: string;
  readonly line: number;
  readonly #file: string;
  readonly #what: string;
  readonly #parts = new Map<string, Statement>();

  /** @param words that parts may begin with */
  constructor({ tokens, line, body }: Statement, file: string, words: readonly string[]) {
    const [kind, name] = tokens;
    if (name === undefined || tokens.length !== 2 || body === undefined) {
      throw syntaxError(file, line, `'${kind} <name> {'`, tokens.join(' '));
    }
    this.name = name;
    this.line = line;
    this.#file = file;
    this.#what = `${kind} '${name}'`;
    for (const part of body) {
      const [word = ''] = part.tokens;
      if (!words.includes(word)) {
        throw syntaxError(file, part.line, `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`, word);
      }
      if (this.#parts.has(word)) {
        throw semanticError(file, part.line, `${this.#what} has a '${word}' already`, word);
      }
      this.#parts.set(word, part);
    }
  }

  optional<T>(word: string, read: (part: Statement) => T): T | undefined {
    const part = this.#parts.get(word);
    return part === undefined ? undefined : read(part);
  }

  required<T>(word: string, read: (part: Statement) => T): T {
    const part = this.#parts.get(word);
    if (part === undefined) {
      throw semanticError(this.#file, this.line, `${this.#what} lacks '${word}'`, word);
    }
    return read(part);
  }
}

/** Choices between implementations of the same lookup, and a remark of p4c's on PSA tables. */
const OF_NO_EFFECT = ['instanceof', 'pragma', 'hash', 'action_selector'];
const TABLE_PARTS = ['key', 'actions', 'default_action', ...OF_NO_EFFECT, 'size'];
const LEARNER_PARTS = ['key', 'actions', 'default_action', 'hash', 'size', 'timeout'];
const SELECTOR_PARTS = ['group_id', 'selector', 'member_id', 'n_groups_max', 'n_members_per_group_max'];

export function parseTable(statement: Statement, scope: Scope): RawTable {
  const { file } = scope;
  const parts = new Parts(statement, file, TABLE_PARTS);
  for (const word of OF_NO_EFFECT) parts.optional(word, (part) => single(part, file));
  return {
    name: parts.name,
    line: parts.line,
    key: parts.optional('key', (part) => inner(part, file).map((f) => parseMatchField(f, scope))) ?? [],
    actions: parts.required('actions', (part) => parseActions(part, file)),
    defaultAction: parts.required('default_action', (part) => parseDefaultAction(part, file)),
    size: parts.optional('size', (part) => parseSize(part, file)) ?? 0,
  };
}

export function parseLearner(statement: Statement, scope: Scope): RawLearner {
  const { file } = scope;
  const parts = new Parts(statement, file, LEARNER_PARTS);
  parts.optional('hash', (part) => single(part, file));
  const { name, line } = parts;
  const timeouts = parts.required('timeout', (part) => parseTimeouts(part, file));
  const key = parts.required('key', (part) => inner(part, file).map((f) => parsePlainField(f, scope)));
  if (timeouts.length === 0) throw semanticError(file, line, `learner '${name}' has no timeout`, name);
  if (key.length === 0) throw semanticError(file, line, `learner '${name}' has no key fields`, name);
  return {
    name,
    line,
    key,
    actions: parts.required('actions', (part) => parseActions(part, file)),
    defaultAction: parts.required('default_action', (part) => parseDefaultAction(part, file)),
    size: parts.required('size', (part) => parseSize(part, file)),
    timeouts,
  };
}

export function parseSelector(statement: Statement, scope: Scope): SpecSelector {
  const { file } = scope;
  const parts = new Parts(statement, file, SELECTOR_PARTS);
  const { name, line } = parts;
  const metadata = (part: Statement) => scope.metadataField(single(part, file), part.line);
  const size = (part: Statement) => parseSize(part, file);
  const fields = parts.required('selector', (part) =>
    inner(part, file).map((f) => parsePlainField(f, scope)),
  );
  const groups = parts.required('n_groups_max', size);
  const slots = parts.required('n_members_per_group_max', size);
  if (fields.length === 0) throw semanticError(file, line, `selector '${name}' has no fields`, name);
  if (groups === 0 || slots === 0) {
    const message = `selector '${name}' has room for ${groups} groups of ${slots} members`;
    throw semanticError(file, line, message, name);
  }
  return {
    name,
    line,
    groupId: parts.required('group_id', metadata),
    memberId: parts.required('member_id', metadata),
    fields,
    groups,
    slots,
  };
}

/** The body of a part such as `key {`. */
function inner({ tokens, line, body }: Statement, file: string): readonly Statement[] {
  if (body === undefined || tokens.length !== 1)
    throw syntaxError(file, line, `'${tokens[0]} {'`, tokens.join(' '));
  return body;
}

/** The one operand of a part such as `size 16`. */
function single({ tokens, line, body }: Statement, file: string): string {
  const value = tokens[1];
  if (value === undefined || tokens.length !== 2 || body !== undefined) {
    throw syntaxError(file, line, `'${tokens[0]} <value>'`, tokens.join(' '));
  }
  return value;
}

function parseSize(part: Statement, file: string): number {
  const text = single(part, file);
  const size = parseNumber(text);
  if (size === undefined || size > MAX_SIZE) {
    throw syntaxError(file, part.line, `a number from 0 to ${MAX_SIZE}`, text);
  }
  return Number(size);
}

/** A block with a timeout on each line or, as DPDK had it before 22.07, one timeout behind the word. */
function parseTimeouts(part: Statement, file: string): number[] {
  const entries = part.body === undefined ? [{ ...part, tokens: part.tokens.slice(1) }] : inner(part, file);
  return entries.map((entry) => parseTimeout(entry, file));
}

function parseTimeout({ tokens, line, body }: Statement, file: string): number {
  const seconds = tokens.length === 1 && body === undefined ? parseNumber(tokens[0] ?? '') : undefined;
  if (seconds === undefined || seconds === 0n || seconds > 0xffffffffn) {
    throw syntaxError(file, line, `a timeout in seconds, from 1 to 4294967295`, tokens.join(' '));
  }
  return Number(seconds);
}

function parseMatchField({ tokens, line, body }: Statement, scope: Scope): SpecKeyField {
  const [text, match] = tokens;
  if (text === undefined || tokens.length !== 2 || body !== undefined) {
    throw syntaxError(scope.file, line, `'<field> exact|wildcard|lpm'`, tokens.join(' '));
  }
  if (match !== 'exact' && match !== 'wildcard' && match !== 'lpm') {
    throw syntaxError(scope.file, line, `exact, wildcard or lpm`, match);
  }
  return { text, match, operand: fixedField(text, line, scope) };
}

function parsePlainField({ tokens, line, body }: Statement, scope: Scope): SpecKeyField {
  const text = tokens[0];
  if (text === undefined || tokens.length !== 1 || body !== undefined) {
    throw syntaxError(scope.file, line, `a field`, tokens.join(' '));
  }
  return { text, match: 'exact', operand: fixedField(text, line, scope) };
}

function fixedField(text: string, line: number, scope: Scope) {
  const operand = scope.keyField(text, line);
  if (operand.field.varbit)
    throw semanticError(scope.file, line, `'${text}': a varbit field cannot be a key`, text);
  return operand;
}

function parseActions(part: Statement, file: string): SpecActionRef[] {
  return inner(part, file).map((action) => parseActionRef(action, file));
}

function parseActionRef({ tokens, line, body }: Statement, file: string): SpecActionRef {
  const [name, annotation] = tokens;
  const known = annotation === undefined || annotation === '@tableonly' || annotation === '@defaultonly';
  if (name === undefined || tokens.length > 2 || !known || body !== undefined) {
    throw syntaxError(file, line, `'<action> [@tableonly|@defaultonly]'`, tokens.join(' '));
  }
  return { name, forEntries: annotation !== '@defaultonly', forDefault: annotation !== '@tableonly' };
}

/** `default_action <action> args none|(<parameter> <value>)… [const]` */
function parseDefaultAction({ tokens, line, body }: Statement, file: string): RawDefaultAction {
  const [, name, args, ...rest] = tokens;
  if (name === undefined || args !== 'args' || rest.length === 0 || body !== undefined) {
    throw syntaxError(
      file,
      line,
      `'default_action <action> args none|<parameter> <value> … [const]'`,
      tokens.join(' '),
    );
  }
  const isConst = rest.at(-1) === 'const';
  const words = isConst ? rest.slice(0, -1) : rest;
  const none = words.length === 1 && words[0] === 'none';
  if (words.length === 0) throw syntaxError(file, line, `'none' or arguments after 'args'`, 'const');
  return { name, words: none ? [] : words, isConst, line };
}
