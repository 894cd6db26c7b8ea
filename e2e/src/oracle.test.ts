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
  shrink,
  type World,
} from '@infra-offload/oracle';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** How many random scenarios are played, and from which seed they come. */
const { ORACLE_SCENARIOS = '30', ORACLE_SEED = '1' } = process.env;
const LANES = 3;
/** An expected difference is not waited for long. */
const LATE_MS = 1_000;
/** Differences after which it is clear that something is wrong. */
const MOST_DIFFERENCES = 10;
/** A long run says now and then how far it is. */
const REPORT_EVERY = 100;

const started: World[] = [];
let worlds: readonly World[];
let pipeline: World;

beforeAll(async () => {
  const begin = async (starting: Promise<World>) => {
    const world = await starting;
    started.push(world);
    return world;
  };
  const kernel = begin(KernelWorld.start(LANES));
  pipeline = await begin(PipelineWorld.start(LANES));
  worlds = [await kernel, pipeline];
});

afterAll(() => Promise.all(started.map((world) => world.stop())));

describe('netfilter and the pipeline show the same', () => {
  it.each(SCENARIOS.map((scenario) => [scenario.name, scenario] as const))('%s', async (_name, scenario) => {
    const comparison = await compare(worlds, 0, scenario);
    if (comparison.difference) expect.fail(formatComparison(comparison));
  });

  it(`${ORACLE_SCENARIOS} random scenarios of seed ${ORACLE_SEED}`, async () => {
    const random = new Random(Number(ORACLE_SEED));
    const differences: string[] = [];
    let played = 0;
    const report = () =>
      console.log(`${played} random scenarios on the ${pipeline.name}: ${differences.length} differences`);
    const scenarios = function* () {
      for (let index = 0; index < Number(ORACLE_SCENARIOS); index++) {
        if (differences.length >= MOST_DIFFERENCES) return;
        yield randomScenario(random, `random scenario ${index} of seed ${ORACLE_SEED}`);
      }
    };
    await inLanes(LANES, scenarios(), async (lane, scenario) => {
      const comparison = await compare(worlds, lane, scenario);
      played += 1;
      if (played % REPORT_EVERY === 0) report();
      if (!comparison.difference) return;
      const smallest = await shrink(worlds, lane, scenario);
      const note = smallest ? '' : 'They did not differ when it was played again.\n';
      differences.push(note + formatComparison(smallest ?? comparison));
      console.log(differences.at(-1));
    });
    report();
    if (differences.length > 0) expect.fail(differences.join('\n\n'));
  });
});

describe('netfilter and the pipeline differ, as is expected', () => {
  it.each(EXPECTED_DIFFERENCES.map((difference) => [difference.name, difference] as const))(
    '%s',
    async (name, { scenario, kernel, pipeline: ours }) => {
      const comparison = await compare(worlds, 0, { name, ...scenario }, LATE_MS);
      const seen = { step: scenario.steps.length - 1, seen: { kernel, [pipeline.name]: ours } };
      expect(comparison.difference, formatComparison(comparison)).toEqual(seen);
    },
  );
});
