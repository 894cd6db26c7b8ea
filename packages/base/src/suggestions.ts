/** So many names are suggested at most … */
const MAX_SUGGESTED = 3;
/** … and so many listed. */
const MAX_LISTED = 12;
/** What is longer than any name is like none. */
const LONGEST_COMPARED = 200;

/**
 * The names nearest to a misspelt one, best first, at most three. Letters that are missing, added, replaced or swapped with
 * their neighbour count one each, another case counts half. A name that differs only in its qualifiers (`ingress.service` for
 * `service`), or is the beginning of the other, counts as near.
 */
export function nearestNames(wanted: string, names: Iterable<string>): string[] {
  const limit = slipsIn(wanted);
  const near: { readonly name: string; readonly distance: number }[] = [];
  for (const name of new Set(names)) {
    const last = name.slice(name.lastIndexOf('.') + 1);
    const distance = Math.min(
      editDistance(wanted, name, limit),
      editDistance(wanted, last, limit),
      isBeginning(wanted, last) ? limit : Number.POSITIVE_INFINITY,
    );
    if (distance <= limit) near.push({ name, distance });
  }
  near.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return near.slice(0, MAX_SUGGESTED).map(({ name }) => name);
}

/** The end of a message about a name that is not there: `did you mean 'a' or 'b'?`, or else {@link listNames}. */
export function didYouMean(wanted: string, names: Iterable<string>): string {
  const all = [...names];
  return suggestion(wanted, all) ?? listNames(all);
}

/** `did you mean 'a' or 'b'?`; undefined if no name is near. */
export function suggestion(wanted: string, names: Iterable<string>): string | undefined {
  const near = nearestNames(wanted, names);
  return near.length === 0 ? undefined : `did you mean ${near.map(quote).join(' or ')}?`;
}

/** `there are 'a', 'b' and 3 more`, of a dozen at most. */
export function listNames(names: readonly string[]): string {
  if (names.length === 0) return 'there are none';
  const rest = names.length - MAX_LISTED;
  const shown = names.slice(0, MAX_LISTED).map(quote).join(', ');
  return `there ${names.length === 1 ? 'is' : 'are'} ${shown}${rest > 0 ? ` and ${rest} more` : ''}`;
}

function quote(name: string): string {
  return `'${name}'`;
}

/** Whether one is the other's beginning, and long enough to be no accident. */
function isBeginning(a: string, b: string): boolean {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  return short.length >= 4 && long.toLowerCase().startsWith(short.toLowerCase());
}

/** How many slips a name may have and still be recognised. */
function slipsIn({ length }: string): number {
  if (length < 3) return length / 2;
  return Math.max(length < 6 ? 1 : 2, Math.floor(length / 3));
}

/** Optimal string alignment distance with half the price for a change of case; infinite if surely above `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit || a.length > LONGEST_COMPARED) return Number.POSITIVE_INFINITY;
  let before: readonly number[] = [];
  let previous: readonly number[] = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      let best = Math.min(
        at(previous, j - 1) + characterDistance(a.charAt(i - 1), b.charAt(j - 1)),
        at(previous, j) + 1,
        at(row, j - 1) + 1,
      );
      const areSwapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (areSwapped) best = Math.min(best, at(before, j - 2) + 1);
      row.push(best);
    }
    before = previous;
    previous = row;
  }
  return at(previous, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}

function characterDistance(a: string, b: string): number {
  if (a === b) return 0;
  return a.toLowerCase() === b.toLowerCase() ? 0.5 : 1;
}
