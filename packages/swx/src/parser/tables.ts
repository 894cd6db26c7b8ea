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

/** The parts of a table, selector or learner block, each at most once. */
class Parts {
  readonly #file: string;
  readonly #what: string;
  readonly #seen = new Set<string>();

  constructor(file: string, what: string) {
    this.#file = file;
    this.#what = what;
  }

  once(part: string, line: number): void {
    if (this.#seen.has(part))
      throw semanticError(this.#file, line, `${this.#what} has a '${part}' already`, part);
    this.#seen.add(part);
  }

  /** Fails unless a required part was there. */
  required<T>(value: T | undefined, part: string, line: number): T {
    if (value === undefined) throw semanticError(this.#file, line, `${this.#what} lacks '${part}'`, part);
    return value;
  }
}

export function parseTable(statement: Statement, scope: Scope): RawTable {
  const { name, body } = blockName(statement, scope.file);
  const parts = new Parts(scope.file, `table '${name}'`);
  let key: SpecKeyField[] = [];
  let actions: SpecActionRef[] | undefined;
  let defaultAction: RawDefaultAction | undefined;
  let size: number | undefined;
  for (const part of body) {
    const word = part.tokens[0] ?? '';
    parts.once(word, part.line);
    switch (word) {
      case 'key':
        key = inner(part, scope.file).map((field) => parseMatchField(field, scope));
        break;
      case 'actions':
        actions = inner(part, scope.file).map((action) => parseActionRef(action, scope.file));
        break;
      case 'default_action':
        defaultAction = parseDefaultAction(part, scope.file);
        break;
      case 'size':
        size = parseSize(part, scope.file);
        break;
      case 'instanceof':
      case 'pragma':
      case 'hash':
      case 'action_selector':
        // Choices between implementations of the same lookup, and a remark of p4c's on PSA tables.
        single(part, scope.file);
        break;
      default:
        throw syntaxError(
          scope.file,
          part.line,
          `key, actions, default_action, instanceof, pragma, hash or size`,
          word,
        );
    }
  }
  return {
    name,
    line: statement.line,
    key,
    actions: parts.required(actions, 'actions', statement.line),
    defaultAction: parts.required(defaultAction, 'default_action', statement.line),
    size: size ?? 0,
  };
}

export function parseLearner(statement: Statement, scope: Scope): RawLearner {
  const { name, body } = blockName(statement, scope.file);
  const parts = new Parts(scope.file, `learner '${name}'`);
  let key: SpecKeyField[] | undefined;
  let actions: SpecActionRef[] | undefined;
  let defaultAction: RawDefaultAction | undefined;
  let size: number | undefined;
  let timeouts: number[] | undefined;
  for (const part of body) {
    const word = part.tokens[0] ?? '';
    parts.once(word, part.line);
    switch (word) {
      case 'key':
        key = inner(part, scope.file).map((field) => parsePlainField(field, scope));
        break;
      case 'actions':
        actions = inner(part, scope.file).map((action) => parseActionRef(action, scope.file));
        break;
      case 'default_action':
        defaultAction = parseDefaultAction(part, scope.file);
        break;
      case 'size':
        size = parseSize(part, scope.file);
        break;
      case 'hash':
        single(part, scope.file);
        break;
      case 'timeout':
        timeouts = parseTimeouts(part, scope.file);
        break;
      default:
        throw syntaxError(scope.file, part.line, `key, actions, default_action, hash, size or timeout`, word);
    }
  }
  const line = statement.line;
  const seconds = parts.required(timeouts, 'timeout', line);
  const fields = parts.required(key, 'key', line);
  if (seconds.length === 0) throw semanticError(scope.file, line, `learner '${name}' has no timeout`, name);
  if (fields.length === 0) throw semanticError(scope.file, line, `learner '${name}' has no key fields`, name);
  return {
    name,
    line,
    key: fields,
    actions: parts.required(actions, 'actions', line),
    defaultAction: parts.required(defaultAction, 'default_action', line),
    size: parts.required(size, 'size', line),
    timeouts: seconds,
  };
}

export function parseSelector(statement: Statement, scope: Scope): SpecSelector {
  const { name, body } = blockName(statement, scope.file);
  const { file } = scope;
  const parts = new Parts(file, `selector '${name}'`);
  let groupId: SpecSelector['groupId'] | undefined;
  let memberId: SpecSelector['memberId'] | undefined;
  let fields: SpecKeyField[] | undefined;
  let groups: number | undefined;
  let slots: number | undefined;
  for (const part of body) {
    const word = part.tokens[0] ?? '';
    parts.once(word, part.line);
    switch (word) {
      case 'group_id':
        groupId = scope.metadataField(single(part, file), part.line);
        break;
      case 'member_id':
        memberId = scope.metadataField(single(part, file), part.line);
        break;
      case 'selector':
        fields = inner(part, file).map((field) => parsePlainField(field, scope));
        break;
      case 'n_groups_max':
        groups = parseSize(part, file);
        break;
      case 'n_members_per_group_max':
        slots = parseSize(part, file);
        break;
      default:
        throw syntaxError(
          file,
          part.line,
          `group_id, selector, member_id, n_groups_max or n_members_per_group_max`,
          word,
        );
    }
  }
  const line = statement.line;
  const selectorFields = parts.required(fields, 'selector', line);
  const groupCount = parts.required(groups, 'n_groups_max', line);
  const slotCount = parts.required(slots, 'n_members_per_group_max', line);
  if (selectorFields.length === 0) throw semanticError(file, line, `selector '${name}' has no fields`, name);
  if (groupCount === 0 || slotCount === 0) {
    throw semanticError(
      file,
      line,
      `selector '${name}' has room for ${groupCount} groups of ${slotCount} members`,
      name,
    );
  }
  return {
    name,
    line,
    groupId: parts.required(groupId, 'group_id', line),
    memberId: parts.required(memberId, 'member_id', line),
    fields: selectorFields,
    groups: groupCount,
    slots: slotCount,
  };
}

function blockName(
  { tokens, line, body }: Statement,
  file: string,
): { name: string; body: readonly Statement[] } {
  const [kind, name] = tokens;
  if (name === undefined || tokens.length !== 2 || body === undefined) {
    throw syntaxError(file, line, `'${kind} <name> {'`, tokens.join(' '));
  }
  return { name, body };
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
  return { name, words: none ? [] : words, isConst, line };
}
