import { readFileSync, writeFileSync } from 'node:fs';
import type { E2eResult } from './e2e.js';

const BEGIN = '<!-- written by make cluster -->';
const END = '<!-- end of what is written -->';
const TEST = 'test';
const NOT_RUN = 'not run';

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
  const text = readFileSync(file, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${file} has no place for results: ${BEGIN} … ${END}`);
  const columns = readColumns(run.release, text.slice(begin, end));
  const title = `${run.nodes} ${run.nodes === 1 ? 'node' : 'nodes'}, ${run.target}`;
  const column = columns.get(title) ?? new Map<string, string>();
  for (const result of results) column.set(shortName(result.name), outcomeOf(result));
  columns.set(title, column);
  const head = text.slice(0, begin + BEGIN.length);
  writeFileSync(file, `${head}\n\n${tables(run, columns)}\n\n${text.slice(end)}`);
}

/** What tests came to, by kind of cluster. */
type Columns = Map<string, Map<string, string>>;

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
    `Kubernetes ${release}:`,
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

function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const row = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replace(/[|\\]/g, '\\$&')).join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...rows.map(row)];
}

/** The first table of what was written before; nothing if that was of another release. */
function readColumns(release: string, text: string): Columns {
  const columns: Columns = new Map();
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith('|'));
  if (start < 0 || !lines.includes(`Kubernetes ${release}:`)) return columns;
  const length = lines.slice(start).findIndex((line) => !line.startsWith('|'));
  const [head = [], , ...rows] = lines.slice(start, start + length).map(cellsOf);
  head.slice(1).forEach((title, index) => {
    const outcomes = rows.map(([test = '', ...cells]) => [test, cells[index] ?? NOT_RUN] as const);
    columns.set(title, new Map(outcomes.filter(([, outcome]) => outcome !== NOT_RUN)));
  });
  return columns;
}

function cellsOf(line: string): string[] {
  const cells = line.slice(2, -2).split(/(?<!\\) \| /);
  return cells.map((cell) => cell.replace(/\\([|\\])/g, '$1'));
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
