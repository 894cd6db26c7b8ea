import { Random } from '@infra-offload/faults';
import {
  compare,
  EXPECTED_DIFFERENCES,
  formatComparison,
  inLanes,
  KernelWorld,
  PipelineWorld,
  randomScenario,
  SCENARIOS,
  type Scenario,
  shrink,
  type World,
} from '@infra-offload/oracle';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** How many random scenarios are played, and from which seed they come. */
const { ORACLE_SCENARIOS = '30', ORACLE_SEED = '1' } = process.env;
const LANES = 3;
/** Nobody waits long for what is expected not to come; but TCP may have to send again what is to come. */
const PATIENCE = { silenceMs: 3_000, lateMs: 100 };
/** Differences after which it is clear that something is wrong. */
const MOST_DIFFERENCES = 10;
/** Scenarios in a test, which may not take for ever. */
const BATCH = 50;

let worlds: readonly World[] = [];
let pipeline: World;

beforeAll(async () => {
  const starting = await Promise.allSettled([KernelWorld.start(LANES), PipelineWorld.start(LANES)]);
  worlds = starting.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  for (const start of starting) if (start.status === 'rejected') throw start.reason;
  [, pipeline = pipeline] = worlds;
});

afterAll(() => Promise.all(worlds.map((world) => world.stop())));

describe('netfilter and the pipeline show the same', () => {
  it.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))('%s', async (_name, scenario) => {
    const comparison = await compare(worlds, 0, scenario);
    if (comparison.difference) expect.fail(formatComparison(comparison));
  });

  it.each(batches())('random scenarios %i to %i of seed %i', async (_first, _last, _seed, scenarios) => {
    const differences: string[] = [];
    await inLanes(LANES, scenarios, async (lane, scenario) => {
      if (differences.length >= MOST_DIFFERENCES) return;
      const comparison = await compare(worlds, lane, scenario);
      if (!comparison.difference) return;
      const smallest = await shrink(worlds, lane, scenario);
      const note = smallest ? '' : 'They did not differ when it was played again.\n';
      differences.push(note + formatComparison(smallest ?? comparison));
    });
    if (differences.length > 0) expect.fail(differences.join('\n\n'));
  });
});

describe('netfilter and the pipeline differ, as is expected', () => {
  it.each(EXPECTED_DIFFERENCES.map((difference) => [difference.name, difference] as const))(
    '%s',
    async (name, { scenario, kernel, pipeline: ours }) => {
      const comparison = await compare(worlds, 0, { name, ...scenario }, PATIENCE);
      const seen = { step: scenario.steps.length - 1, seen: { kernel, [pipeline.name]: ours } };
      expect(comparison.difference, formatComparison(comparison)).toEqual(seen);
    },
  );
});

/** Numbers of the first and of the last scenario, the seed, and the scenarios themselves. */
function batches(): [number, number, number, Scenario[]][] {
  const seed = Number(ORACLE_SEED);
  const random = new Random(seed);
  const all = Array.from({ length: Number(ORACLE_SCENARIOS) }, (_, index) =>
    randomScenario(random, `random scenario ${index} of seed ${seed}`),
  );
  return Array.from({ length: Math.ceil(all.length / BATCH) }, (_, batch) => {
    const scenarios = all.slice(batch * BATCH, (batch + 1) * BATCH);
    return [batch * BATCH, batch * BATCH + scenarios.length - 1, seed, scenarios];
  });
}
