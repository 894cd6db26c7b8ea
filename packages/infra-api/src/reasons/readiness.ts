import type { Explanation } from './reason.js';

/** Why infra-manager is not ready. */
export const READINESS_REASONS = {
  TargetAway: {
    meaning: 'there is no session with the target; the message has the last error',
    remedy: 'see whether the target runs, and at which address',
  },
  NotPrimary: {
    meaning: 'another controller may write to the target, or nobody may yet',
    remedy: 'stop the other controller',
  },
  Synchronising: {
    meaning: 'the target is being read and compared',
    remedy: 'nothing: it takes seconds',
  },
  CertificateInvalid: {
    meaning:
      'a certificate in use, or one above it in the chain, has expired or is not valid yet, or its new files cannot be used',
    remedy: 'renew it, and check the clocks',
  },
  StateNotStorable: {
    meaning: 'changes are in force but kept only in memory',
    remedy: 'free some disk space, or make the disk writable',
  },
  SnapshotAwaited: {
    meaning: 'the state was lost; entries stay on the target until the agent sends its snapshot',
    remedy: 'see whether the agent runs',
  },
} as const satisfies Readonly<Record<string, Explanation>>;

export type ReadinessReason = keyof typeof READINESS_REASONS;
