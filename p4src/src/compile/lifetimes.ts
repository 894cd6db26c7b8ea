/** An instruction. */
export interface Line {
  /** `LABEL :\t`, or only the indent. */
  readonly head: string;
  words: string[];
}

/** The metadata that an operand names, if it is metadata. */
export const nameOf = (word: string): string | undefined =>
  word.startsWith('m.') ? word.slice(2) : undefined;

/** What an instruction writes without anything else, if it is metadata. */
function onlyWrites({ words: [op = '', target = ''] }: Line): string | undefined {
  return ['mov', 'and', 'or', 'xor', 'add', 'sub', 'shl', 'shr', 'regrd'].includes(op)
    ? nameOf(target)
    : undefined;
}

/** Of what is written, nothing is left of before. */
const replaces = ({ words: [op] }: Line): boolean => op === 'mov' || op === 'regrd';

const labelOf = ({ head }: Line): string | undefined => /(\w+) :/.exec(head)?.[1];

/** Temporaries with a value that is read at a line or after it, for each line. Programs jump forward only. */
function needed(lines: readonly Line[], temporaries: ReadonlySet<string>): ReadonlySet<string>[] {
  const sets: ReadonlySet<string>[] = [];
  const atLabels = new Map<string, ReadonlySet<string>>();
  let next: ReadonlySet<string> = new Set();
  for (const line of lines.toReversed()) {
    const [op = '', target = ''] = line.words;
    const set = new Set(op === 'jmp' ? [] : op === 'learn' ? temporaries : next);
    if (op.startsWith('jmp')) for (const name of atLabels.get(target) ?? []) set.add(name);
    const written = onlyWrites(line);
    if (written !== undefined && replaces(line)) set.delete(written);
    line.words.forEach((word, k) => {
      const name = nameOf(word);
      const isReplaced = k === 1 && name === written && replaces(line);
      if (name !== undefined && temporaries.has(name) && !isReplaced) set.add(name);
    });
    const label = labelOf(line);
    if (label !== undefined) atLabels.set(label, set);
    sets.push(set);
    next = set;
  }
  return sets.reverse();
}

/** Leaves out what writes temporaries that nobody reads before they are written again. */
export function dropUnread(lines: readonly Line[], temporaries: ReadonlySet<string>): Line[] {
  const sets = needed(lines, temporaries);
  const kept = lines.filter((line, i) => {
    const written = onlyWrites(line);
    return (
      written === undefined ||
      !temporaries.has(written) ||
      labelOf(line) !== undefined ||
      sets[i + 1]?.has(written) === true
    );
  });
  return kept.length === lines.length ? kept : dropUnread(kept, temporaries);
}

/**
 * Gives temporaries another name wherever they are written without being needed any more, so that each has one life only.
 *
 * @returns the old names by the new ones.
 */
export function splitLifetimes(
  lines: readonly Line[],
  temporaries: ReadonlySet<string>,
): ReadonlyMap<string, string> {
  const sets = needed(lines, temporaries);
  const labels = new Map(lines.map((line, i) => [labelOf(line), i]));
  // What is needed where a jump leads to is kept in all the lines that it passes over.
  const kept = sets.map((set) => new Set(set));
  lines.forEach(({ words: [op = '', target = ''] }, from) => {
    const to = op.startsWith('jmp') ? (labels.get(target) ?? from) : from;
    for (let i = from + 1; i < to; i++) for (const name of sets[to] ?? []) kept[i]?.add(name);
  });
  const lives = new Map<string, number>();
  const old = new Map<string, string>();
  lines.forEach((line, i) => {
    line.words.forEach((word, k) => {
      const name = nameOf(word);
      if (name === undefined || !temporaries.has(name)) return;
      const life = lives.get(name) ?? 0;
      const isNew = k === 1 && name === onlyWrites(line) && replaces(line) && kept[i]?.has(name) !== true;
      const now = isNew ? life + 1 : life;
      lives.set(name, now);
      line.words[k] = `m.${name}#${now}`;
      old.set(`${name}#${now}`, name);
    });
  });
  return old;
}
