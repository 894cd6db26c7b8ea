import { relative } from 'node:path';
import { expect, it } from 'vitest';
import { Random } from './random.js';
import { recordRow } from './report.js';

/** A fault, and how often it is tried in `make test`. */
export interface FaultTest {
  /** What is done to the system: `rapid reset on 50002`. */
  readonly fault: string;
  /** What is promised: `an honest client is answered in under 1 s`. */
  readonly promise: string;
  /** Cases in `make test`: a sample of seconds. */
  readonly sample: number;
  /**
   * Most cases that make sense; `make faults CASES=n` tries the smaller of the two.
   * Default: as many as are asked for.
   */
  readonly most?: number;
}

/** One run of a fault test. */
export interface FaultRun {
  /** How many cases to try. */
  readonly cases: number;
  readonly seed: number;
  readonly random: Random;
}

const DEFAULT_SEED = 20_240_101;
/** A run of `make faults` may take long, but not for ever. */
const LONGEST_MS = 3_600_000;

function setting(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${name}=${text} is no natural number`);
  return value;
}

/**
 * A test that tries a fault many times: a sample in `make test`, as many times as `make faults CASES=n` asks for there.
 * Its cases come from a seed (`SEED=n`), so that what failed can be tried again.
 *
 * @param body tries the cases, fails by throwing, and says what it measured
 */
export function faultTest(test: FaultTest, body: (run: FaultRun) => Promise<string> | string): void {
  const asked = setting('FAULTS_CASES');
  const cases = asked === undefined ? test.sample : Math.min(asked, test.most ?? asked);
  const seed = setting('FAULTS_SEED') ?? DEFAULT_SEED;
  it(`${test.fault}: ${test.promise} (${cases} cases, seed ${seed})`, { timeout: LONGEST_MS }, async () => {
    const measured = await body({ cases, seed, random: new Random(seed) });
    const file = relative(process.cwd(), expect.getState().testPath ?? '');
    recordRow({ fault: test.fault, promise: test.promise, cases, measured, test: file });
  });
}
