import type { Random } from '@infra-offload/faults';

type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

const oddStrings = [
  '',
  ' ',
  '\u0000',
  '../../etc',
  'a'.repeat(300),
  '\ud800',
  '__proto__',
  '10.0.0.1/33',
  '🦑',
];
const oddNumbers = [0, -1, 1.5, 1e308, 2 ** 53, Number.MIN_VALUE];

/** Any JSON value, most often a small one. */
export function anyJson(random: Random, depth = 0): Json {
  switch (random.below(depth > 3 ? 5 : 7)) {
    case 0:
      return null;
    case 1:
      return random.chance(50);
    case 2:
      return random.pick(oddNumbers);
    case 3:
    case 4:
      return random.pick(oddStrings);
    case 5:
      return Array.from({ length: random.below(4) }, () => anyJson(random, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(4) }, () => [random.pick(oddStrings), anyJson(random, depth + 1)]),
      );
  }
}

/** A value with one of its parts gone, another, or of another type. */
export function changed(value: Json, random: Random): Json {
  if (typeof value !== 'object' || value === null || random.chance(10)) return anyJson(random);
  if (isList(value)) {
    const at = random.below(value.length + 1);
    const own = value[at];
    if (own === undefined) return [...value, anyJson(random)];
    return random.chance(30) ? value.toSpliced(at, 1) : value.with(at, changed(own, random));
  }
  const keys = Object.keys(value);
  if (keys.length === 0 || random.chance(10)) return { ...value, [random.pick(oddStrings)]: anyJson(random) };
  const key = random.pick(keys);
  const { [key]: own = null, ...others } = value;
  return random.chance(30) ? others : { ...others, [key]: changed(own, random) };
}

/** Text that is no longer what it was: cut, with foreign bytes, keys twice, or nested far too deep. */
export function damaged(text: string, random: Random): string {
  const at = random.below(text.length + 1);
  switch (random.below(6)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return text.slice(at);
    case 2:
      return (
        text.slice(0, at) + Buffer.from(random.bytes(1 + random.below(8))).toString('latin1') + text.slice(at)
      );
    case 3:
      return text.replace(/\{/, `{${text.slice(1, -1)},`);
    case 4:
      return text.slice(0, at) + random.pick(['[', '{"a":']).repeat(random.below(20_000)) + text.slice(at);
    default:
      return (
        text.slice(0, at) + random.pick(['"', '\\', ',', '}', 'null', '\n', '-', '1e999']) + text.slice(at)
      );
  }
}

function isList(value: readonly Json[] | { readonly [key: string]: Json }): value is readonly Json[] {
  return Array.isArray(value);
}
