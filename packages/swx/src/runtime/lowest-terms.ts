/**
 * Weights as DPDK shortens them: it divides by each number from 2 up to the least weight, once each, whenever all weights
 * are divisible; powers of a prime are found by their own turn (8 = 2 · 4), so that not every common divisor goes. The
 * result is the same here, but takes only as many steps as the root of their greatest common divisor.
 */
export function lowestTerms(weights: readonly number[]): number[] {
  const all = weights.reduce(gcd);
  let rest = all;
  let divisor = 2;
  for (; divisor * divisor <= rest; divisor++) if (rest % divisor === 0) rest /= divisor;
  // Of all that is left, at most one number has its turn: the least divisor from here on, which leaves the greatest rest.
  for (let left = Math.floor(rest / divisor); left > 0; left--) {
    if (rest % left !== 0) continue;
    rest = left;
    break;
  }
  return weights.map((weight) => weight / (all / rest));
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}
