/** What went wrong, stable across versions. */
export type ManagerErrorCode =
  /** The configuration cannot be used; the message names the key. */
  | 'CONFIG'
  /** A value of an object breaks a rule; `details.object` and `details.field` tell where. */
  | 'INVALID_OBJECT'
  /** The agent broke the Sync protocol; the stream ends. */
  | 'PROTOCOL'
  /** Another object holds what this one claims. */
  | 'CONFLICT'
  /** Something named does not exist: an interface of the target, a table. */
  | 'NOT_FOUND'
  /** A table of the target, or a range of ids, is full. */
  | 'EXHAUSTED'
  /** The target is not connected, this manager is not its primary, or it was lost meanwhile. */
  | 'TARGET_UNAVAILABLE'
  /** The target refused an entry for another reason. */
  | 'REJECTED'
  /** The target, or its pipeline, cannot do this. */
  | 'UNSUPPORTED'
  /** The state directory cannot be used. */
  | 'STORE'
  /** The caller's deadline passed, or the manager is stopping. */
  | 'CANCELLED';

/** The one error class of the manager. Recognise it with {@link ManagerError.is}. */
export class ManagerError extends Error {
  override readonly name = 'ManagerError';
  readonly code: ManagerErrorCode;
  readonly details: Readonly<Record<string, string | number>>;

  constructor(
    code: ManagerErrorCode,
    message: string,
    details: Readonly<Record<string, string | number>> = {},
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.details = details;
  }

  /** Tells whether `error` is a ManagerError, with one of `codes` if any are given. */
  static is(error: unknown, ...codes: readonly ManagerErrorCode[]): error is ManagerError {
    return (
      error instanceof Error &&
      error.name === 'ManagerError' &&
      'code' in error &&
      (codes.length === 0 || codes.some((code) => code === error.code))
    );
  }
}

/** The message of anything thrown, on one line. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/\s*\n\s*/g, ' ');
}

/** For the end of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new Error(`unexpected value ${JSON.stringify(value)}`);
}
