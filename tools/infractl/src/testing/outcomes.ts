import type { Journal } from '../setup/journal.js';
import type { Report, Step, setUp, undo } from '../setup/step.js';

/** Runs steps and gives "outcome step: detail" of each. */
export async function outcomesOf(
  how: typeof setUp | typeof undo,
  steps: readonly Step[],
  journal: Journal,
): Promise<{ readonly ok: boolean; readonly reports: readonly string[] }> {
  const reports: string[] = [];
  const note = ({ step, outcome, detail }: Report) => reports.push(`${outcome} ${step}: ${detail}`);
  return { ok: await how(steps, journal, note), reports };
}
