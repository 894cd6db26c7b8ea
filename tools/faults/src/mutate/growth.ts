/** Below this, a time says more about the machine than about the work. */
const WORTH_MS = 30;
/** Of so many runs the fastest counts, which was disturbed least and whose code was compiled best. */
const RUNS = 4;

export interface Growth {
  /** How the time grows with twice the input: 2 where it follows the size, 4 for a square. */
  readonly factor: number;
  /** Processor time for the larger input, in milliseconds. */
  readonly ms: number;
}

/**
 * Does work on an input and on one of twice its size, and compares the processor time. What takes less than 30 ms for
 * the larger one has the factor 1: whoever needs to know more takes larger inputs.
 *
 * @param make an input of about this size
 * @param work what is measured; what it throws does not matter
 */
export function growthOf<T>(size: number, make: (size: number) => T, work: (input: T) => unknown): Growth {
  const [small, large] = [make(size), make(size * 2)];
  let [smallMs, largeMs] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let run = 0; run < RUNS; run++) {
    smallMs = Math.min(
      smallMs,
      timeOf(() => work(small)),
    );
    largeMs = Math.min(
      largeMs,
      timeOf(() => work(large)),
    );
    if (largeMs < WORTH_MS) return { factor: 1, ms: largeMs };
  }
  return { factor: largeMs / Math.max(smallMs, 1), ms: largeMs };
}

/** Processor time in milliseconds, so that what else runs on the machine does not count. */
function timeOf(work: () => unknown): number {
  const start = process.cpuUsage();
  try {
    work();
  } catch {
    // Refusing counts as work.
  }
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}
