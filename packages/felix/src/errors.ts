/**
 * - `FRAME_TOO_LARGE`: a frame is longer than the limit; what follows it cannot be found any more.
 * - `TRUNCATED_FRAME`: the stream ended within a frame.
 * - `MALFORMED_MESSAGE`: bytes that are no protobuf message of the expected kind, or one without what identifies it.
 * - `WRONG_DIALECT`: a message of another Calico version than was asked for.
 */
export type FelixErrorCode = 'FRAME_TOO_LARGE' | 'TRUNCATED_FRAME' | 'MALFORMED_MESSAGE' | 'WRONG_DIALECT';

const codes: readonly string[] = [
  'FRAME_TOO_LARGE',
  'TRUNCATED_FRAME',
  'MALFORMED_MESSAGE',
  'WRONG_DIALECT',
] satisfies readonly FelixErrorCode[];

/** The one error class of this package: always the other side's mistake. */
export class FelixError extends Error {
  override readonly name = 'FelixError';
  readonly code: FelixErrorCode;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(
    code: FelixErrorCode,
    message: string,
    options: { readonly details?: Readonly<Record<string, unknown>>; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  /** Recognises the error also when it comes from another copy of the package. */
  static is(error: unknown): error is FelixError {
    return (
      error instanceof Error &&
      error.name === 'FelixError' &&
      'code' in error &&
      codes.some((code) => code === error.code)
    );
  }
}
