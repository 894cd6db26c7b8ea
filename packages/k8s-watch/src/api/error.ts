import { typedError } from '@infra-offload/base';

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

/** What requests to the API server, or their configuration, fail with. */
export class KubernetesApiError extends typedError<KubernetesApiErrorCode, KubernetesApiErrorDetails>(
  'KubernetesApiError',
) {}
