import { growthOf } from './mutate/growth.js';

/** Between 2, where time follows the size, and 4, for a square. */
const MOST_FACTOR = 3;
/** What else runs on the machine disturbs a measurement or two, but not all of them. */
const TRIES = 5;

/**
 * Whether the time of work grows with the size of its input, and no faster.
 *
 * @param size such that the work takes some 20 ms or more, else it counts as fast enough
 */
export function growsInProportion<T>(
  size: number,
  make: (size: number) => T,
  work: (input: T) => unknown,
): boolean {
  for (let left = TRIES; left > 0; left--) {
    if (growthOf(size, make, work).factor < MOST_FACTOR) return true;
  }
  return false;
}
