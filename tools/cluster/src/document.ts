import { readFileSync, writeFileSync } from 'node:fs';

const BEGIN = '<!-- written by make cluster -->';
const END = '<!-- end of what is written -->';
export const NOT_RUN = 'not run';

/** What rows of a table came to, by column and row. */
export type Columns = Map<string, Map<string, string>>;

/**
 * Writes results into a document of Markdown, between the lines that mark their place.
 *
 * @param render makes the new text, of the columns of the first table there was
 * @throws Error if the document has no such lines
 */
export function rewrite(file: string, render: (before: Columns, text: string) => string): void {
  const text = readFileSync(file, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${file} has no place for results: ${BEGIN} … ${END}`);
  const old = text.slice(begin, end);
  const head = text.slice(0, begin + BEGIN.length);
  writeFileSync(file, `${head}\n\n${render(columnsOf(old), old)}\n\n${text.slice(end)}`);
}

/** A table of Markdown, line by line. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const row = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replace(/[|\\]/g, '\\$&')).join(' | ')} |`;
  return [row(head), row(head.map(() => '---')), ...rows.map(row)];
}

/** What was not run is left out. */
function columnsOf(text: string): Columns {
  const columns: Columns = new Map();
  const lines = text.split('\n');
  const start = lines.findIndex((line) => line.startsWith('|'));
  if (start < 0) return columns;
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
