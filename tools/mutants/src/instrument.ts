import type { Mutant } from './find.js';

/** What asks which mutant is alive; the runner defines it. */
export const SWITCH = '__mutant';

/**
 * A source that behaves as any one of its mutants, whichever is switched on: `a < b` becomes
 * `(__mutant(7) ? a <= b : a < b)`.
 *
 * @param first is added to the ids of the mutants.
 */
export function instrument(text: string, mutants: readonly Mutant[], first = 0): string {
  const sorted = [...mutants].sort((a, b) => a.start - b.start || b.end - a.end);
  return part(text, sorted, 0, text.length, first);
}

/** The text from `start` to `end` with the mutants in it, outer ones first. */
function part(text: string, mutants: readonly Mutant[], start: number, end: number, first: number): string {
  let result = '';
  let at = start;
  for (let i = 0; i < mutants.length; ) {
    const outer = mutants[i];
    if (outer === undefined) break;
    let next = i;
    while ((mutants[next]?.start ?? end) < outer.end) next++;
    const inside = mutants.slice(i, next);
    const same = inside.filter((mutant) => mutant.start === outer.start && mutant.end === outer.end);
    const inner = part(
      text,
      inside.filter((mutant) => !same.includes(mutant)),
      outer.start,
      outer.end,
      first,
    );
    result += text.slice(at, outer.start) + switched(inner, same, first);
    at = outer.end;
    i = next;
  }
  return result + text.slice(at, end);
}

function switched(original: string, mutants: readonly Mutant[], first: number): string {
  let result = original;
  for (const { id, replacement, isStatement } of mutants) {
    const isOn = `${SWITCH}(${id + first})`;
    result = isStatement ? `{ if (!${isOn}) { ${result} } }` : `(${isOn} ? (${replacement}) : (${result}))`;
  }
  return result;
}
