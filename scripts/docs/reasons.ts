import { FELIX_REASONS, SERVICE_REASONS } from '../../packages/infra-api/src/reasons/agent.js';
import { MANAGER_REASONS } from '../../packages/infra-api/src/reasons/manager.js';
import { READINESS_REASONS } from '../../packages/infra-api/src/reasons/readiness.js';
import type {
  ConditionExplanation,
  Explanation,
  Severity,
} from '../../packages/infra-api/src/reasons/reason.js';
import { WARNING_REASONS } from '../../packages/infra-api/src/reasons/warnings.js';

/** All reasons of agent and manager. */
export const REASONS: readonly string[] = [
  MANAGER_REASONS,
  SERVICE_REASONS,
  FELIX_REASONS,
  READINESS_REASONS,
  WARNING_REASONS,
].flatMap((reasons) => Object.keys(reasons));

/** How pages call the state of an object with a reason of that severity. */
const STATES: Readonly<Record<Severity, string>> = {
  note: 'programmed',
  degraded: 'degraded',
  pending: 'pending',
};

/** The rows of a page about reasons whose objects are all in one state, or that are of no object. */
export function explanationRows(reasons: Readonly<Record<string, Explanation>>): string[] {
  return Object.entries(reasons).map(
    ([reason, { meaning, remedy }]) => `| \`${reason}\` | ${meaning} | ${remedy} |`,
  );
}

/** The rows of a page about reasons, with the states of their objects. */
export function conditionRows(reasons: Readonly<Record<string, ConditionExplanation>>): string[] {
  return Object.entries(reasons).map(
    ([reason, { severity, meaning, remedy }]) =>
      `| \`${reason}\` | ${STATES[severity]} | ${meaning} | ${remedy} |`,
  );
}
