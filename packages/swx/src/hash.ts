/** Start value and multiplier of the hash of a key. */
export const HASH_SEED = 0x5bd1e995 | 0;
export const HASH_MULTIPLIER = 0x9e3779b1 | 0;

/** Hash of a key's words. Generated lookups contain the same steps, unrolled: see compiler/tables.ts. */
export function hashWords(words: Int32Array, from: number, count: number): number {
  let h = HASH_SEED;
  for (let i = from; i < from + count; i++) {
    h = Math.imul(h ^ (words[i] ?? 0), HASH_MULTIPLIER);
    h ^= h >>> 15;
  }
  return h ^ (h >>> 13);
}
