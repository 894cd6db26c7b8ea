import { type ServiceError, status } from '@grpc/grpc-js';
import { type CanonicalCode, canonicalCodeName } from '../canonical-code.js';
import { Status } from '../gen/google/rpc/status.js';
import { Error as UpdateError } from '../gen/p4/v1/p4runtime.js';

/** What a server says of one update of a failed Write. */
export type UpdateStatus =
  | { readonly kind: 'ok' }
  | {
      readonly kind: 'failed';
      readonly code: Exclude<CanonicalCode, 'OK'>;
      readonly message: string;
      readonly target?: { readonly space: string; readonly code: number };
    }
  /** The server gave no status for this update. */
  | { readonly kind: 'unknown' };

const DETAILS = 'grpc-status-details-bin';

/**
 * The statuses of the `count` updates of a failed Write, in their order (P4Runtime 1.5, "Error reporting": one
 * `p4.v1.Error` for each update, in `google.rpc.Status.details`). Undefined if the server gave none that can be read,
 * or says that all went well, which contradicts the failure.
 */
export function updateStatuses(error: ServiceError, count: number): readonly UpdateStatus[] | undefined {
  const bytes = error.metadata?.get(DETAILS)[0];
  if (!(bytes instanceof Uint8Array)) return undefined;
  let details: Status['details'];
  try {
    details = Status.decode(bytes).details;
  } catch {
    return undefined;
  }
  const statuses = Array.from({ length: count }, (_, i) => readStatus(details[i]));
  const informative = statuses.some((one) => one.kind === 'failed');
  return informative ? statuses : undefined;
}

function readStatus(any: Status['details'][number] | undefined): UpdateStatus {
  if (any === undefined || !any.typeUrl.endsWith('p4.v1.Error')) return { kind: 'unknown' };
  try {
    const { canonicalCode, message, space, code } = UpdateError.decode(any.value);
    if (canonicalCode === status.OK) return { kind: 'ok' };
    return {
      kind: 'failed',
      code: canonicalCodeName(canonicalCode),
      message,
      ...(space === '' && code === 0 ? {} : { target: { space, code } }),
    };
  } catch {
    return { kind: 'unknown' };
  }
}
