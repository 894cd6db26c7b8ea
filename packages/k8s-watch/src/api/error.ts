/**
 * - `CONFIG`: the kubeconfig or the in-cluster environment is missing or wrong; what to do is in the message.
 * - `CREDENTIALS`: a token file, certificate or exec plugin of the configuration fails.
 * - `UNREACHABLE`: no connection, it broke, or nothing came for too long.
 * - `UNAUTHORIZED`: status 401. `FORBIDDEN`: 403. `NOT_SERVED`: 404. `EXPIRED`: 410, the version asked for is gone.
 * - `OVERLOADED`: 429, or 503 with Retry-After.
 * - `SERVER_ERROR`: any other status that is no success.
 * - `BAD_RESPONSE`: something else than what the API promises: no JSON, no object, too large.
 */
export type KubernetesApiErrorCode =
  | 'CONFIG'
  | 'CREDENTIALS'
  | 'UNREACHABLE'
  | 'UNAUTHORIZED'
  | 'FORBIDDEN'
  | 'NOT_SERVED'
  | 'EXPIRED'
  | 'OVERLOADED'
  | 'SERVER_ERROR'
  | 'BAD_RESPONSE';

export interface KubernetesApiErrorDetails {
  /** The HTTP status. */
  readonly status?: number;
  /** How long the server asks to be left alone. */
  readonly retryAfterMs?: number;
}

export class KubernetesApiError extends Error {
  override readonly name = 'KubernetesApiError';
  readonly code: KubernetesApiErrorCode;
  readonly details: KubernetesApiErrorDetails;

  constructor(
    code: KubernetesApiErrorCode,
    message: string,
    options: { readonly details?: KubernetesApiErrorDetails; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }

  /** Whether it is one, also of another copy of this package. */
  static is(error: unknown): error is KubernetesApiError {
    return error instanceof Error && error.name === 'KubernetesApiError' && 'code' in error;
  }
}

/** The message of whatever was thrown, on one line. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.message === '') return error.errors.map(reasonOf).join('; ');
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().replaceAll(/\s*\n\s*/g, ' ');
}
