import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { killedIn, type Note, note, readNotes } from './log.js';
import type { Plan } from './plan.js';

/** Without a note for so long, a test hangs in a mutant that never lets go of the processor. */
const STALLED_MS = 90_000;

/** What became of the mutants that a plan tries. */
export interface Outcome {
  readonly killed: ReadonlySet<number>;
  /** Those that no test meets. */
  readonly unmet: ReadonlySet<number>;
  /** Tests that fail without a mutant, with why. */
  readonly broken: readonly string[];
}

/** Runs tests over all mutants of a plan. @param tests their files or folders, from `root`. */
export async function tryMutants(root: string, plan: Plan, tests: readonly string[]): Promise<Outcome> {
  const directory = mkdtempSync(join(tmpdir(), 'mutants-'));
  const [planFile, notes] = [join(directory, 'plan.json'), join(directory, 'notes.jsonl')];
  writeFileSync(planFile, JSON.stringify(plan));
  const tried = plan.subjects.flatMap(({ tried, first }) => tried.map(({ id }) => id + first));
  const run = (alive: number) =>
    runTests(root, tests, notes, {
      MUTANTS_PLAN: planFile,
      MUTANTS_NOTES: notes,
      MUTANTS_TRIED: tried.join(','),
      MUTANT_ALIVE: `${alive}`,
    });
  try {
    while ((await run(0)) === 'stalled') killStalled(notes);
    const met = metIn(readNotes(notes));
    // Of what is done while modules are loaded, each mutant needs to have them loaded anew.
    for (const mutant of tried.filter((id) => met.loaded.has(id) && !met.byTests.has(id))) {
      if ((await run(mutant)) !== 'passed') note(notes, { kind: 'killed', mutant, test: 'anew' });
    }
    const all = readNotes(notes);
    return {
      killed: killedIn(all),
      unmet: new Set(tried.filter((id) => !met.loaded.has(id) && !met.byTests.has(id))),
      broken: all.flatMap((entry) => (entry.kind === 'broken' ? [`${entry.test}: ${entry.message}`] : [])),
    };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function metIn(notes: readonly Note[]) {
  const of = (kind: 'met' | 'loaded') =>
    new Set(notes.flatMap((entry) => (entry.kind === kind ? entry.mutants : [])));
  return { byTests: of('met'), loaded: of('loaded') };
}

/** The mutants that were being tried when nothing went on. */
function killStalled(notes: string): void {
  const last = readNotes(notes).findLast((entry) => entry.kind === 'trying');
  if (last?.kind !== 'trying') throw new Error('the tests hang without a mutant');
  note(notes, { kind: 'killed', mutant: last.mutant, test: last.test });
}

function runTests(
  root: string,
  tests: readonly string[],
  notes: string,
  env: Readonly<Record<string, string>>,
): Promise<'passed' | 'failed' | 'stalled'> {
  return new Promise((resolve, reject) => {
    const config = ['--config', 'tools/mutants/vitest.config.ts', '--reporter', 'dot', '--maxWorkers', '1'];
    const child = spawn('pnpm', ['exec', 'vitest', 'run', ...config, '--bail', '1', ...tests], {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: 'ignore',
      detached: true,
    });
    const end = () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
    };
    // It has a process group of its own, so that it goes with all that it has started.
    const interrupted = () => {
      end();
      process.exit(130);
    };
    process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
    let hasStalled = false;
    const started = Date.now();
    const watch = setInterval(() => {
      const since = Math.max(started, statSync(notes, { throwIfNoEntry: false })?.mtimeMs ?? 0);
      if (Date.now() - since < STALLED_MS) return;
      hasStalled = true;
      end();
    }, 1_000);
    child.once('error', reject);
    child.once('exit', (code) => {
      clearInterval(watch);
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
      resolve(hasStalled ? 'stalled' : code === 0 ? 'passed' : 'failed');
    });
  });
}
