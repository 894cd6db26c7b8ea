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
   * What one case is, which says how many of them `make faults CASES=n` tries: n messages to a program (the default),
   * ten times as many inputs of code that only computes, one upheaval of programs, which takes seconds, for 5,000.
   */
  readonly unit?: 'input' | 'message' | 'upheaval';
  /** Most cases that make sense. Default: as many as are asked for. */
  readonly most?: number;
}

/** One run of a fault test. */
export interface FaultRun {
  /** How many cases to try. */
  readonly cases: number;
  readonly seed: number;
  readonly random: Random;
}

const FACTORS: Readonly<Record<NonNullable<FaultTest['unit']>, number>> = {
  input: 10,
  message: 1,
  upheaval: 1 / 5_000,
};
const DEFAULT_SEED = 20_240_101;
/** A run of `make faults` may take long, but not for ever. */
const LONGEST_MS = 3_600_000;

function setting(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined || text === '') return undefined;
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0)
    throw new RangeError(`${name}=${text} is not a natural number`);
  return value;
}

/** How many cases of a test `make faults CASES=asked` tries: 1 at least. */
export function casesOf(
  asked: number,
  { unit = 'message', most = Number.POSITIVE_INFINITY }: Pick<FaultTest, 'unit' | 'most'>,
): number {
  return Math.min(most, Math.max(1, Math.round(asked * FACTORS[unit])));
}

/**
 * A test that tries a fault many times: a sample in `make test`, as many times as `make faults CASES=n` asks for there.
 * Its cases come from a seed (`SEED=n`), so that what failed can be tried again.
 *
 * @param body tries the cases, fails by throwing, and says what it measured
 */
export function faultTest(test: FaultTest, body: (run: FaultRun) => Promise<string> | string): void {
  const asked = setting('FAULTS_CASES');
  const cases = asked === undefined ? test.sample : casesOf(asked, test);
  const seed = setting('FAULTS_SEED') ?? DEFAULT_SEED;
  it(`${test.fault}: ${test.promise} (${cases} cases, seed ${seed})`, { timeout: LONGEST_MS }, async () => {
    const measured = await body({ cases, seed, random: new Random(seed) });
    const file = relative(process.cwd(), expect.getState().testPath ?? '');
    recordRow({ fault: test.fault, promise: test.promise, cases, measured, test: file });
  });
}
