import { type Comparison, compare, type Patience } from './compare.js';
import type { Scenario, Step } from './scenario.js';
import type { World } from './world.js';

/** Plays that a shorter scenario may cost, and how long is waited in them. */
const MOST_PLAYS = 30;
const PATIENCE: Patience = { silenceMs: 600, lateMs: 2_000 };

/**
 * Leaves out of a scenario what the difference does not need.
 *
 * @returns undefined if the worlds do not differ when it is played again
 */
export async function shrink(
  worlds: readonly World[],
  lane: number,
  scenario: Scenario,
): Promise<Comparison | undefined> {
  let plays = 0;
  const differs = async (candidate: Scenario) => {
    plays += 1;
    const comparison = await compare(worlds, lane, candidate, PATIENCE);
    return comparison.difference ? comparison : undefined;
  };
  const first = await differs(scenario);
  if (!first) return undefined;
  let smallest = first;
  // From the end, as the steps at the beginning are what the others build on.
  for (let at = last(smallest) - 1; at >= 0 && plays < MOST_PLAYS; at--) {
    const steps = without(smallest.scenario.steps.slice(0, last(smallest) + 1), at);
    smallest = (steps && (await differs({ ...scenario, steps }))) ?? smallest;
  }
  return smallest;
}

function last({ difference }: Comparison): number {
  return difference?.step ?? 0;
}

/** Without a step and what cannot be without it; undefined if there is no such step, or the last one goes with it. */
function without(steps: readonly Step[], at: number): readonly Step[] | undefined {
  const gone = steps[at];
  const end = steps.at(-1);
  if (gone === undefined) return undefined;
  const goes = (step: Step) =>
    step === gone || (gone.do === 'open' && 'flow' in step && step.flow === gone.flow);
  return end === undefined || goes(end) ? undefined : steps.filter((step) => !goes(step));
}
