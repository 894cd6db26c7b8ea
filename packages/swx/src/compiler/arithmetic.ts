import { SwxError } from '../errors.js';
import type { AluOperation, Comparison } from '../spec.js';
import { wordCount } from './layout.js';
import { lowWord, masked, resize, type Value } from './values.js';

/** Code for `target operation source`: statements to run first, and the value, already cut to the target's width. */
export interface Computation {
  readonly before: string;
  readonly value: Value;
}

const SIGNS: Readonly<Record<'and' | 'or' | 'xor', string>> = { and: '&', or: '|', xor: '^' };

/** A limit of this engine; DPDK computes with 64 bits, and compares at most 128. */
const MAX_BITS = 2_048;

function checkWidth(op: string, values: readonly Value[], where: string): void {
  for (const { bits } of values) {
    if (bits <= MAX_BITS) continue;
    const message = `${where}: '${op}' works on fields of at most ${MAX_BITS} bits, not ${bits}`;
    throw new SwxError('UNSUPPORTED', message, { details: { token: op } });
  }
}

/**
 * Unsigned arithmetic modulo 2^(width of the target). The source counts with its own width. A shift takes the low six
 * bits of its count, which is what x86 does with DPDK's 64-bit shifts.
 */
export function compute(op: AluOperation, target: Value, source: Value, where: string): Computation {
  const { bits } = target;
  checkWidth(op, [target], where);
  const count = wordCount(bits);
  if (op === 'shl' || op === 'shr') return shift(op, target, source, where);
  const a = target.words;
  const b = resize(
    { words: source.words, bits: Math.min(source.bits, wordCount(source.bits) * 32) },
    count * 32,
  );
  if (op === 'and' || op === 'or' || op === 'xor') {
    const words = a.map((word, i) => `${word}${SIGNS[op]}${b[i] ?? '0'}`);
    return { before: '', value: { bits, words: cutTop(words, bits) } };
  }
  if (count === 1) {
    const word = `${a[0] ?? '0'}${op === 'add' ? '+' : '-'}(${b[0] ?? '0'})`;
    return { before: '', value: { bits, words: cutTop([word], bits, true) } };
  }
  return carry(op, a, b, bits);
}

function carry(op: 'add' | 'sub', a: readonly string[], b: readonly string[], bits: number): Computation {
  const lines: string[] = [];
  const words: string[] = [];
  const sign = op === 'add' ? '+' : '-';
  for (let i = a.length - 1; i >= 0; i--) {
    const carried =
      i === a.length - 1 ? '' : op === 'add' ? `+(s${i + 1}>4294967295?1:0)` : `-(s${i + 1}<0?1:0)`;
    lines.push(`const s${i}=(${a[i] ?? '0'}>>>0)${sign}((${b[i] ?? '0'})>>>0)${carried};`);
    words.unshift(`s${i}|0`);
  }
  return { before: lines.join(''), value: { bits, words: cutTop(words, bits) } };
}

function shift(op: 'shl' | 'shr', target: Value, source: Value, where: string): Computation {
  const { bits, words } = target;
  if (words.length > 2) {
    throw new SwxError('UNSUPPORTED', `${where}: '${op}' works on fields of at most 64 bits, not ${bits}`, {
      details: {
        token: op,
      },
    });
  }
  const before = `const n=${lowWord(source)}&63;`;
  if (words.length === 1) {
    const word = words[0] ?? '0';
    const shifted = op === 'shl' ? `n<32?${word}<<n:0` : `n<32?${word}>>>n:0`;
    return { before, value: { bits, words: cutTop([`(${shifted})`], bits, true) } };
  }
  const both = `${before}const x1=${words[0] ?? '0'},x0=${words[1] ?? '0'};`;
  const result =
    op === 'shl'
      ? ['(n===0?x1:n<32?x1<<n|x0>>>32-n:x0<<n-32)', '(n<32?x0<<n:0)']
      : ['(n<32?x1>>>n:0)', '(n===0?x0:n<32?x0>>>n|x1<<32-n:x1>>>n-32)'];
  return { before: both, value: { bits, words: cutTop(result, bits) } };
}

/** Cuts the most significant word to the width; `sum` words may be too large for an int32 and are made one. */
function cutTop(words: readonly string[], bits: number, sum = false): string[] {
  const top = bits % 32;
  return words.map((word, i) => (i === 0 && top !== 0 ? masked(word, top) : sum ? `${word}|0` : word));
}

/**
 * A JavaScript condition: unsigned comparison of values of any widths up to the engine's limit.
 *
 * @throws SwxError UNSUPPORTED
 */
export function compare(op: Comparison, a: Value, b: Value, where: string): string {
  checkWidth(op, [a, b], where);
  const count = Math.max(a.words.length, b.words.length);
  const x = resize({ ...a, bits: Math.min(a.bits, count * 32) }, count * 32);
  const y = resize({ ...b, bits: Math.min(b.bits, count * 32) }, count * 32);
  switch (op) {
    case 'jmpeq':
      return x.map((word, i) => `${word}===${y[i] ?? '0'}`).join('&&');
    case 'jmpneq':
      return x.map((word, i) => `${word}!==${y[i] ?? '0'}`).join('||');
    case 'jmplt':
      return less(x, y);
    case 'jmpgt':
      return less(y, x);
    case 'jmple':
      return `!(${less(y, x)})`;
    case 'jmpge':
      return `!(${less(x, y)})`;
  }
}

function less(x: readonly string[], y: readonly string[]): string {
  const [x0 = '0', ...xs] = x;
  const [y0 = '0', ...ys] = y;
  const first = `(${x0}>>>0)<(${y0}>>>0)`;
  return xs.length === 0 ? first : `(${first}||${x0}===${y0}&&(${less(xs, ys)}))`;
}
