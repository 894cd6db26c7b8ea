import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { messageOf } from '@infra-offload/base';
import type { FaultRow } from '../report.js';
import { faultTestFiles, needsSystem } from './files.js';
import { runApart } from './run-apart.js';
import { mergeRows, readTable, renderTable, replaceTable } from './table.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const GUIDE = join(ROOT, 'docs/reliability.md');

const USAGE = `usage: node scripts/faults.mjs [options] [part of a file's name ...]
  --cases N     messages sent to each entrance of a program (default: 100000); code that only computes gets ten times
                as many inputs, tests that stop or start programs do so once per 5000, and a test may have a limit
                of its own
  --seed N      seed of the cases, to repeat a failed run
  --minutes N   ends after this time, with what has been done by then
  --write       puts the rows into the table in docs/reliability.md
exit status: 0 all promises held, 1 one did not, 2 wrong arguments, 124 out of time, 130 interrupted`;

class UsageError extends Error {}

interface Options {
  readonly cases: number;
  readonly seed: number | undefined;
  readonly minutes: number | undefined;
  readonly write: boolean;
  readonly files: readonly string[];
}

function optionsOf(args: readonly string[]): Options {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: {
        cases: { type: 'string', default: '100000' },
        seed: { type: 'string' },
        minutes: { type: 'string' },
        write: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    });
    const { cases, seed, minutes, write } = values;
    return {
      cases: natural('--cases', cases, 1),
      seed: seed === undefined ? undefined : natural('--seed', seed, 0),
      minutes: minutes === undefined ? undefined : natural('--minutes', minutes, 1),
      write,
      files: filesNamed(positionals),
    };
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
}

function natural(name: string, text: string, least: number): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
  throw new UsageError(`${name} ${text}: must be a number of at least ${least}`);
}

function filesNamed(parts: readonly string[]): string[] {
  const all = faultTestFiles(ROOT);
  const unknown = parts.find((part) => !all.some((file) => file.includes(part)));
  if (unknown !== undefined) throw new UsageError(`no file has ${unknown} in its name:\n${all.join('\n')}`);
  return parts.length === 0 ? all : all.filter((file) => parts.some((part) => file.includes(part)));
}

/**
 * Runs fault tests and prints what they found as a table.
 *
 * @returns the exit status.
 */
export async function main(args: readonly string[]): Promise<number> {
  let options: Options;
  try {
    options = optionsOf(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\n${USAGE}`);
    return 2;
  }
  // Short: the tests have sockets in here, whose paths may have 107 characters.
  const scratch = mkdtempSync(join(tmpdir(), 'iof-'));
  const report = join(scratch, 'rows.jsonl');
  const { minutes, write } = options;
  try {
    const status = await runFiles(options, scratch, report);
    const rows = rowsOf(report);
    console.log(`\n${renderTable(rows)}`);
    if (status === 124) console.log(`out of time after ${minutes} min: only the tests above were run`);
    if (write) {
      const guide = readFileSync(GUIDE, 'utf8');
      const before = readTable(guide).filter(({ test }) => existsSync(join(ROOT, test)));
      writeFileSync(GUIDE, replaceTable(guide, mergeRows(before, rows)));
      console.log(`docs/reliability.md has ${rows.length} new rows`);
    }
    return status;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Tests that only compute run beside those with processes, most of whose time is waiting. @returns the exit status. */
async function runFiles(
  { cases, seed, minutes, files }: Options,
  scratch: string,
  report: string,
): Promise<number> {
  const lanes = [files.filter((file) => !needsSystem(file)), files.filter(needsSystem)];
  const statuses = await Promise.all(
    lanes.map((lane, i) => {
      if (lane.length === 0) return 0;
      const directory = join(scratch, `${i}`);
      mkdirSync(directory);
      return runApart(
        ['pnpm', 'exec', 'vitest', 'run', '--reporter=verbose', ...lane],
        {
          cwd: ROOT,
          env: {
            ...process.env,
            TMPDIR: directory,
            FAULTS_REPORT: report,
            FAULTS_CASES: `${cases}`,
            ...(seed === undefined ? {} : { FAULTS_SEED: `${seed}` }),
          },
        },
        minutes === undefined ? undefined : minutes * 60_000,
      );
    }),
  );
  return Math.max(...statuses);
}

function rowsOf(report: string): FaultRow[] {
  if (!existsSync(report)) return [];
  const lines = readFileSync(report, 'utf8').split('\n').filter(Boolean);
  return mergeRows(
    [],
    lines.map((line) => JSON.parse(line) as FaultRow),
  );
}
