/** What went wrong, stable across versions. */
export type TlsCertsErrorCode =
  /** A file or directory cannot be read or written; the message names it. */
  | 'FILE'
  /** Something would be overwritten. */
  | 'EXISTS'
  /** A file is not the PEM text that it should be. */
  | 'PEM'
  /** The private key does not belong to the certificate. */
  | 'KEY_MISMATCH'
  /** The certificate, or one that it depends on, is not valid any more. */
  | 'EXPIRED'
  /** The certificate, or one that it depends on, is not valid yet. */
  | 'NOT_YET_VALID'
  /** The certificate was not issued by any of the authorities. */
  | 'CA_MISMATCH'
  /** An authority is no root, and the file lacks that of its issuer. */
  | 'NO_ROOT'
  /** The certificate's extended key usage does not allow what it is used for. */
  | 'USAGE'
  /** Cipher suites, sizes of keys, dates or addresses that cannot be used. */
  | 'INVALID'
  /** kubectl could not be run, or failed. */
  | 'KUBECTL';

/** The one error class of this package. Recognise it with {@link TlsCertsError.is}. */
export class TlsCertsError extends Error {
  override readonly name = 'TlsCertsError';
  readonly code: TlsCertsErrorCode;
  readonly details: Readonly<Record<string, string>>;

  constructor(
    code: TlsCertsErrorCode,
    message: string,
    details: Readonly<Record<string, string>> = {},
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }

  /** Tells whether `error` is a TlsCertsError, with one of `codes` if any are given. */
  static is(error: unknown, ...codes: readonly TlsCertsErrorCode[]): error is TlsCertsError {
    return (
      error instanceof Error &&
      error.name === 'TlsCertsError' &&
      'code' in error &&
      (codes.length === 0 || codes.some((code) => code === error.code))
    );
  }
}

/** The message of anything thrown, on one line. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, ' ');
}

/** Whether `error` is a system error with one of `codes`, such as ENOENT. */
export function isSystemError(error: unknown, ...codes: readonly string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && codes.some((code) => code === error.code);
}
