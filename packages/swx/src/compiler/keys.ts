import type { SpecKeyField } from '../spec.js';
import { wordCount } from './layout.js';

/** A part of a key word: one word of a field, shifted. */
export interface KeyPart {
  /** Index of the field in the key. */
  readonly field: number;
  /** Index of the word in the field's value. */
  readonly word: number;
  readonly bits: number;
  readonly shift: number;
}

/** How the fields of a key are packed into as few 32-bit words as a first fit finds. */
export type KeyPlan = readonly (readonly KeyPart[])[];

export function planKey(fields: readonly SpecKeyField[]): KeyPlan {
  const words: { parts: KeyPart[]; used: number }[] = [];
  fields.forEach(({ operand }, field) => {
    const count = wordCount(operand.field.bits);
    for (let word = 0; word < count; word++) {
      const bits = word === 0 ? operand.field.bits - 32 * (count - 1) : 32;
      let target = words.find(({ used }) => used + bits <= 32);
      if (target === undefined) {
        target = { parts: [], used: 0 };
        words.push(target);
      }
      target.parts.push({ field, word, bits, shift: target.used });
      target.used += bits;
    }
  });
  return words.map(({ parts }) => parts);
}

/** Packs the words of field values (most significant first) into key words. */
export function packKey(plan: KeyPlan, values: readonly Int32Array[]): Int32Array {
  const key = new Int32Array(plan.length);
  plan.forEach((parts, i) => {
    let word = 0;
    for (const part of parts) word |= (values[part.field]?.[part.word] ?? 0) << part.shift;
    key[i] = word;
  });
  return key;
}

/** The reverse of packKey. */
export function unpackKey(plan: KeyPlan, key: Int32Array, fields: readonly SpecKeyField[]): Int32Array[] {
  const values = fields.map(({ operand }) => new Int32Array(wordCount(operand.field.bits)));
  plan.forEach((parts, i) => {
    for (const { field, word, bits, shift } of parts) {
      const mask = bits === 32 ? -1 : (1 << bits) - 1;
      const value = values[field];
      if (value !== undefined) value[word] = ((key[i] ?? 0) >>> shift) & mask;
    }
  });
  return values;
}
