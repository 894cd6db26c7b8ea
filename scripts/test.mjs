// Runs every check, goes on after a failure, and ends with the line `N passed, N failed`.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const scratch = mkdtempSync(join(tmpdir(), 'infra-offload-test-'));
const env = { ...process.env, TURBO_TELEMETRY_DISABLED: '1', DO_NOT_TRACK: '1', CI: process.env.CI ?? '' };
let passed = 0;
let failed = 0;

function run(command, args, extra = {}) {
  return (
    spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'], env: { ...env, ...extra } })
      .status === 0
  );
}

/** A check without cases of its own counts as one. */
function check(name, [command, ...args]) {
  const started = Date.now();
  console.log(`\n== ${name}`);
  const ok = run(command, args);
  if (ok) passed += 1;
  else failed += 1;
  console.log(`== ${name}: ${ok ? 'passed' : 'FAILED'} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  return ok;
}

function suite(name, project, { files = [], target = 'engine' } = {}) {
  console.log(`\n== ${name}`);
  const report = join(scratch, `${project}-${target}.json`);
  const ok = run(
    'pnpm',
    [
      ...['exec', 'vitest', 'run', '--project', project, ...files],
      ...['--reporter=default', '--reporter=json', `--outputFile.json=${report}`],
    ],
    { TARGET: target },
  );
  let counts = { numPassedTests: 0, numFailedTests: 0, numTotalTests: 0 };
  try {
    counts = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    console.log(`== ${name}: no report was written`);
  }
  passed += counts.numPassedTests;
  failed += counts.numFailedTests;
  // A file that does not load fails the run without a failed case.
  if ((!ok && counts.numFailedTests === 0) || counts.numTotalTests === 0) failed += 1;
}

try {
  check('generate', ['pnpm', 'exec', 'turbo', 'run', 'generate', '--output-logs=errors-only']);
  check('lint', ['pnpm', 'exec', 'biome', 'check', '--diagnostic-level=error', '.']);
  check('types', ['pnpm', 'exec', 'tsc', '-p', 'tsconfig.json']);
  const hosted = check('swx-host', ['make', '--no-print-directory', '-C', 'tools/swx-host']);
  const built = check('build', ['pnpm', 'exec', 'turbo', 'run', 'build', '--output-logs=errors-only']);
  suite('unit tests', 'unit');
  if (built) suite('end-to-end tests', 'e2e');
  // The same on DPDK: whatever sends packets.
  if (built && hosted) {
    suite('end-to-end tests on DPDK', 'e2e', {
      files: ['pods', 'services', 'restarts', 'kills', 'churn', 'demo'],
      target: 'dpdk',
    });
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
