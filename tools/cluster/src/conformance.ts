import { type Columns, NOT_RUN, rewrite, table } from './document.js';
import type { E2eResult } from './e2e.js';

const TEST = 'test';

/** What the results are of. */
export interface ConformanceRun {
  /** Of Kubernetes, such as `v1.36.2`. */
  readonly release: string;
  readonly nodes: number;
  readonly target: string;
  /** All tests that the document lists, as the release names them. */
  readonly tests: readonly string[];
  /** Why a test cannot be run here; undefined if it can. */
  readonly reasonAgainst: (test: string) => string | undefined;
}

/**
 * Writes results into a document of Markdown, between the lines that mark their place: a row for each test, a column for each kind of
 * cluster. What was not run this time stays as it was, unless that was another release.
 *
 * @throws Error if the document has no such lines
 */
export function writeResults(file: string, run: ConformanceRun, results: readonly E2eResult[]): void {
  rewrite(file, (before, text) => {
    const columns: Columns = text.includes(titleOf(run.release)) ? before : new Map();
    const title = `${run.nodes} ${run.nodes === 1 ? 'node' : 'nodes'}, ${run.target}`;
    const column = columns.get(title) ?? new Map<string, string>();
    for (const result of results) column.set(shortName(result.name), outcomeOf(result));
    columns.set(title, column);
    return tables(run, columns);
  });
}

function titleOf(release: string): string {
  return `\nKubernetes ${release}:\n`;
}

function tables({ release, tests, reasonAgainst }: ConformanceRun, columns: Columns): string {
  const against = tests.flatMap((test) => {
    const reason = reasonAgainst(test);
    return reason === undefined ? [] : [[shortName(test), reason]];
  });
  const applicable = tests.filter((test) => reasonAgainst(test) === undefined).map(shortName);
  const titles = [...columns.keys()].sort((a, b) => a.localeCompare(b, 'en'));
  const cells = (test: string) => titles.map((title) => columns.get(title)?.get(test) ?? NOT_RUN);
  const summary = titles.map((title) => {
    const found = applicable.map((test) => columns.get(title)?.get(test) ?? NOT_RUN);
    const count = (outcome: string) => found.filter((cell) => cell.startsWith(outcome)).length;
    const unrun = count(NOT_RUN);
    return `- ${title}: ${count('passes')} pass, ${count('fails')} fail${unrun === 0 ? '' : `, ${unrun} not run`}`;
  });
  return [
    titleOf(release).trim(),
    '',
    ...summary,
    '',
    ...table(
      [TEST, ...titles],
      [...applicable].sort(byName).map((test) => [test, ...cells(test)]),
    ),
    '',
    `These ${against.length} tests do not apply:`,
    '',
    ...table([TEST, 'why'], against),
  ].join('\n');
}

/** All are of [sig-network]. */
function shortName(test: string): string {
  return test.replace('[sig-network] ', '');
}

function outcomeOf({ outcome, reason = 'no reason given' }: E2eResult): string {
  switch (outcome) {
    case 'passed':
      return 'passes';
    case 'failed':
      return `fails: ${reason}`;
    case 'skipped':
      return `does not apply: ${reason}`;
    default:
      return outcome satisfies never;
  }
}

function byName(a: string, b: string): number {
  return a.localeCompare(b, 'en');
}
