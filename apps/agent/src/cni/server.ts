import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import { CniError, CniErrorCode, decodeText, excerpt } from '@infra-offload/cni-types';
import { Guard } from '@infra-offload/guard';
import type { Logger } from 'pino';
import { InfraCniErrorCode } from '../cni-error-codes.js';
import type { LogLevels } from '../log.js';
import { listenAt, listenPrivately } from '../private-socket.js';
import type { Attacher } from './attacher.js';
import { MAX_REQUEST_BYTES } from './protocol.js';
import { type CniRequest, parseRequest } from './requests.js';

/** More than any operation takes: only a client that never ends its request is cut off. */
const STOP_LIMIT_MS = 30_000;

export interface CniServerOptions {
  readonly socketPath: string;
  readonly logger: Logger;
  /** What may be changed here, and nowhere else: who is not root must not silence the log, nor fill the disk. */
  readonly levels: LogLevels;
  /** Called after each request: code 0 is success, else the CNI error code. */
  readonly onRequest?: (operation: string, code: number, seconds: number) => void;
}

/** Serves infra-cni on a unix socket that only the agent's user can use. */
export class CniServer {
  readonly #options: CniServerOptions;
  readonly #server: Server;
  readonly #running = new Set<Promise<void>>();
  #attacher: Attacher | undefined;

  private constructor(options: CniServerOptions) {
    this.#options = options;
    const guard = new Guard((error) => options.logger.error({ err: error }, 'internal error'));
    const answer = (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const running = this.#handle(request, response).finally(() => this.#running.delete(running));
      this.#running.add(running);
      return running;
    };
    this.#server = createServer(guard.handler(answer));
    this.#server.on(
      'clientError',
      guard.handler((_error, socket) => {
        if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
      }),
    );
  }

  /**
   * Listens on the socket, making its directory if it is not there, and removing a socket on which nobody listens.
   *
   * @throws AgentError SOCKET
   */
  static async start(options: CniServerOptions): Promise<CniServer> {
    const { socketPath } = options;
    const server = new CniServer(options);
    await listenPrivately(socketPath, 'CNI socket', () => listenAt(server.#server, socketPath));
    return server;
  }

  /** Answers requests from now on. Until then they are told to come again: the socket alone keeps a second agent away. */
  serve(attacher: Attacher): void {
    this.#attacher = attacher;
  }

  /** Takes no new requests and waits for those that are running, but not for ever; removes the socket. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    const limit = new AbortController();
    await Promise.race([Promise.all(this.#running), setTimeout(STOP_LIMIT_MS, undefined, limit)]);
    limit.abort();
    this.#server.closeAllConnections();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const start = performance.now();
    const operation = /^\/v1\/([a-z]+)$/.exec(request.url ?? '')?.[1] ?? '';
    let name = 'unknown';
    try {
      if (request.method !== 'POST') throw badRequest('only POST is served');
      const parsed = parseRequest(operation, await readBody(request));
      if (parsed === undefined) throw badRequest(`there is no operation ${excerpt(request.url)}`);
      name = operation;
      const body = await this.#execute(parsed);
      send(response, 200, body);
      this.#options.onRequest?.(name, 0, (performance.now() - start) / 1000);
    } catch (error) {
      const cniError = CniError.from(error);
      if (cniError.code === CniErrorCode.internal) {
        this.#options.logger.error({ operation: name, err: error }, 'request failed');
      } else {
        this.#options.logger.debug(
          { operation: name, code: cniError.code, reason: cniError.message },
          'request refused',
        );
      }
      send(response, httpStatus(cniError.code), cniError.toResult());
      this.#options.onRequest?.(name, cniError.code, (performance.now() - start) / 1000);
    }
  }

  async #execute(request: CniRequest): Promise<object> {
    if (request.operation === 'loglevel') {
      this.#options.levels.change(request.body);
      return this.#options.levels.current();
    }
    const attacher = this.#attacher;
    if (attacher === undefined) throw new CniError(CniErrorCode.tryAgainLater, 'infra-agent is starting');
    switch (request.operation) {
      case 'prepare':
        await attacher.prepare(request.body);
        return {};
      case 'attach':
        return attacher.attach(request.body);
      case 'detach':
        await attacher.detach(request.body);
        return {};
      case 'check':
        await attacher.check(request.body);
        return {};
      case 'garbage':
        return { garbage: attacher.garbage(request.body) };
      case 'status':
        await attacher.status();
        return {};
      default:
        return request satisfies never;
    }
  }
}

function badRequest(message: string): CniError {
  return new CniError(CniErrorCode.decodeFailure, message);
}

function httpStatus(code: number): number {
  switch (code) {
    case CniErrorCode.invalidEnvironment:
    case CniErrorCode.decodeFailure:
    case CniErrorCode.invalidConfig:
    case CniErrorCode.invalidNetns:
      return 400;
    case CniErrorCode.unknownContainer:
      return 404;
    case InfraCniErrorCode.interfaceExists:
    case InfraCniErrorCode.addressInUse:
    case InfraCniErrorCode.checkFailed:
      return 409;
    case CniErrorCode.tryAgainLater:
    case CniErrorCode.notAvailable:
      return 503;
    default:
      return 500;
  }
}

function send(response: ServerResponse, statusCode: number, body: object): void {
  response.writeHead(statusCode, { 'content-type': 'application/json', connection: 'close' });
  response.end(`${JSON.stringify(body)}\n`);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MAX_REQUEST_BYTES) throw badRequest(`the request is longer than ${MAX_REQUEST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return decodeText(Buffer.concat(chunks), 'the request');
}
