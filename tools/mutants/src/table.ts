import type { Plan, Subject } from './plan.js';
import type { Outcome } from './session.js';

/** Of one file. */
export interface Row {
  readonly file: string;
  /** Mutants that the file has. */
  readonly mutants: number;
  readonly tried: number;
  readonly killed: number;
  /** Place and change of each that no test noticed. */
  readonly survivors: readonly string[];
}

export function rowsOf({ subjects }: Plan, { killed, unmet }: Outcome): readonly Row[] {
  return subjects.map(({ file, first, mutants, tried }: Subject) => {
    const survivors = tried.filter(({ id }) => !killed.has(id + first));
    return {
      file,
      mutants: mutants.length,
      tried: tried.length,
      killed: tried.length - survivors.length,
      survivors: survivors.map(({ id, line, what }) => {
        const note = unmet.has(id + first) ? ' (no test comes by)' : '';
        return `${file}:${line}: ${what}${note}`;
      }),
    };
  });
}

/** A table in Markdown. */
export function renderRows(rows: readonly (Omit<Row, 'survivors'> & { readonly file: string })[]): string {
  const lines = rows.map(
    ({ file, mutants, tried, killed }) =>
      `| \`${file}\` | ${mutants} | ${tried} | ${killed} | ${score(killed, tried)} |`,
  );
  return ['| sources | mutants | tried | killed | score |', '|---|---|---|---|---|', ...lines].join('\n');
}

/** One row for all files of a folder. */
export function total(folder: string, rows: readonly Row[]): Omit<Row, 'survivors'> {
  const sum = (of: (row: Row) => number) => rows.reduce((all, row) => all + of(row), 0);
  return {
    file: folder,
    mutants: sum(({ mutants }) => mutants),
    tried: sum(({ tried }) => tried),
    killed: sum(({ killed }) => killed),
  };
}

function score(killed: number, tried: number): string {
  return tried === 0 ? '' : `${((100 * killed) / tried).toFixed(0)} %`;
}
