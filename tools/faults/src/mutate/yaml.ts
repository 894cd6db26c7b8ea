import type { Random } from '../random.js';
import { HOSTILE_PIECES, mutateText } from './text.js';

/** What means something to YAML. */
const YAML_PIECES: readonly string[] = [
  ...HOSTILE_PIECES,
  '- ',
  '? ',
  ': ',
  ':\n',
  '&a ',
  '*a ',
  '*a',
  '&a [*a]',
  '!!binary ',
  '!!str ',
  '!<tag:x> ',
  '! ',
  '<<: ',
  '<<: *a\n',
  '|\n',
  '|2-\n',
  '>+\n',
  '\n---\n',
  '\n...\n',
  '%YAML 1.1\n---\n',
  '%TAG ! !\n',
  '~',
  'yes',
  'off',
  '0o17',
  '0120',
  '0b1',
  '1_000',
  '12:30:45',
  '.inf',
  '2001-12-14',
  '"\\x',
  '"\\U0011FFFF"',
  '\n  ',
  '\n    ',
  '{a: b, ',
  '[a, ',
  '# ',
  ' #',
  '@',
  '`',
];

/** YAML or JSON text that differs from `text` by one to four damages: as {@link mutateText}, and by its indentation. */
export function mutateYaml(random: Random, text: string): string {
  return mutateText(random, random.chance(25) ? shiftLine(random, text) : text, YAML_PIECES);
}

function shiftLine(random: Random, text: string): string {
  const lines = text.split('\n');
  const at = random.below(lines.length);
  const line = lines[at] ?? '';
  lines[at] = random.chance(50)
    ? ' '.repeat(1 + random.below(5)) + line
    : line.replace(/^ {1,2}/, random.chance(20) ? '\t' : '');
  return lines.join('\n');
}

/** Texts of about `size` characters that cost some readers more than their size: by squares, or by powers. */
export const YAML_ATTACKS: Readonly<Record<string, (size: number) => string>> = {
  'open sequences': (size) => '['.repeat(size),
  'open mappings': (size) => '{'.repeat(size),
  'closed sequences': (size) => '['.repeat(size / 2) + ']'.repeat(size / 2),
  'mappings in mappings': (size) => '{a: '.repeat(size / 5) + '}'.repeat(size / 5),
  'JSON in JSON': (size) => `${'{"a":'.repeat(size / 7)}1${'}'.repeat(size / 7)}`,
  'block sequences on a line': (size) => '- '.repeat(size / 2),
  'complex keys on a line': (size) => '? '.repeat(size / 2),
  'complex keys in flow': (size) => `[${'? '.repeat(size / 2)}`,
  'colons on a line': (size) => 'a: '.repeat(size / 3),
  'ever deeper lines': (size) => {
    const lines = Math.floor(Math.sqrt(size * 2));
    return Array.from({ length: lines }, (_, line) => `${' '.repeat(line)}a:`).join('\n');
  },
  'keys of one mapping': (size) => Array.from({ length: size / 10 }, (_, index) => `k${index}: 1`).join('\n'),
  'keys of one flow mapping': (size) =>
    `{${Array.from({ length: size / 11 }, (_, index) => `k${index}: 1`).join(', ')}}`,
  'keys of one JSON object': (size) =>
    `{${Array.from({ length: size / 12 }, (_, index) => `"k${index}":1`).join(',')}}`,
  'one key again and again': (size) => 'key: 1\n'.repeat(size / 7),
  'items of one sequence': (size) => '- 1\n'.repeat(size / 4),
  'empty items in flow': (size) => `[${','.repeat(size)}]`,
  anchors: (size) => Array.from({ length: size / 14 }, (_, index) => `- &a${index} ${index}`).join('\n'),
  'anchors in a row': (size) => '&a '.repeat(size / 3),
  'tags in a row': (size) => '!a '.repeat(size / 3),
  'aliases of a scalar': (size) => `- &a x\n${'- *a\n'.repeat(size / 5)}`,
  'aliases in a row': (size) => '*a '.repeat(size / 3),
  'aliases of a long list': (size) => {
    const half = Math.floor(size / 10);
    return `- &a [${'1,'.repeat(half)}1]\n${'- *a\n'.repeat(half)}`;
  },
  'aliases of aliases': (size) => {
    const levels = Array.from({ length: Math.max(2, size / 40) }, (_, level) => level);
    const list = (of: number) => Array.from({ length: 6 }, () => `*a${of}`).join(',');
    return levels.map((level) => `a${level}: &a${level} [${level === 0 ? '1' : list(level - 1)}]`).join('\n');
  },
  'merges of merges': (size) => {
    const levels = Array.from({ length: Math.max(2, size / 40) }, (_, level) => level);
    return levels
      .map(
        (level) =>
          `m${level}: &m${level} {k${level}: 1${level === 0 ? '' : `, <<: [*m${level - 1}, *m${level - 1}]`}}`,
      )
      .join('\n');
  },
  'an anchor in itself': (size) => `&a [${'*a,'.repeat(size / 3)}]`,
  'one long plain scalar': (size) => `a: ${'x'.repeat(size)}`,
  'plain scalar of many lines': (size) => `a: ${'x\n  '.repeat(size / 4)}`,
  'one long quoted scalar': (size) => `a: "${'x'.repeat(size)}"`,
  'quoted scalar of many lines': (size) => `a: "${'x\n'.repeat(size / 2)}"`,
  'quoted scalar without end': (size) => `a: "${'x \n'.repeat(size / 3)}`,
  escapes: (size) => `a: "${'\\x41'.repeat(size / 4)}"`,
  'literal block': (size) => `a: |\n${'  x\n'.repeat(size / 4)}`,
  'folded block': (size) => `a: >\n${'  x\n\n'.repeat(size / 5)}`,
  'literal block of blanks': (size) => `a: |\n${' '.repeat(size)}`,
  'literal block of empty lines': (size) => `a: |\n${'\n'.repeat(size)}b`,
  comments: (size) => '# x\n'.repeat(size / 4),
  'one long comment': (size) => `# ${'x'.repeat(size)}`,
  'comments behind values': (size) => 'a: # x\n'.repeat(1) + '  # x\n'.repeat(size / 6),
  blanks: (size) => ' '.repeat(size),
  tabs: (size) => '\t'.repeat(size),
  'tabs after a key': (size) => `a:${'\t'.repeat(size)}b`,
  'empty lines': (size) => '\n'.repeat(size),
  'carriage returns': (size) => '\r'.repeat(size),
  documents: (size) => '---\n'.repeat(size / 4),
  'ends of documents': (size) => '...\n'.repeat(size / 4),
  'JSON documents': (size) => '{}'.repeat(size / 2),
  'JSON documents by lines': (size) => '{}\n'.repeat(size / 3),
  directives: (size) => '%YAML 1.1\n'.repeat(size / 10),
  'tag directives': (size) =>
    `${Array.from({ length: size / 16 }, (_, index) => `%TAG !e${index}! t:`).join('\n')}\n--- a`,
  dashes: (size) => '-'.repeat(size),
  'question marks': (size) => '?'.repeat(size),
  colons: (size) => ':'.repeat(size),
  quotes: (size) => "'".repeat(size),
  'double quotes': (size) => '"'.repeat(size),
  'exclamation marks': (size) => '!'.repeat(size),
  ampersands: (size) => '&'.repeat(size),
  stars: (size) => '*'.repeat(size),
  bars: (size) => '|'.repeat(size),
  percents: (size) => '%'.repeat(size),
  backslashes: (size) => `"${'\\'.repeat(size)}`,
  digits: (size) => `a: ${'1'.repeat(size)}`,
  'a number in sixties': (size) => `a: 1${':1'.repeat(size / 2)}`,
  'closing brackets': (size) => ']'.repeat(size),
  'zero bytes': (size) => '\0'.repeat(size),
};
