/** Below this, a time says more about the machine than about the work. */
const WORTH_MS = 20;
/** Of so many runs the fastest counts, which is the one that was disturbed least. */
const RUNS = 3;

export interface Growth {
  /** How the time grows with twice the input: 2 where it follows the size, 4 for a square. */
  readonly factor: number;
  /** Of the larger input, in milliseconds. */
  readonly ms: number;
}

/**
 * Does work on an input and on one of twice its size. What takes less than 20 ms for the larger one has the factor 1:
 * whoever needs to know more takes larger inputs.
 *
 * @param make an input of about this size
 * @param work what is measured; what it throws does not matter
 */
export function growthOf<T>(size: number, make: (size: number) => T, work: (input: T) => unknown): Growth {
  const [small, large] = [make(size), make(size * 2)];
  const ms = fastest(() => work(large));
  if (ms < WORTH_MS) return { factor: 1, ms };
  return {
    factor:
      ms /
      Math.max(
        fastest(() => work(small)),
        WORTH_MS / 20,
      ),
    ms,
  };
}

function fastest(work: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) {
    const start = performance.now();
    try {
      work();
    } catch {
      // Refusing counts as work.
    }
    best = Math.min(best, performance.now() - start);
    if (best < WORTH_MS / 2) break;
  }
  return best;
}
