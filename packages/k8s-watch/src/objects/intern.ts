/** Enough for the nodes, zones and namespaces of the largest clusters. */
const MAX_STRINGS = 32_768;

const strings = new Map<string, string>();

/**
 * The same string for equal texts. Endpoints repeat the names of their nodes and zones a hundred thousand times, and
 * whatever reads JSON makes a new string for each.
 */
export function intern(text: string): string {
  const known = strings.get(text);
  if (known !== undefined) return known;
  // What is in use stays alive without this map, so forgetting costs nothing but a few duplicates.
  if (strings.size >= MAX_STRINGS) strings.clear();
  strings.set(text, text);
  return text;
}
