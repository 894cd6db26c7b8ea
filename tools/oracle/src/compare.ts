import { NOTHING, Player } from './player.js';
import { formatScenario, type Scenario, type Step } from './scenario.js';
import type { World } from './world.js';

/** How long is waited, in milliseconds. */
export interface Patience {
  /** For anything to be seen in any of the worlds. */
  readonly silenceMs: number;
  /** After that, for a world to see what another one has seen. */
  readonly lateMs: number;
}

const PATIENCE: Patience = { silenceMs: 600, lateMs: 15_000 };

/** The first step at which the worlds differ. */
export interface Difference {
  readonly step: number;
  /** What is seen, by the name of the world. */
  readonly seen: Readonly<Record<string, string>>;
}

export interface Comparison {
  readonly scenario: Scenario;
  /** What all worlds saw at the steps before they differed. */
  readonly seen: readonly string[];
  readonly difference: Difference | undefined;
}

/** Scenarios played so far: each has ports of its own. */
let played = 0;

/** Plays a scenario in a lane of each world, step by step, until they differ. */
export async function compare(
  worlds: readonly World[],
  lane: number,
  scenario: Scenario,
  patience = PATIENCE,
): Promise<Comparison> {
  const number = ++played;
  const players = worlds.map((world) => {
    const found = world.lanes[lane];
    if (!found) throw new Error(`the ${world.name} has no lane ${lane}`);
    return new Player(found, scenario, number);
  });
  const seen: string[] = [];
  try {
    await Promise.all(players.map((player) => player.begin()));
    for (const [index, step] of scenario.steps.entries()) {
      const results = await playTogether(players, step, patience);
      const [first = NOTHING] = results;
      if (results.some((result) => result !== first)) {
        const byWorld = Object.fromEntries(
          worlds.map(({ name }, world) => [name, results[world] ?? NOTHING]),
        );
        return { scenario, seen, difference: { step: index, seen: byWorld } };
      }
      seen.push(first);
    }
    return { scenario, seen, difference: undefined };
  } finally {
    await Promise.all(players.map((player) => player.end()));
  }
}

/**
 * Nobody races a clock here: what one world has seen is waited for in the others, and silence is what all of them have
 * for a stated time.
 */
async function playTogether(
  players: readonly Player[],
  step: Step,
  { silenceMs, lateMs }: Patience,
): Promise<string[]> {
  const giveUp = new AbortController();
  let seen = 0;
  const plays = players.map(async (player) => {
    const result = await player.play(step, giveUp.signal);
    seen += 1;
    return result;
  });
  let timer = setTimeout(() => {
    if (seen === 0) giveUp.abort();
    else timer = setTimeout(() => giveUp.abort(), lateMs);
  }, silenceMs);
  try {
    return await Promise.all(plays);
  } finally {
    clearTimeout(timer);
  }
}

/** A scenario with what was seen, for people who want to know why the worlds differ. */
export function formatComparison({ scenario, seen, difference }: Comparison): string {
  const lines = scenario.steps.slice(0, seen.length).map((step, index) => {
    return `  ${formatStep(step)}: ${seen[index]}`;
  });
  const step = difference && scenario.steps[difference.step];
  if (difference && step) {
    const worlds = Object.entries(difference.seen).map(([name, what]) => `      ${name}: ${what}`);
    lines.push(`→ ${formatStep(step)}`, ...worlds);
  }
  return [`${scenario.name}:`, ...lines, 'which is the scenario', formatScenario(scenario)].join('\n');
}

function formatStep({ do: kind, ...rest }: Step): string {
  return `${kind} ${Object.values(rest)
    .map((value) => (typeof value === 'object' ? JSON.stringify(value) : value))
    .join(' ')}`;
}
