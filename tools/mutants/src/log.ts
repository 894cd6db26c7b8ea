import { appendFileSync, existsSync, readFileSync } from 'node:fs';

/** What the runner of the tests notes while it runs, line by line, for whoever started it. */
export type Note =
  /** Mutants whose place a test comes by; of `loaded` ones only while modules are loaded. */
  | { readonly kind: 'met' | 'loaded'; readonly mutants: readonly number[] }
  | { readonly kind: 'trying'; readonly mutant: number; readonly test: string }
  | { readonly kind: 'killed'; readonly mutant: number; readonly test: string }
  /** A test that fails without a mutant after others were tried: what it has killed does not count. */
  | { readonly kind: 'spoilt'; readonly test: string }
  /** A test, or what it needs, that fails without a mutant. */
  | { readonly kind: 'broken'; readonly test: string; readonly message: string };

export function note(file: string, entry: Note): void {
  appendFileSync(file, `${JSON.stringify(entry)}\n`);
}

export function readNotes(file: string): readonly Note[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').slice(0, -1);
  return lines.map((line) => JSON.parse(line) as Note);
}

/** Mutants that some test has noticed. */
export function killedIn(notes: readonly Note[]): ReadonlySet<number> {
  const spoilt = new Set(notes.flatMap((entry) => (entry.kind === 'spoilt' ? [entry.test] : [])));
  return new Set(
    notes.flatMap((entry) => (entry.kind === 'killed' && !spoilt.has(entry.test) ? [entry.mutant] : [])),
  );
}
