import type { FaultRow } from '../report.js';

const COLUMNS = ['fault', 'promised', 'cases', 'measured', 'test'];
const BEGIN = '<!-- faults: begin; written by node scripts/faults.mjs --write -->';
const END = '<!-- faults: end -->';

/** Rows as a Markdown table, in the order given. */
export function renderTable(rows: readonly FaultRow[]): string {
  const lines = rows.map(({ fault, promise, cases, measured, test }) =>
    [fault, promise, cases.toLocaleString('en-US'), measured, `\`${test}\``].map(escapeCell),
  );
  return [COLUMNS, COLUMNS.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** The rows of the table between the marks of a document. @throws Error if it has no such marks */
export function readTable(document: string): FaultRow[] {
  const [, region] = split(document);
  return region
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .slice(2)
    .map((line) => {
      const cells = line
        .slice(1, -1)
        .split(/(?<!\\)\|/)
        .map((cell) => cell.trim().replaceAll('\\|', '|'));
      const [fault = '', promise = '', cases = '', measured = '', test = ''] = cells;
      return {
        fault,
        promise,
        cases: Number(cases.replaceAll(',', '')),
        measured,
        test: test.replaceAll('`', ''),
      };
    });
}

/** The document with these rows between its marks. @throws Error if it has no such marks */
export function replaceTable(document: string, rows: readonly FaultRow[]): string {
  const [before, , after] = split(document);
  return `${before}${BEGIN}\n\n${renderTable(rows)}\n\n${END}${after}`;
}

/** What is new replaces what was measured of the same fault by the same test; sorted by test, then by fault. */
export function mergeRows(before: readonly FaultRow[], rows: readonly FaultRow[]): FaultRow[] {
  const keyOf = ({ test, fault }: FaultRow) => `${test}\n${fault}`;
  const merged = new Map([...before, ...rows].map((row) => [keyOf(row), row]));
  return [...merged].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, row]) => row);
}

function split(document: string): [before: string, region: string, after: string] {
  const [begin, end] = [document.indexOf(BEGIN), document.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`there is no table between ${BEGIN} and ${END}`);
  return [document.slice(0, begin), document.slice(begin, end), document.slice(end + END.length)];
}

function escapeCell(cell: string): string {
  return cell.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
