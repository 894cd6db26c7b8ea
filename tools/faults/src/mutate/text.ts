import type { Random } from '../random.js';

/** Pieces that text formats stumble over, whatever they are. */
export const HOSTILE_PIECES: readonly string[] = [
  '',
  '\0',
  '\u0001',
  '\u0085',
  '\u2028',
  '\ufeff',
  '\ufffd',
  // Halves of a pair: no text, but a string may hold them.
  '\ud800',
  '\udc00',
  '\u{1f4a5}',
  // Reads from right to left.
  '\u202e',
  // Combines with what stands before.
  '\u0301',
  '\t',
  '\r',
  '\r\n',
  '\n\n',
  ' ',
  '"',
  "'",
  '\\',
  '\\u0000',
  '%s%n',
  '../',
  '-',
  '-1',
  '0',
  '00',
  '0x',
  '1e999',
  '9007199254740993',
  '18446744073709551616',
  `${'9'.repeat(400)}`,
  'NaN',
  'null',
  'true',
  '__proto__',
  'constructor',
  'toString',
  '[',
  ']',
  '{',
  '}',
  '<',
  '>',
  '(',
  ')',
  ',',
  ':',
  ';',
  '#',
  '/*',
  '*/',
  '//',
  '=',
  '::',
  '0.0.0.0/0',
  '255.255.255.256',
  'a'.repeat(300),
];

const LONGEST_PIECE = 40;
/** What is repeated, at most this often: deep enough for a reader that counts levels by calls of itself to be noticed elsewhere. */
const MOST_REPEATS = 60;

type Step = (random: Random, text: string, pieces: readonly string[]) => string;

const STEPS: readonly Step[] = [
  function insertPiece(random, text, pieces) {
    const at = random.below(text.length + 1);
    return text.slice(0, at) + random.pick(pieces) + text.slice(at);
  },
  function repeatPiece(random, text, pieces) {
    const at = random.below(text.length + 1);
    return text.slice(0, at) + random.pick(pieces).repeat(random.below(MOST_REPEATS)) + text.slice(at);
  },
  function replaceToken(random, text, pieces) {
    const [from, to] = token(random, text);
    return text.slice(0, from) + random.pick(pieces) + text.slice(to);
  },
  function swapToken(random, text) {
    const [from, to] = token(random, text);
    const [otherFrom, otherTo] = token(random, text);
    return text.slice(0, from) + text.slice(otherFrom, otherTo) + text.slice(to);
  },
  function changeCharacter(random, text) {
    const at = random.below(text.length);
    return (
      text.slice(0, at) +
      String.fromCharCode(random.below(random.chance(80) ? 128 : 65536)) +
      text.slice(at + 1)
    );
  },
  function remove(random, text) {
    const at = random.below(text.length);
    return text.slice(0, at) + text.slice(at + 1 + random.below(LONGEST_PIECE));
  },
  function cutOff(random, text) {
    return text.slice(0, random.below(text.length));
  },
  function doubleLine(random, text) {
    const lines = text.split('\n');
    const at = random.below(lines.length);
    return [...lines.slice(0, at + 1), ...lines.slice(at)].join('\n');
  },
  function moveLine(random, text) {
    const lines = text.split('\n');
    const [line = ''] = lines.splice(random.below(lines.length), 1);
    lines.splice(random.below(lines.length + 1), 0, line);
    return lines.join('\n');
  },
  function removeLine(random, text) {
    const lines = text.split('\n');
    lines.splice(random.below(lines.length), 1);
    return lines.join('\n');
  },
];

/**
 * Text that differs from `text` by one to four damages: of characters, of words, of lines.
 *
 * @param pieces what is put in, words of the format among them; by default what text formats stumble over
 */
export function mutateText(random: Random, text: string, pieces: readonly string[] = HOSTILE_PIECES): string {
  let mutated = text;
  for (let left = 1 + random.below(4); left > 0; left--) {
    mutated = mutated === '' ? random.pick(pieces) : random.pick(STEPS)(random, mutated, pieces);
  }
  return mutated;
}

/** Where a word, or one character between words, stands. */
function token(random: Random, text: string): readonly [from: number, to: number] {
  let from = random.below(text.length);
  if (!isWord(text, from)) return [from, from + 1];
  let to = from + 1;
  while (to < text.length && isWord(text, to)) to++;
  while (from > 0 && isWord(text, from - 1)) from--;
  return [from, to];
}

function isWord(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return (
    (code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122) || code === 95
  );
}
