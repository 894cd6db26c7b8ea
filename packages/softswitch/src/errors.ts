import { status } from '@grpc/grpc-js';
import { messageOf, typedError } from '@infra-offload/base';

/** The canonical gRPC status names, which are also the codes of {@link SoftswitchError}. */
export type StatusName = keyof typeof status;

/**
 * The one error of this package. `code` is the canonical status that a client is given for it
 * (https://grpc.io/docs/guides/status-codes); `details` says which object was meant.
 */
export class SoftswitchError extends typedError<StatusName>('SoftswitchError') {
  /** The canonical status as the number that goes over the wire. */
  get status(): status {
    return status[this.code];
  }

  /** Any thrown value as a SoftswitchError; what is not one already becomes INTERNAL. */
  static from(error: unknown): SoftswitchError {
    if (SoftswitchError.is(error)) return error;
    return new SoftswitchError('INTERNAL', messageOf(error), { cause: error });
  }
}

/** Throws a SoftswitchError: `fail('NOT_FOUND', 'no table 7')`. An expression, for use after `??`. */
export function fail(code: StatusName, message: string, details?: Readonly<Record<string, unknown>>): never {
  throw new SoftswitchError(code, message, { details });
}
