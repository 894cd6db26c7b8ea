/** What the server answers instead of what was asked for: a `Status` object with an HTTP status code. */
export class StatusError extends Error {
  override readonly name = 'StatusError';
  readonly code: number;
  readonly reason: string;
  readonly retryAfterSeconds: number | undefined;

  constructor(code: number, reason: string, message: string, retryAfterSeconds?: number) {
    super(message);
    this.code = code;
    this.reason = reason;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  toStatus(): Record<string, unknown> {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.retryAfterSeconds !== undefined
        ? { details: { retryAfterSeconds: this.retryAfterSeconds } }
        : {}),
      code: this.code,
    };
  }
}

export const badRequest = (message: string) => new StatusError(400, 'BadRequest', message);
export const notFound = (message: string) => new StatusError(404, 'NotFound', message);
export const expired = (message: string) => new StatusError(410, 'Expired', message);
