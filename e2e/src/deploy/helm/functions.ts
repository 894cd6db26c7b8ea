import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { parse, stringify } from 'yaml';
import { TemplateError } from './parse.js';

export type TemplateFunction = (...args: readonly unknown[]) => unknown;
export type Dict = Record<string, unknown>;

export function isDict(value: unknown): value is Dict {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** What counts as false in Go's templates, and as nothing in sprig. */
export function isEmpty(value: unknown): boolean {
  if (Array.isArray(value)) return value.length === 0;
  if (isDict(value)) return Object.keys(value).length === 0;
  return value === undefined || value === null || value === false || value === 0 || value === '';
}

/** Those of sprig and Helm that the chart uses, with the types that they take. */
export const FUNCTIONS: Readonly<Record<string, TemplateFunction>> = {
  add: (...numbers) => numbers.reduce<number>((sum, number) => sum + numberOf(number), 0),
  and: (...values) => (values.some(isEmpty) ? values.find(isEmpty) : values.at(-1)),
  append: (list, value) => [...listOf(list), value],
  base: (path) => posix.basename(textOf(path)),
  concat: (...lists) => lists.flatMap(listOf),
  default: (instead, value) => (isEmpty(value) ? instead : value),
  dict: (...pairs) => {
    const entries = pairs.flatMap((key, index) =>
      index % 2 === 0 ? [[textOf(key), pairs[index + 1]] as const] : [],
    );
    return Object.fromEntries(entries);
  },
  dir: (path) => posix.dirname(textOf(path)),
  eq: (left, right) => comparable(left) === comparable(right),
  fail: (message) => {
    throw new TemplateError(textOf(message));
  },
  first: (list) => listOf(list)[0],
  fromYaml: (text) => dictOf(parse(textOf(text))),
  get: (dict, key) => dictOf(dict)[textOf(key)] ?? '',
  hasKey: (dict, key) => Object.hasOwn(dictOf(dict), textOf(key)),
  index: (list, index) => listOf(list)[numberOf(index)],
  int: (value) => Math.trunc(typeof value === 'string' ? Number.parseInt(value, 10) : numberOf(value)),
  kindIs: (kind, value) => {
    if (kind !== 'map') throw new TemplateError(`kindIs ${String(kind)} is not known here`);
    return isDict(value);
  },
  last: (list) => listOf(list).at(-1),
  list: (...values) => [...values],
  ne: (left, right) => comparable(left) !== comparable(right),
  nindent: (spaces, text) => {
    const indent = ' '.repeat(numberOf(spaces));
    return `\n${indent}${textOf(text).replaceAll('\n', `\n${indent}`)}`;
  },
  not: isEmpty,
  printf: (format, ...values) => {
    let next = 0;
    const text = textOf(format).replace(/%[sd]/g, (verb) => {
      const value = values[next++];
      return verb === '%d' ? String(numberOf(value)) : textOf(value);
    });
    if (next !== values.length || text.includes('%')) throw new TemplateError(`printf "${String(format)}"`);
    return text;
  },
  quote: (value) => JSON.stringify(typeof value === 'number' ? String(value) : textOf(value)),
  regexFind: (pattern, text) => new RegExp(textOf(pattern)).exec(textOf(text))?.[0] ?? '',
  regexReplaceAll: (pattern, text, by) => textOf(text).replace(new RegExp(textOf(pattern), 'g'), textOf(by)),
  replace: (old, by, text) => textOf(text).replaceAll(textOf(old), textOf(by)),
  set: (dict, key, value) => {
    dictOf(dict)[textOf(key)] = value;
    return dict;
  },
  sha256sum: (text) => createHash('sha256').update(textOf(text)).digest('hex'),
  splitList: (separator, text) => textOf(text).split(textOf(separator)),
  toYaml: (value) => stringify(value, { sortMapEntries: true, aliasDuplicateObjects: false }).trimEnd(),
  trimPrefix: (prefix, text) =>
    textOf(text).startsWith(textOf(prefix)) ? textOf(text).slice(textOf(prefix).length) : text,
  trimSuffix: (suffix, text) =>
    textOf(text).endsWith(textOf(suffix)) ? textOf(text).slice(0, -textOf(suffix).length) : text,
  urlParse: (text) => {
    const [, host = '', name = ''] =
      /^[a-z]+:\/\/((\[[^\]]*\]|[^:/]*)(?::\d+)?)(?:\/.*)?$/.exec(textOf(text)) ?? [];
    return { host, hostname: name.replace(/^\[|\]$/g, '') };
  },
};

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new TemplateError(`${JSON.stringify(value)} is no text`);
  return value;
}

function numberOf(value: unknown): number {
  if (typeof value !== 'number') throw new TemplateError(`${JSON.stringify(value)} is no number`);
  return value;
}

function listOf(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TemplateError(`${JSON.stringify(value)} is no list`);
  return value;
}

function dictOf(value: unknown): Dict {
  if (!isDict(value)) throw new TemplateError(`${JSON.stringify(value)} is no map`);
  return value;
}

function comparable(value: unknown): string | number | boolean {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value;
  throw new TemplateError(`${JSON.stringify(value)} cannot be compared`);
}
