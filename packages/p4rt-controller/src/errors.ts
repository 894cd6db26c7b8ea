import { typedError } from '@infra-offload/base';

/** `INVALID`: a name that is taken, or an entity that cannot be kept; the message says which, and what to do. */
export type ControllerErrorCode = 'INVALID';

/** The error of this package. What fails on the way to a switch is a P4rtError, in an event. */
export class ControllerError extends typedError<ControllerErrorCode>('ControllerError') {}

export function invalid(message: string): ControllerError {
  return new ControllerError('INVALID', message);
}
