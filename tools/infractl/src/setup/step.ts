import { messageOf } from '@infra-offload/base';
import type { Journal } from './journal.js';
import { SetupError } from './setup-error.js';

/** One thing that setting up a node takes. */
export interface Step {
  /** "huge pages". */
  readonly name: string;
  /** @returns what is there, if nothing needs to be done. @throws SetupError if it can neither be found nor made. */
  check(): Promise<string | undefined>;
  /** Makes it; what it was like before goes into the journal first. @returns what was done. */
  apply?(journal: Journal): Promise<string>;
  /** Takes back what `apply` did, as the journal tells. @returns what was undone; undefined if there was nothing. */
  undo?(journal: Journal): Promise<string | undefined>;
}

export type Outcome = 'ok' | 'done' | 'failed' | 'undone' | 'nothing to undo';

export interface Report {
  readonly step: string;
  readonly outcome: Outcome;
  readonly detail: string;
}

/**
 * Brings a node into shape, step by step, and stops at the first that fails. What is as it should be is left alone, so it may
 * run again at any time, also after a failure.
 *
 * @returns whether everything is in shape.
 */
export async function setUp(
  steps: readonly Step[],
  journal: Journal,
  report: (report: Report) => void,
): Promise<boolean> {
  for (const step of steps) {
    try {
      const found = await step.check();
      if (found !== undefined) report({ step: step.name, outcome: 'ok', detail: found });
      else if (step.apply === undefined) throw new SetupError('it is missing');
      else report({ step: step.name, outcome: 'done', detail: await step.apply(journal) });
    } catch (error) {
      report({ step: step.name, outcome: 'failed', detail: messageOf(error) });
      return false;
    }
  }
  return true;
}

/**
 * Takes back what earlier runs did, last things first. A step that fails does not keep the others from being undone.
 *
 * @returns whether nothing is left.
 */
export async function undo(
  steps: readonly Step[],
  journal: Journal,
  report: (report: Report) => void,
): Promise<boolean> {
  let isClean = true;
  for (const step of [...steps].reverse()) {
    if (step.undo === undefined) continue;
    try {
      const undone = await step.undo(journal);
      if (undone === undefined) report({ step: step.name, outcome: 'nothing to undo', detail: '' });
      else report({ step: step.name, outcome: 'undone', detail: undone });
    } catch (error) {
      isClean = false;
      report({ step: step.name, outcome: 'failed', detail: messageOf(error) });
    }
  }
  return isClean;
}
