import type { ManagerReason } from '@infra-offload/infra-api';
import type { WriteFailure } from '@infra-offload/p4rt';
import type { Operation, Outcome } from '@infra-offload/reconciler';

/** What a failed update means for the rest of the connection. */
export type Suspicion =
  | 'none'
  /** Nobody listens any more. */
  | 'disconnected'
  /** Another controller has become the primary. */
  | 'not-primary'
  /** The device may have lost its pipeline. */
  | 'pipeline';

/** Reads the failure of one update. */
export function outcomeOf<Row>(
  failure: WriteFailure,
  operation: Operation<Row>,
): { readonly outcome: Outcome; readonly suspicion: Suspicion } {
  const message = `${failure.entry}: ${failure.code}${failure.message === '' ? '' : `: ${failure.message}`}`;
  const refused = (reason: ManagerReason): Outcome => ({ kind: 'refused', reason, message });
  const unknown = (reason: ManagerReason): Outcome =>
    failure.sent ? { kind: 'unknown', reason, message } : { kind: 'unsent' };
  switch (failure.code) {
    case 'ALREADY_EXISTS':
      return none(operation.kind === 'insert' ? { kind: 'exists' } : refused('WriteFailed'));
    case 'NOT_FOUND':
      // An insert that is "not found" names something that the device lacks.
      return none(operation.kind === 'insert' ? refused('WriteFailed') : { kind: 'absent' });
    case 'RESOURCE_EXHAUSTED':
      return none(refused('TableFull'));
    case 'DEADLINE_EXCEEDED':
      return none(unknown('WriteTimeout'));
    case 'UNKNOWN':
    case 'INTERNAL':
      return none(unknown('WriteFailed'));
    case 'UNAVAILABLE':
    case 'CANCELLED':
      return { outcome: unknown('TargetUnavailable'), suspicion: 'disconnected' };
    case 'PERMISSION_DENIED':
    case 'UNAUTHENTICATED':
      return { outcome: { kind: 'unsent' }, suspicion: 'not-primary' };
    case 'FAILED_PRECONDITION':
      return { outcome: refused('WriteFailed'), suspicion: 'pipeline' };
    case 'INVALID_ARGUMENT':
    case 'OUT_OF_RANGE':
    case 'UNIMPLEMENTED':
    case 'ABORTED':
    case 'DATA_LOSS':
      return none(refused('WriteFailed'));
    default:
      failure.code satisfies never;
      return none(refused('WriteFailed'));
  }
}

function none(outcome: Outcome) {
  return { outcome, suspicion: 'none' as const };
}
