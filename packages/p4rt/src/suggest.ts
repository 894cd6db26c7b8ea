import { P4rtError } from './errors.js';

/** What is longer than any name is like none. */
const LONGEST_COMPARED = 200;

/** Edits (insert, delete, replace, swap of neighbours) between two names, capped at `limit` + 1. */
function distance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit || a.length > LONGEST_COMPARED) return limit + 1;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let best = Math.min(
        (previous[j] ?? 0) + 1,
        (row[j - 1] ?? 0) + 1,
        (previous[j - 1] ?? 0) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        best = Math.min(best, (before[j - 2] ?? 0) + 1);
      row.push(best);
    }
    before = previous;
    previous = row;
  }
  return previous[b.length] ?? limit + 1;
}

const MAX_LISTED = 12;

/** A hint for a name that is not among `choices`: the nearest one, or what there is to choose from. */
export function hint(name: string, choices: Iterable<string>): string {
  const all = [...choices];
  if (all.length === 0) return 'there are none';
  const limit = Math.max(1, Math.floor(name.length / 3));
  let best: string | undefined;
  let bestDistance = limit + 1;
  for (const choice of all) {
    const d = distance(name.toLowerCase(), choice.toLowerCase(), limit);
    if (d < bestDistance) {
      best = choice;
      bestDistance = d;
    }
  }
  if (best !== undefined) return `did you mean '${best}'?`;
  const listed = all.slice(0, MAX_LISTED).map((choice) => `'${choice}'`);
  return `choose from ${listed.join(', ')}${all.length > MAX_LISTED ? ` and ${all.length - MAX_LISTED} more` : ''}`;
}

/** An UNKNOWN_NAME error with a hint. `what` reads like "table 'service' has no action". */
export function unknownName(
  what: string,
  name: string,
  choices: Iterable<string>,
): P4rtError<'UNKNOWN_NAME'> {
  const all = [...choices];
  return new P4rtError('UNKNOWN_NAME', `${what} '${name}'; ${hint(name, all)}`, { name, choices: all });
}
