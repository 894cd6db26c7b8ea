import { type RunnerTestCase, type RunnerTestSuite, TestRunner } from 'vitest';
import { SWITCH } from './instrument.js';
import { killedIn, note, readNotes } from './log.js';

/** Of the environment, see `session.ts`. */
const { MUTANTS_NOTES: notes = '', MUTANTS_TRIED: tried = '', MUTANT_ALIVE: alive = '0' } = process.env;
/** More often than a test by itself comes by a mutant's place means that it does not end. */
const PATIENCE = 100;
const LEAST_VISITS = 100_000;
/** A test that takes so many times as long as by itself, and this long in any case, waits for what never happens. */
const SLOWNESS = 5;
const LEAST_MS = 2_000;

/** Tests put others in their places. */
const { setTimeout, clearTimeout } = globalThis;

const wanted = new Set(tried.split(',').map(Number));
/** The mutant that is switched on; 0 for none. */
let current = Number(alive);
let visits = 0;
let mostVisits = Number.POSITIVE_INFINITY;
let met = new Set<number>();

Object.assign(globalThis, {
  [SWITCH](mutant: number): boolean {
    met.add(mutant);
    if (++visits > mostVisits) throw new Error('the mutant does not end');
    return mutant === current;
  },
});

function killed(test: string): void {
  if (current !== 0) note(notes, { kind: 'killed', mutant: current, test });
}

process.prependListener('uncaughtException', () => killed('what nobody awaits'));
process.prependListener('unhandledRejection', () => killed('what nobody awaits'));

/**
 * Runs each test as it is, notes which mutants it meets, and repeats it, hooks included, with each of them switched on in turn.
 * Modules are loaded once, so a mutant takes as long as a test.
 */
export default class MutantRunner extends TestRunner {
  #left: number[] = [];
  #startedAt = 0;
  #longestMs = Number.POSITIVE_INFINITY;

  onBeforeRunFiles(): void {
    if (current === 0) note(notes, { kind: 'loaded', mutants: [...met] });
  }

  override async onBeforeRunSuite(suite: RunnerTestSuite): Promise<void> {
    await super.onBeforeRunSuite(suite);
    noteBroken(suite);
  }

  override async onAfterRunSuite(suite: RunnerTestSuite): Promise<void> {
    await super.onAfterRunSuite(suite);
    noteBroken(suite);
  }

  override async onBeforeRunTask(test: RunnerTestCase): Promise<void> {
    await super.onBeforeRunTask(test);
    // Until there are no more mutants.
    if (alive === '0') test.repeats = Number.MAX_SAFE_INTEGER;
  }

  override onBeforeTryTask(test: RunnerTestCase, { repeats } = { repeats: 0 }): void {
    super.onBeforeTryTask(test);
    if (alive !== '0') return;
    visits = 0;
    this.#startedAt = performance.now();
    if (repeats === 0) {
      this.#longestMs = Number.POSITIVE_INFINITY;
      current = 0;
      mostVisits = Number.POSITIVE_INFINITY;
      met = new Set();
      return;
    }
    current = this.#left.shift() ?? 0;
    if (current !== 0) note(notes, { kind: 'trying', mutant: current, test: nameOf(test) });
  }

  async runTask(test: RunnerTestCase): Promise<void> {
    const limit = Math.min(this.#longestMs, this.config.testTimeout);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`not within ${limit} ms`)), limit);
    });
    try {
      await Promise.race([TestRunner.getTestFn(test)(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  onAfterRetryTask(test: RunnerTestCase, { repeats }: { repeats: number }): void {
    const { result } = test;
    if (alive !== '0' || result === undefined) return;
    const hasFailed = result.state === 'fail';
    if (repeats === 0) {
      mostVisits = Math.max(LEAST_VISITS, visits * PATIENCE);
      this.#longestMs = LEAST_MS + SLOWNESS * (performance.now() - this.#startedAt);
      note(notes, { kind: 'met', mutants: [...met] });
      const message = result.errors?.[0]?.message ?? '';
      if (hasFailed) note(notes, { kind: 'broken', test: nameOf(test), message });
      const left = hasFailed ? [] : remaining(met, nameOf(test));
      // At last without any, to see that none has spoilt what tests share.
      this.#left = left.length === 0 ? [] : [...left, 0];
    } else if (hasFailed && current !== 0) killed(nameOf(test));
    else if (hasFailed) note(notes, { kind: 'spoilt', test: nameOf(test) });
    current = 0;
    result.errors = [];
    // A test that is skipped is not repeated.
    result.state = this.#left.length === 0 ? 'skip' : 'run';
  }
}

/** A file that cannot be loaded, or a hook that fails, has no test run. */
function noteBroken({ name, result }: RunnerTestSuite): void {
  const error = alive === '0' ? result?.errors?.[0] : undefined;
  if (error !== undefined) note(notes, { kind: 'broken', test: name, message: error.message });
}

/** The mutants that nothing has killed yet, and that were not tried on this test before the run was interrupted. */
function remaining(mutants: ReadonlySet<number>, test: string): number[] {
  const before = readNotes(notes);
  const dead = killedIn(before);
  const done = new Set(
    before.flatMap((entry) => (entry.kind === 'trying' && entry.test === test ? [entry.mutant] : [])),
  );
  return [...mutants].filter((mutant) => wanted.has(mutant) && !dead.has(mutant) && !done.has(mutant));
}

/** With the id, because tests of one table may have one name. */
function nameOf({ file, fullTestName, id }: RunnerTestCase): string {
  return `${file.name} > ${fullTestName} (${id})`;
}
