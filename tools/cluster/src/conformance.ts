import { readFileSync, writeFileSync } from 'node:fs';
import type { E2eResult } from './e2e.js';

const BEGIN = '<!-- written by make cluster -->';
const END = '<!-- end of what is written -->';

/** What the results are of. */
export interface ConformanceRun {
  /** Of Kubernetes, such as `v1.36.2`. */
  readonly release: string;
  readonly nodes: number;
  readonly target: string;
}

/**
 * Writes results into a document of Markdown, between the lines that mark their place.
 *
 * @throws Error if the document has no such lines
 */
export function writeResults(file: string, run: ConformanceRun, results: readonly E2eResult[]): void {
  const text = readFileSync(file, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${file} has no place for results: ${BEGIN} … ${END}`);
  const head = text.slice(0, begin + BEGIN.length);
  writeFileSync(file, `${head}\n\n${resultsTable(run, results)}\n\n${text.slice(end)}`);
}

export function resultsTable(
  { release, nodes, target }: ConformanceRun,
  results: readonly E2eResult[],
): string {
  const passed = results.filter((result) => result.passed).length;
  const rows = [...results]
    .sort((a, b) => a.name.localeCompare(b.name, 'en'))
    .map(({ name, passed, reason = 'no reason given' }) => {
      const test = name.replace(/ ?\[[^\]]*\] ?/g, ' ').trim();
      return `| ${cell(test)} | ${passed ? 'passes' : `fails: ${cell(reason)}`} |`;
    });
  return [
    `Kubernetes ${release}, ${nodes === 1 ? 'one node' : `${nodes} nodes`}, ${target}: ${passed} of ${results.length} pass.`,
    '',
    '| test | |',
    '| --- | --- |',
    ...rows,
  ].join('\n');
}

function cell(text: string): string {
  return text.replace(/[|\\]/g, '\\$&');
}
