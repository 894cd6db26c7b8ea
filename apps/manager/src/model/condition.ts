import { MANAGER_REASONS, type ManagerReason, type Severity } from '@infra-offload/infra-api';

/** Something to know about an object beside what the device holds; see docs/conditions.md. */
export interface Remark {
  readonly severity: Severity;
  /** One CamelCase word, which may be the agent's; empty if there is nothing to be said. */
  readonly reason: string;
  readonly message: string;
}

/** What the manager itself says. */
export interface Condition extends Remark {
  readonly reason: ManagerReason;
  /** Policies that it is about, if it is from a profile; absent: all of the profile's. */
  readonly policies?: readonly string[];
}

/** A condition, as severe as its reason is. */
export function condition(reason: ManagerReason, message: string): Condition {
  return { severity: MANAGER_REASONS[reason].severity, reason, message };
}
