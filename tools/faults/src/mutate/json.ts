import type { Random } from '../random.js';
import { HOSTILE_PIECES } from './text.js';

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const HOSTILE_NUMBERS: readonly number[] = [
  0,
  -0,
  1,
  -1,
  0.5,
  65535,
  65536,
  2 ** 31 - 1,
  2 ** 31,
  -(2 ** 31),
  2 ** 32,
  Number.MAX_SAFE_INTEGER,
  Number.MAX_SAFE_INTEGER + 1,
  2 ** 63,
  2 ** 64,
  1e308,
  5e-324,
];
const HOSTILE_KEYS: readonly string[] = [
  '',
  '__proto__',
  'constructor',
  'toString',
  'length',
  '0',
  'a.b',
  'a/b',
  '\ud800',
];
/** A value is put into at most this many arrays or objects. */
const DEEPEST = 40;
const LONGEST_LIST = 300;
/** ... and what is repeated comes to so many values at most, or a few repetitions of each other would fill the memory. */
const MOST_VALUES = 20_000;

/** A copy of `value` with one to three of its parts damaged: another type, an extreme, missing, doubled, deeper, elsewhere. */
export function mutateJson(random: Random, value: Json): Json {
  let mutated = value;
  for (let left = 1 + random.below(3); left > 0; left--) {
    const path = somePath(random, mutated);
    const other = random.chance(15) ? valueAt(mutated, somePath(random, mutated)) : undefined;
    mutated = changeAt(mutated, path, (part) => (other !== undefined ? [other] : damage(random, part)));
  }
  return mutated;
}

/** A value that nothing expects. */
export function hostileJson(random: Random): Json {
  switch (random.below(7)) {
    case 0:
      return null;
    case 1:
      return random.chance(50);
    case 2:
      return random.pick(HOSTILE_NUMBERS);
    case 3:
      return Array.from({ length: random.below(4) }, () => hostileJson(random));
    case 4:
      return Object.fromEntries([[hostileKey(random), hostileJson(random)]]);
    default:
      return random.pick(HOSTILE_PIECES);
  }
}

/** What comes instead of one part: nothing, something, or itself and more. */
function damage(random: Random, part: Json): readonly Json[] {
  switch (random.below(8)) {
    case 0:
      return [];
    case 1:
      return [part, part];
    case 2:
      return [deeper(random, part)];
    case 3:
      return [repeated(random, part)];
    case 4:
      return [near(random, part)];
    case 5:
      return [withKey(random, part)];
    default:
      return [hostileJson(random)];
  }
}

function deeper(random: Random, part: Json): Json {
  let value = part;
  for (let left = 1 + random.below(DEEPEST); left > 0; left--)
    value = random.chance(50) ? [value] : { a: value };
  return value;
}

function repeated(random: Random, part: Json): Json {
  const times = Math.min(random.below(LONGEST_LIST), Math.ceil(MOST_VALUES / sizeOf(part)));
  return typeof part === 'string'
    ? part.repeat(Math.min(times, 20))
    : Array.from({ length: times }, () => part);
}

/** How many values there are in a value, itself included. */
function sizeOf(value: Json): number {
  if (Array.isArray(value)) return value.reduce((sum: number, part: Json) => sum + sizeOf(part), 1);
  return isObject(value) ? Object.values(value).reduce((sum: number, part) => sum + sizeOf(part), 1) : 1;
}

/** Of the same type, but a little or very different. */
function near(random: Random, part: Json): Json {
  if (typeof part === 'number')
    return random.chance(50) ? part + random.below(3) - 1 : random.pick(HOSTILE_NUMBERS);
  if (typeof part === 'boolean') return !part;
  if (typeof part !== 'string') return Array.isArray(part) ? part.toReversed() : hostileJson(random);
  const at = random.below(part.length + 1);
  return part.slice(0, at) + random.pick(HOSTILE_PIECES) + part.slice(at + random.below(3));
}

function withKey(random: Random, part: Json): Json {
  if (!isObject(part)) return { [random.pick(HOSTILE_KEYS)]: part };
  const entries = Object.entries(part);
  const at = random.below(entries.length + 1);
  const [key, value] = entries[at] ?? ['', null];
  const renamed = random.chance(50) ? hostileKey(random) : key + random.pick(HOSTILE_PIECES);
  return Object.fromEntries([...entries.slice(0, at), [renamed, value], ...entries.slice(at + 1)]);
}

function hostileKey(random: Random): string {
  return random.chance(60) ? random.pick(HOSTILE_KEYS) : random.pick(HOSTILE_PIECES);
}

/** The way to a random part: each part of each level is as likely as stopping there. */
function somePath(random: Random, root: Json): readonly (string | number)[] {
  const path: (string | number)[] = [];
  for (let value = root; ; ) {
    const keys = keysOf(value);
    if (keys.length === 0 || random.below(keys.length + 1) === 0) return path;
    const key = random.pick(keys);
    path.push(key);
    value = valueAt(value, [key]) ?? null;
  }
}

function keysOf(value: Json): readonly (string | number)[] {
  if (Array.isArray(value)) return [...value.keys()];
  return isObject(value) ? Object.keys(value) : [];
}

function valueAt(root: Json, path: readonly (string | number)[]): Json | undefined {
  let value: Json | undefined = root;
  for (const key of path) {
    if (Array.isArray(value)) value = typeof key === 'number' ? value[key] : undefined;
    else value = value !== undefined && isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
  }
  return value;
}

function changeAt(
  root: Json,
  [key, ...rest]: readonly (string | number)[],
  change: (part: Json) => readonly Json[],
): Json {
  if (key === undefined) return change(root)[0] ?? null;
  const inside = (part: Json) => (rest.length === 0 ? change(part) : [changeAt(part, rest, change)]);
  if (Array.isArray(root))
    return root.flatMap((part: Json, index) => (index === key ? inside(part) : [part]));
  if (!isObject(root)) return root;
  return Object.fromEntries(
    Object.entries(root).flatMap(([name, part]) =>
      name === key
        ? inside(part).map((one, index): [string, Json] => [index === 0 ? name : `${name}${index}`, one])
        : [[name, part] as const],
    ),
  );
}

function isObject(value: Json): value is { readonly [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
