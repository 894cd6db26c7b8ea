/**
 * The names nearest to a misspelt one, best first, at most three. Case counts half, and a name that only differs in its
 * qualifiers (`ingress.service` for `service`) counts as near.
 */
export function nearestNames(wanted: string, names: Iterable<string>): string[] {
  // Names are short; what is longer than any name near it needs no distance.
  const limit = Math.max(2, Math.floor(wanted.length / 3));
  const scored: { readonly name: string; readonly distance: number }[] = [];
  for (const name of new Set(names)) {
    const last = name.slice(name.lastIndexOf('.') + 1);
    const distance = Math.min(editDistance(wanted, name, limit), editDistance(wanted, last, limit));
    if (distance <= limit) scored.push({ name, distance });
  }
  scored.sort((a, b) => a.distance - b.distance || (a.name < b.name ? -1 : 1));
  return scored.slice(0, 3).map(({ name }) => name);
}

/** What is longer than any name is like none. */
const longestCompared = 200;

/** Levenshtein distance with half the price for a change of case; Infinity if surely above `limit`. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) > limit || a.length > longestCompared) return Number.POSITIVE_INFINITY;
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (previous[j - 1] ?? 0) + charDistance(a.charAt(i - 1), b.charAt(j - 1));
      current.push(Math.min(substitution, (previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1));
    }
    previous = current;
  }
  return previous[b.length] ?? 0;
}

function charDistance(a: string, b: string): number {
  if (a === b) return 0;
  return a.toLowerCase() === b.toLowerCase() ? 0.5 : 1;
}

/**
 * The end of a message about a name that is not there: the nearest names, or else all (the first dozen).
 *
 * @param options.onlyNear Say nothing rather than list all.
 */
export function didYouMean(
  wanted: string,
  names: readonly string[],
  options: { readonly onlyNear?: boolean } = {},
): string {
  const near = nearestNames(wanted, names);
  if (near.length > 0) return `; did you mean ${near.map((name) => `'${name}'`).join(' or ')}?`;
  return options.onlyNear ? '' : `; ${listNames(names)}`;
}

/** `there are 'a', 'b' and 3 more`, of a dozen at most. */
export function listNames(names: readonly string[]): string {
  if (names.length === 0) return 'there are none';
  const shown = names.slice(0, 12).map((name) => `'${name}'`);
  const rest = names.length - shown.length;
  return `there ${names.length === 1 ? 'is' : 'are'} ${shown.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}
