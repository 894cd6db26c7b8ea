import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { messageOf } from '@infra-offload/base';
import type { Credentials, RequestAccess } from './cluster-access.js';
import { KubernetesApiError, type KubernetesApiErrorDetails } from './error.js';

/** Answers that are errors are short; more of one than this is not read. */
const MAX_ERROR_BYTES = 64 * 1024;

export interface ApiRequest {
  /** Under the server's URL. */
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  /** Ends the request, whatever it is doing. */
  readonly signal: AbortSignal;
  /** How long it may take until the answer begins. */
  readonly answerMs: number;
  /** How long there may be no sign of life after that. */
  readonly silenceMs: number;
  /** Called when the server has accepted the request. */
  readonly onAccepted?: () => void;
}

/** GET requests to an API server. One connection each; nothing is left open when the answer has been read. */
export class ApiClient {
  readonly #credentials: Credentials;
  readonly #userAgent: string;

  constructor(credentials: Credentials, userAgent: string) {
    this.#credentials = credentials;
    this.#userAgent = userAgent;
  }

  /**
   * The chunks of a successful answer. Stopping to ask for them closes the connection.
   *
   * @throws {KubernetesApiError} of any code but `BAD_RESPONSE`. An end that came too early is `UNREACHABLE`.
   */
  async *get(request: ApiRequest): AsyncGenerator<Uint8Array, void, void> {
    const { server, options, generation } = await this.#access(request);
    const url = new URL(`${server.pathname.replace(/\/$/, '')}/${request.path}`, server);
    for (const [name, value] of Object.entries(request.query)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    const headers = {
      ...options.headers,
      accept: 'application/json',
      'accept-encoding': 'identity',
      'user-agent': this.#userAgent,
    };
    const silence = new Silence(request.answerMs, request.signal);
    try {
      const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
      const response = await answerOf(send(url, { ...options, headers, signal: silence.signal }));
      silence.broken(request.silenceMs);
      if (response.statusCode !== 200) throw await this.#failure(response, generation);
      request.onAccepted?.();
      for await (const chunk of response) {
        silence.broken(request.silenceMs);
        yield chunk;
      }
    } catch (cause) {
      if (KubernetesApiError.is(cause)) throw cause;
      // Rotated certificates show as failures of the connection only.
      this.#credentials.renew(generation);
      const reason = silence.tooLong ? `nothing came for ${silence.ms / 1000} s` : messageOf(cause);
      throw new KubernetesApiError('UNREACHABLE', `${server.origin}: ${reason}`, { cause });
    } finally {
      silence.end();
    }
  }

  /** An exec plugin may take its time, but not for ever, and not when nobody waits any more. */
  async #access({ signal, answerMs }: ApiRequest): Promise<RequestAccess> {
    const silence = new Silence(answerMs, signal);
    try {
      return await Promise.race([this.#credentials.forRequest(), silence.over()]);
    } finally {
      silence.end();
    }
  }

  async #failure(response: IncomingMessage, generation: number): Promise<KubernetesApiError> {
    const status = response.statusCode ?? 0;
    if (status === 401) this.#credentials.renew(generation);
    const pieces: Buffer[] = [];
    let size = 0;
    for await (const chunk of response) {
      pieces.push(chunk);
      size += chunk.length;
      if (size > MAX_ERROR_BYTES) break;
    }
    const text = Buffer.concat(pieces).toString('utf8');
    return statusError(status, serverMessage(text), retryAfterMs(response.headers['retry-after']));
  }
}

/** The error for an HTTP status, or for the Status object in an ERROR event. */
export function statusError(status: number, message: string, retryAfterMs?: number): KubernetesApiError {
  const details: KubernetesApiErrorDetails =
    retryAfterMs === undefined ? { status } : { status, retryAfterMs };
  const text = message === '' ? `status ${status}` : `status ${status}: ${message}`;
  switch (status) {
    case 401:
      return new KubernetesApiError('UNAUTHORIZED', text, { details });
    case 403:
      return new KubernetesApiError('FORBIDDEN', text, { details });
    case 404:
      return new KubernetesApiError('NOT_SERVED', text, { details });
    case 410:
      return new KubernetesApiError('EXPIRED', text, { details });
    case 429:
      return new KubernetesApiError('OVERLOADED', text, { details });
    case 503:
      return new KubernetesApiError(retryAfterMs === undefined ? 'SERVER_ERROR' : 'OVERLOADED', text, {
        details,
      });
    default:
      return new KubernetesApiError('SERVER_ERROR', text, { details });
  }
}

/** The message of a Status object, or the beginning of whatever else it is. */
function serverMessage(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && 'message' in value) return String(value.message);
  } catch {
    // A proxy's page, for instance.
  }
  return text.trim().replaceAll(/\s+/g, ' ').slice(0, 200);
}

/** Retry-After is a number of seconds, or a date (RFC 9110, 10.2.3). */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function answerOf(request: ClientRequest): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    request.once('response', resolve);
    request.on('error', reject);
    request.once('socket', (socket) => socket.setKeepAlive(true, 30_000));
    request.end();
  });
}

/** Aborts when nothing has come for too long, or when a signal from outside says so. */
class Silence {
  readonly #controller = new AbortController();
  readonly #outside: AbortSignal;
  readonly #abort = () => this.#controller.abort();
  #timer: NodeJS.Timeout | undefined;
  /** How long there may be silence. */
  ms = 0;
  tooLong = false;

  constructor(ms: number, outside: AbortSignal) {
    this.#outside = outside;
    if (outside.aborted) this.#abort();
    else outside.addEventListener('abort', this.#abort);
    this.broken(ms);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Rejects when it aborts. */
  over(): Promise<never> {
    return new Promise((_, reject) => {
      this.signal.addEventListener('abort', () => {
        const cause = this.tooLong ? `not there after ${this.ms / 1000} s` : 'no longer needed';
        reject(new KubernetesApiError('CREDENTIALS', `the credentials are ${cause}`));
      });
    });
  }

  broken(ms: number): void {
    if (ms === this.ms) {
      this.#timer?.refresh();
      return;
    }
    clearTimeout(this.#timer);
    this.ms = ms;
    this.#timer = setTimeout(() => {
      this.tooLong = true;
      this.#abort();
    }, ms);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#outside.removeEventListener('abort', this.#abort);
  }
}
