import { status } from '@grpc/grpc-js';

/** The canonical gRPC status names, which are also the codes of {@link SoftswitchError}. */
export type StatusName = keyof typeof status;

/**
 * The one error of this package. `code` is the canonical status that a client is given for it
 * (https://grpc.io/docs/guides/status-codes); `details` says which object was meant.
 */
export class SoftswitchError extends Error {
  override readonly name = 'SoftswitchError';

  constructor(
    readonly code: StatusName,
    message: string,
    options?: { cause?: unknown; details?: Readonly<Record<string, unknown>> },
  ) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.details = options?.details ?? {};
  }

  readonly details: Readonly<Record<string, unknown>>;

  /** The canonical status as the number that goes over the wire. */
  get status(): status {
    return status[this.code];
  }

  /** Recognises the error by name and code, so that it also works across copies of the package. */
  static is(error: unknown): error is SoftswitchError {
    return (
      error instanceof Error &&
      error.name === 'SoftswitchError' &&
      'code' in error &&
      typeof error.code === 'string'
    );
  }

  /** Any thrown value as a SoftswitchError; what is not one already becomes INTERNAL. */
  static from(error: unknown): SoftswitchError {
    if (SoftswitchError.is(error)) return error;
    const message = error instanceof Error ? error.message : String(error);
    return new SoftswitchError('INTERNAL', message, { cause: error });
  }
}

/** Throws a SoftswitchError: `fail('NOT_FOUND', 'no table 7')`. An expression, for use after `??`. */
export function fail(code: StatusName, message: string, details?: Readonly<Record<string, unknown>>): never {
  throw new SoftswitchError(code, message, details === undefined ? undefined : { details });
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
