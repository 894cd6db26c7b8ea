/** What went wrong, stable across versions. */
export type AgentErrorCode =
  /** The configuration cannot be used; the message names file and key. */
  | 'CONFIG'
  /** A command of the system failed; `details.command` and `details.stderr` tell which and why. */
  | 'COMMAND_FAILED'
  /** The CNI socket cannot be served, since another agent listens there for example. */
  | 'SOCKET'
  /** The state directory cannot be read or written. */
  | 'STATE';

/** The one error class of the agent; what container runtimes get are CniErrors. */
export class AgentError extends Error {
  override readonly name = 'AgentError';
  readonly code: AgentErrorCode;
  readonly details: Readonly<Record<string, string>>;

  constructor(
    code: AgentErrorCode,
    message: string,
    options: { details?: Readonly<Record<string, string>>; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  /** Tells whether `error` is an AgentError, with one of `codes` if any are given. */
  static is(error: unknown, ...codes: readonly AgentErrorCode[]): error is AgentError {
    return (
      error instanceof Error &&
      error.name === 'AgentError' &&
      'code' in error &&
      (codes.length === 0 || codes.some((code) => code === error.code))
    );
  }
}

/** The message of anything thrown, on one line. */
export function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/\s*\n\s*/g, ' ');
}

/** What gRPC says of a failed call, without its words around the cause of a failed connection. */
export function detailsOf({
  details,
  message,
}: Pick<Error, 'message'> & { readonly details?: string }): string {
  return (
    details
      ?.replace(/^No connection established\. Last error: /, '')
      .replace(/\.? Resolution note:\s*$/, '') || message
  );
}

/** Whether `error` is a system error with one of `codes`, such as ENOENT. */
export function isSystemError(error: unknown, ...codes: readonly string[]): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && codes.some((code) => code === error.code);
}

/** `since 2026-01-31T12:00:00Z (35 s)`, for messages. */
export function since(date: Date): string {
  const seconds = Math.max(0, Math.round((Date.now() - date.getTime()) / 1000));
  return `since ${date.toISOString().replace(/\.[0-9]+Z$/, 'Z')} (${seconds} s)`;
}
