import type { Owner } from '@infra-offload/reconciler';
import { type Condition, condition, type Remark } from '../model/condition.js';
import type { ObjectKey } from '../model/objects.js';
import { failuresOf } from '../reconciler/failures.js';
import type { Reconciler } from '../reconciler/reconciler.js';
import type { Profile, Stack, Standing, Subject } from './stack.js';

const DIRECTIONS = ['ingress', 'egress'] as const;

/** Failed rows that are spelled out. */
const SHOWN = 3;

/** Not in the device yet; nothing more is to be said until it is. */
const PENDING: readonly Remark[] = [{ severity: 'pending', reason: '', message: '' }];

interface World<Row> {
  readonly reconciler: Reconciler<Row>;
  readonly ownerOf: (pod: ObjectKey) => Owner<Row> | undefined;
}

/** How far a stack has come, for all of its pods. */
export function standingOf<Row>(
  stack: Stack<Row>,
  { reconciler, ownerOf }: World<Row>,
  isMissing: (policy: string) => boolean,
): Standing {
  const profiles = new Set<Profile<Row>>();
  for (const { profile } of stack.variants.values()) if (profile !== undefined) profiles.add(profile);
  const problems: Condition[] = [];
  let isPending = false;
  for (const profile of profiles) {
    const { owner } = profile;
    isPending ||= owner.progress === 'pending';
    if (owner.progress === 'failed') problems.push(refusedRows(profile, reconciler));
    problems.push(...profile.conditions);
  }
  for (const { key } of stack.subjects) isPending ||= ownerOf(key)?.progress === 'pending';
  return { isPending, problems, missing: [...stack.dependencies.policies].filter(isMissing) };
}

export function isSameStanding(a: Standing, b: Standing): boolean {
  return (
    a.isPending === b.isPending &&
    a.missing.length === b.missing.length &&
    a.missing.every((name, i) => name === b.missing[i]) &&
    a.problems.length === b.problems.length &&
    a.problems.every(({ reason, message }, i) => {
      const other = b.problems[i];
      return reason === other?.reason && message === other.message;
    })
  );
}

/** What is to be said of a set (`policy` undefined) or a policy, from the stacks that it is in. */
export function conditionsOfStacks<Row>(
  stacks: ReadonlySet<Stack<Row>>,
  policy: string | undefined,
): readonly Remark[] {
  const conditions = new Map<string, Condition>();
  for (const { standing } of stacks) {
    if (standing.isPending) return PENDING;
    if (policy === undefined) continue;
    for (const problem of standing.problems) {
      if (problem.policies?.includes(policy) === false) continue;
      conditions.set(`${problem.reason} ${problem.message}`, problem);
    }
  }
  return [...conditions.values()];
}

/** What is to be said of an isolation, from its pods. */
export function conditionsOfIsolation<Row>(
  subjects: ReadonlySet<Subject<Row>>,
  ownerOf: (pod: ObjectKey) => Owner<Row> | undefined,
): readonly Remark[] {
  const conditions = new Map<string, Condition>();
  const add = (one: Condition) => conditions.set(`${one.reason} ${one.message}`, one);
  for (const subject of subjects) {
    if (ownerOf(subject.key)?.progress === 'pending') return PENDING;
    if (subject.isCutOff) add(cutOff(subject.key));
    for (const direction of DIRECTIONS) {
      const placement = subject[direction];
      if (placement === undefined) continue;
      const { isStale = true, owner } = placement.variant?.profile ?? {};
      if (owner?.progress === 'pending') return PENDING;
      if (isStale) add(closed(direction));
      const { problems, missing } = placement.stack.standing;
      for (const name of missing) add(unknownPolicy(direction, name));
      for (const problem of problems) add(problem);
    }
  }
  return [...conditions.values()];
}

function refusedRows<Row>({ owner }: Profile<Row>, reconciler: Reconciler<Row>): Condition {
  const failures = failuresOf(owner, (key) => reconciler.cell(key)?.failure);
  const shown = failures.slice(0, SHOWN).map((failure) => failure.message);
  const more = failures.length - shown.length;
  return condition(
    failures[0]?.reason ?? 'WriteFailed',
    `what the target refused is denied: ${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}`,
  );
}

function closed(direction: string): Condition {
  const message = `all ${direction} traffic is denied until the target accepts the entries that it refused, since its present ones may allow too much`;
  return condition('EverythingDenied', message);
}

function cutOff(pod: ObjectKey): Condition {
  const message = `${pod.replace('/', ' ')} has no network, since the target refused to isolate it`;
  return condition('PodCutOff', message);
}

function unknownPolicy(direction: string, name: string): Condition {
  const message = `${direction}: policy ${name} is unknown, so everything that reaches it is denied`;
  return condition('PolicyUnknown', message);
}
