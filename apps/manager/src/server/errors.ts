import { Metadata, type ServiceError, status } from '@grpc/grpc-js';
import { messageOf } from '@infra-offload/base';
import { P4rtError } from '@infra-offload/p4rt';
import { ManagerError, type ManagerErrorCode } from '../errors.js';

const CODES: Record<ManagerErrorCode, status> = {
  INVALID_OBJECT: status.INVALID_ARGUMENT,
  PROTOCOL: status.INVALID_ARGUMENT,
  CONFLICT: status.ALREADY_EXISTS,
  NOT_FOUND: status.NOT_FOUND,
  EXHAUSTED: status.RESOURCE_EXHAUSTED,
  TARGET_UNAVAILABLE: status.UNAVAILABLE,
  REJECTED: status.INTERNAL,
  UNSUPPORTED: status.UNIMPLEMENTED,
  STORE: status.INTERNAL,
  CANCELLED: status.CANCELLED,
};

/** The gRPC error for anything thrown. */
export function toServiceError(error: unknown): ServiceError {
  const details = messageOf(error);
  return Object.assign(new Error(details), { code: codeOf(error), details, metadata: new Metadata() });
}

/** Other targets than the softswitch do not read or delete everything: for them, a ManagerError UNSUPPORTED in place of `error`. */
export function refusedByTarget(error: unknown, what: string): unknown {
  if (!P4rtError.is(error, 'UNIMPLEMENTED', 'INVALID_ARGUMENT', 'PERMISSION_DENIED', 'WRITE_FAILED'))
    return error;
  return new ManagerError('UNSUPPORTED', `${what}: ${error.message}`, { cause: error });
}

function codeOf(error: unknown): status {
  if (ManagerError.is(error)) return CODES[error.code];
  if (P4rtError.is(error, 'UNAVAILABLE', 'CANCELLED', 'DEADLINE_EXCEEDED')) return status.UNAVAILABLE;
  return status.INTERNAL;
}
