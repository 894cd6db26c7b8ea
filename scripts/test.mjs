// Runs every check, goes on after a failure, and ends with the line `N passed, N failed`.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, relative } from 'node:path';
import { register } from 'tsx/esm/api';
import { reserveHugePages } from './huge-pages.mjs';

register();
const { APART } = await import('../tools/faults/src/runner/run-apart.ts');

const HOST = 'tools/swx-host';
/** Memory of k8s_dp on DPDK. */
const HUGE_PAGES_MB = 768;
const FAILURE_LINES = 6;
/** Unit tests can do without what only root may do to a system, so they have to. */
const WITHOUT_RIGHTS =
  process.getuid() === 0 ? ['setpriv', '--bounding-set=-sys_admin,-net_admin,-net_raw,-mknod'] : [];

const scratch = mkdtempSync(join(tmpdir(), 'infra-offload-test-'));
const env = {
  ...process.env,
  TURBO_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
  CI: process.env.CI ?? '',
  // Its packages were installed: a test that cannot run fails.
  REQUIRE_DPDK: '1',
};
let passed = 0;
let failed = 0;
/** What failed, told once more at the end: the lines in between are thousands. */
const failures = [];

class Interrupted extends Error {}

function run(command, args, extra = {}) {
  const { status, signal } = spawnSync(command, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...env, ...extra },
  });
  if (signal === 'SIGINT' || status === 130) throw new Interrupted();
  return status === 0;
}

/** A check without cases of its own counts as one. */
function check(name, [command, ...args]) {
  const started = Date.now();
  console.log(`\n== ${name}`);
  const ok = run(command, args);
  if (ok) passed += 1;
  else {
    failed += 1;
    failures.push(name);
  }
  console.log(`== ${name}: ${ok ? 'passed' : 'FAILED'} in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  return ok;
}

function suite(name, project, { files = [], extra = { TARGET: 'engine' }, wrapper = APART } = {}) {
  console.log(`\n== ${name}`);
  const report = join(scratch, 'report.json');
  rmSync(report, { force: true });
  const [command, ...args] = [...wrapper, 'pnpm', 'exec', 'vitest', 'run', '--project', project, ...files];
  const ok = run(
    command,
    [...args, ...['--reporter=default', '--reporter=json', `--outputFile.json=${report}`]],
    extra,
  );
  let counts = { numPassedTests: 0, numFailedTests: 0, numTotalTests: 0 };
  try {
    counts = JSON.parse(readFileSync(report, 'utf8'));
  } catch {
    console.log(`== ${name}: no report was written`);
  }
  passed += counts.numPassedTests;
  failed += counts.numFailedTests;
  failures.push(...failuresIn(counts).map((failure) => `${name}: ${failure}`));
  // A file that does not load fails the run without a failed case.
  if ((!ok && counts.numFailedTests === 0) || counts.numTotalTests === 0) {
    failed += 1;
    failures.push(`${name}: a file was not read, or something failed outside of the tests`);
  }
}

/** Each failed test of a report, and each file that was not read, with the first lines of its error. */
function failuresIn({ testResults = [] }) {
  return testResults.flatMap(({ name, status, message, assertionResults }) => {
    const file = relative(process.cwd(), name);
    const tests = assertionResults.filter((test) => test.status === 'failed');
    if (tests.length === 0) return status === 'failed' ? [`${file}${firstLines(message)}`] : [];
    return tests.map((test) => `${file}: ${test.fullName}${firstLines(test.failureMessages[0])}`);
  });
}

function firstLines(text = '') {
  return text
    .split('\n')
    .slice(0, FAILURE_LINES)
    .map((line) => `\n    ${line}`)
    .join('');
}

/**
 * The end-to-end tests that send packets, on DPDK: from huge pages if there may be some, and compiled if the headers for that
 * are here; then some of them interpreted.
 */
function onDpdk(headers) {
  const { giveBack, reason } = reserveHugePages(HUGE_PAGES_MB);
  console.log(
    giveBack === undefined
      ? `\n== DPDK runs with --no-huge: ${reason}`
      : `\n== DPDK has ${HUGE_PAGES_MB} MB of huge pages, given back afterwards`,
  );
  // The pages are given back after Ctrl-C, too, which also ends what is run here.
  const wait = () => undefined;
  process.on('SIGINT', wait);
  try {
    const extra = {
      TARGET: 'dpdk',
      ...(giveBack === undefined ? {} : { DPDK_HUGEPAGES_MB: `${HUGE_PAGES_MB}` }),
    };
    suite('end-to-end tests on DPDK', 'e2e', {
      files: [
        'pods',
        'services',
        'flow',
        'oracle',
        'polic',
        'trace',
        'felix',
        'es2k',
        'restarts',
        'kills',
        'churn',
        'demo',
      ],
      extra,
    });
    if (headers !== undefined) {
      suite('end-to-end tests on DPDK, interpreted', 'e2e', {
        files: ['pods', 'services', 'flows', 'restarts'],
        extra: { ...extra, DPDK_INTERPRETED: '1' },
      });
    }
  } finally {
    process.off('SIGINT', wait);
    giveBack?.();
  }
}

/** Where the headers are that compiled code needs; undefined if they cannot be had. */
function fetchHeaders() {
  const { DPDK_HEADERS } = process.env;
  if (DPDK_HEADERS || run('make', ['--no-print-directory', '-C', HOST, 'headers']))
    return DPDK_HEADERS ?? `${HOST}/build/headers`;
  console.log('\n== compiled code is not tested: its headers cannot be had');
  return undefined;
}

/** The artifacts of the P4 programs are what p4c makes of the sources, where there is a p4c. */
function checkArtifacts() {
  const onPath = (process.env.PATH ?? '')
    .split(delimiter)
    .some((folder) => existsSync(join(folder, 'p4c-dpdk')));
  if (process.env.P4C || onPath) {
    check('P4 artifacts', [
      'pnpm',
      '--silent',
      '--filter',
      '@infra-offload/p4src',
      'run',
      'compile',
      '--check',
    ]);
  } else console.log('\n== P4 is not compiled again: p4c-dpdk is neither on PATH nor named by P4C');
}

try {
  check('generate', ['pnpm', 'exec', 'turbo', 'run', 'generate', '--output-logs=errors-only']);
  checkArtifacts();
  check('lint', ['pnpm', 'exec', 'biome', 'check', '--diagnostic-level=error', '.']);
  check('types', ['pnpm', 'exec', 'tsc', '-p', 'tsconfig.json']);
  const hosted = check('swx-host', ['make', '--no-print-directory', '-C', 'tools/swx-host']);
  const headers = hosted ? fetchHeaders() : undefined;
  const built = check('build', ['pnpm', 'exec', 'turbo', 'run', 'build', '--output-logs=errors-only']);
  suite('unit tests', 'unit', { wrapper: WITHOUT_RIGHTS });
  suite('system tests', 'system');
  if (built) suite('end-to-end tests', 'e2e');
  if (built && hosted) onDpdk(headers);
} catch (error) {
  if (!(error instanceof Interrupted)) throw error;
  failed += 1;
  console.log('\n== interrupted');
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

for (const failure of failures) console.log(`\nFAILED ${failure}`);
console.log(`\n${passed} passed, ${failed} failed`);
process.exit(failed === 0 && passed > 0 ? 0 : 1);
