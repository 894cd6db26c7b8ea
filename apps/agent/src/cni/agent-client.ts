import { request } from 'node:http';
import { CniError, CniErrorCode, excerpt } from '@infra-offload/cni-types';
import { MAX_ANSWER_BYTES, type OperationName, type Operations } from './protocol.js';

/** Longer than anything in the agent takes; only an agent that hangs is cut off. */
const TIMEOUT_MS = 60_000;

/** infra-cni's side of the socket. */
export class AgentClient {
  readonly #socketPath: string;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** @throws CniError: the agent's own, or 11 if it does not run, or went away. */
  async call<Name extends OperationName>(
    operation: Name,
    body: Operations[Name]['request'],
  ): Promise<Operations[Name]['response']> {
    const { status, text } = await this.#post(`/v1/${operation}`, JSON.stringify(body));
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch (cause) {
      throw new CniError(
        CniErrorCode.decodeFailure,
        `infra-agent did not answer with JSON: ${excerpt(text)}`,
        {
          cause,
        },
      );
    }
    // What the agent of the same build answers is not checked again.
    if (status === 200) return json as Operations[Name]['response'];
    throw (
      CniError.parse(json) ??
      new CniError(CniErrorCode.internal, `infra-agent answered HTTP status ${status}`)
    );
  }

  #post(path: string, body: string): Promise<{ readonly status: number; readonly text: string }> {
    return new Promise((resolve, reject) => {
      const fail = (cause: Error) =>
        reject(
          new CniError(
            CniErrorCode.tryAgainLater,
            `infra-agent does not answer on ${this.#socketPath}: ${cause.message}`,
            { details: 'is infra-agent running on this node?', cause },
          ),
        );
      const outgoing = request(
        {
          socketPath: this.#socketPath,
          path,
          method: 'POST',
          headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
          agent: false,
          timeout: TIMEOUT_MS,
        },
        (response) => {
          const chunks: Buffer[] = [];
          let length = 0;
          response.on('data', (chunk: Buffer) => {
            length += chunk.length;
            if (length > MAX_ANSWER_BYTES) outgoing.destroy(new Error('its answer does not end'));
            else chunks.push(chunk);
          });
          response.once('error', fail);
          response.once('end', () =>
            resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
          );
        },
      );
      outgoing.once('timeout', () => outgoing.destroy(new Error(`no answer in ${TIMEOUT_MS / 1000} s`)));
      outgoing.once('error', fail);
      outgoing.end(body);
    });
  }
}
