import { messageOf } from '@infra-offload/base';
import { type Columns, NOT_RUN, rewrite, table } from '../document.js';
import type { LoadResult } from './load.js';
import { SCENARIOS, scenariosFor } from './scenarios.js';
import type { Stage } from './stage.js';

/** Of commands with many words, the first are enough. */
const PROBLEM_LENGTH = 200;

export interface ScenarioResult {
  readonly name: string;
  /** What became of the requests that were sent meanwhile, if any were. */
  readonly load?: LoadResult;
  /** What else is to be told. */
  readonly remark?: string;
  /** Why the scenario did not come to its end. */
  readonly problem?: string;
}

/** Plays the scenarios whose names match, one after the other, each on a cluster in order. */
export async function runScenarios(
  stage: Stage,
  wanted: RegExp,
  told: (what: string) => void,
): Promise<readonly ScenarioResult[]> {
  const results: ScenarioResult[] = [];
  await stage.setUp();
  for (const { name, isQuiet = false, run } of scenariosFor(stage, wanted)) {
    const load = isQuiet ? undefined : stage.load();
    const outcome = await run(stage).then(
      (remark) => (remark === undefined ? {} : { remark }),
      (error: unknown) => ({ problem: messageOf(error).slice(0, PROBLEM_LENGTH) }),
    );
    const result = { name, ...(load && { load: await load.stop() }), ...outcome };
    told(`${name}: ${textOf(result)}`);
    results.push(result);
    await stage.inOrder();
  }
  return results;
}

/** Such as `12 of 3,456 failed (ECONNREFUSED 12), 0.4 s without an answer`. */
export function textOf({ load, remark, problem }: ScenarioResult): string {
  return [
    ...(load === undefined ? [] : requestsOf(load)),
    ...(remark === undefined ? [] : [remark]),
    ...(problem === undefined ? [] : [`did not end: ${problem}`]),
  ].join('; ');
}

function requestsOf({ requests, failures, longestGapMs }: LoadResult): string[] {
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  const kinds = Object.entries(failures).map(([kind, count]) => `${kind} ${count}`);
  return [
    `${failed} of ${requests.toLocaleString('en')}${failed === 0 ? '' : ` (${kinds.join(', ')})`}`,
    ...(longestGapMs < 1000 ? [] : [`${(longestGapMs / 1000).toFixed(1)} s without an answer`]),
  ];
}

/**
 * Writes results into a document, as a column beside those of other clusters.
 *
 * @throws Error if the document has no place for them
 */
export function writeScenarios(file: string, title: string, results: readonly ScenarioResult[]): void {
  rewrite(file, (columns) => {
    const column = columns.get(title) ?? new Map<string, string>();
    for (const result of results) column.set(result.name, textOf(result));
    columns.set(title, column);
    return render(columns);
  });
}

function render(columns: Columns): string {
  const titles = [...columns.keys()].sort((a, b) => a.localeCompare(b, 'en'));
  const rows = SCENARIOS.map(({ name, own = false }) => [
    name,
    ...titles.map(
      (title) =>
        columns.get(title)?.get(name) ?? (own && title.startsWith('kube-proxy') ? 'has none' : NOT_RUN),
    ),
  ]);
  return table(['what happens', ...titles], rows).join('\n');
}
