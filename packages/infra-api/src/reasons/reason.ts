/**
 * What a reason means for its object: `note`: it is programmed as asked, but for what the message says; `degraded`: not all of
 * it is; `pending`: it will be, as soon as something else has happened.
 */
export type Severity = 'note' | 'degraded' | 'pending';

/** What people should know of a reason, whatever the message of a condition adds. */
export interface Explanation {
  readonly meaning: string;
  /** What to do, or what happens by itself. */
  readonly remedy: string;
}

/** A reason that objects have. */
export interface ConditionExplanation extends Explanation {
  readonly severity: Severity;
}
