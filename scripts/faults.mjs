// Runs the fault tests (*.faults.test.ts) at the size asked for, and prints what they measured as a table.
// node scripts/faults.mjs [--cases N] [--seed N] [part of a file name ...]
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  options: { cases: { type: 'string', default: '100000' }, seed: { type: 'string' } },
  allowPositionals: true,
});
const scratch = mkdtempSync(join(tmpdir(), 'infra-offload-faults-'));
const report = join(scratch, 'rows.jsonl');
const files = positionals.length > 0 ? positionals.map((name) => `${name}`) : ['.faults.test.ts'];
try {
  const { status } = spawnSync('pnpm', ['exec', 'vitest', 'run', ...files], {
    stdio: 'inherit',
    env: {
      ...process.env,
      FAULTS_REPORT: report,
      FAULTS_CASES: values.cases,
      ...(values.seed !== undefined && { FAULTS_SEED: values.seed }),
    },
  });
  const rows = existsSync(report)
    ? readFileSync(report, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
    : [];
  rows.sort((one, other) => one.test.localeCompare(other.test) || one.fault.localeCompare(other.fault));
  console.log('\n| fault | promised | cases | measured | test |\n|---|---|---|---|---|');
  for (const { fault, promise, cases, measured, test } of rows)
    console.log(`| ${fault} | ${promise} | ${cases} | ${measured} | \`${test}\` |`);
  process.exitCode = status ?? 1;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
