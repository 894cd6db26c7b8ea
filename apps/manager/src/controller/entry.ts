import type { ManagerReason } from '@infra-offload/infra-api';
import type { GroupPlan } from '@infra-offload/lb-model';
import type { IPv4 } from '@infra-offload/net';
import { Owner, type RowFailure, type RowKey } from '@infra-offload/reconciler';
import type { Remark } from '../model/condition.js';
import type { Frontend, ObjectKey, WantedState } from '../model/objects.js';
import { conflictsOf, failuresOf } from '../reconciler/failures.js';

export type State = 'pending' | 'programmed' | 'degraded';

/** What is said of an object; the wire's ObjectStatus. */
export interface Status {
  readonly state: State;
  /** One CamelCase word, or empty. */
  readonly reason: string;
  readonly message: string;
}

/** One object, as the manager holds it. */
export class Entry<Row> {
  /** Undefined after its deletion, while something of it is left on the device or drains. */
  object: WantedState | undefined = undefined;
  /** Id and slots of a service. */
  id: number | undefined = undefined;
  plan: GroupPlan | undefined = undefined;
  buckets: readonly number[] = [];
  /** Of a pod, see {@link CompileContext.since}. */
  since: number | undefined = undefined;
  /** The first frontend that a service had last. */
  frontend: Frontend | undefined = undefined;
  /** Addresses that a pod or node has had since it was compiled last. */
  addresses: readonly IPv4[] = [];
  /** Claims that another object holds. */
  lost: readonly string[] = [];
  conditions: readonly Remark[] = [];
  /** Why a newer version was not taken; what was there before stays. */
  invalid: string | undefined = undefined;
  /** Snapshot that named it last. */
  generation = 0;
  status: Status = PENDING;
  readonly owner: Owner<Row>;

  constructor(readonly key: ObjectKey) {
    this.owner = new Owner(key);
  }
}

const PENDING: Status = { state: 'pending', reason: '', message: '' };
const PROGRAMMED: Status = { state: 'programmed', reason: '', message: '' };
const TARGET_AWAY: Status = {
  state: 'pending',
  reason: 'TargetUnavailable' satisfies ManagerReason,
  message: 'the target is not connected, or this manager is not its primary',
};
/** Failures that a message spells out. */
const SHOWN = 3;

/**
 * Where an entry stands.
 *
 * @param failureOf the failure of the cell that a waiting cell waits for.
 */
export function statusOf<Row>(
  entry: Entry<Row>,
  attached: boolean,
  failureOf: (key: RowKey) => RowFailure | undefined,
): Status {
  if (entry.invalid !== undefined) {
    const kept = entry.object === undefined ? '' : '; the version before it stays in force';
    const reason: ManagerReason = 'ObjectInvalid';
    return { state: 'degraded', reason, message: entry.invalid + kept };
  }
  const { owner, conditions } = entry;
  if (!attached) return TARGET_AWAY;
  if (owner.progress === 'pending') return PENDING;
  const failures = owner.progress === 'failed' ? failuresOf(owner, failureOf) : [];
  const degraded = conditions.filter((condition) => condition.severity === 'degraded');
  const problems = [...failures, ...conflictsOf(owner), ...degraded];
  const [first] = problems;
  if (first !== undefined) return { state: 'degraded', reason: first.reason, message: summarise(problems) };
  const pending = conditions.filter((condition) => condition.severity === 'pending');
  const [waiting] = pending;
  if (waiting !== undefined) return { state: 'pending', reason: waiting.reason, message: summarise(pending) };
  const [note] = conditions;
  if (note !== undefined) return { state: 'programmed', reason: note.reason, message: summarise(conditions) };
  return PROGRAMMED;
}

export function sameStatus(a: Status, b: Status): boolean {
  return a === b || (a.state === b.state && a.reason === b.reason && a.message === b.message);
}

function summarise(problems: readonly Pick<Remark, 'message'>[]): string {
  const shown = problems.slice(0, SHOWN).map((problem) => problem.message);
  const more = problems.length - shown.length;
  return shown.join('; ') + (more > 0 ? `; and ${more} more` : '');
}
