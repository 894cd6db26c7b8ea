import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import type { Registry } from 'prom-client';
import { ManagerError } from '../errors.js';
import type { Logger } from '../log.js';

/** So many at once are not answered for monitoring. */
const MAX_CONNECTIONS = 100;
/** In milliseconds, for a whole request, all of which fit into a packet. */
const LIMITS = { requestTimeout: 10_000, headersTimeout: 10_000, connectionsCheckingInterval: 1_000 };

/** Why the manager is not ready, or undefined when it is. */
export type Readiness = () => string | undefined;

/** Serves /metrics, /healthz (the process answers) and /readyz (it keeps a target equal to what is wanted). */
export class HttpServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws ManagerError CONFIG when the address cannot be listened on. */
  static async listen(
    address: string,
    registry: Registry,
    readiness: Readiness,
    logger: Logger,
  ): Promise<HttpServer> {
    const guard = new Guard((error) => logger.error({ err: error }, 'internal error'));
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      const send = (code: number, type: string, body: string) => {
        response.writeHead(code, { 'content-type': type, 'cache-control': 'no-store' });
        response.end(request.method === 'HEAD' ? undefined : body);
      };
      if (request.method !== 'GET' && request.method !== 'HEAD') {
        send(405, 'text/plain', 'only GET and HEAD\n');
        return;
      }
      switch (request.url?.split('?')[0]) {
        case '/metrics':
          new Guard((error) => send(500, 'text/plain', `${messageOf(error)}\n`)).run(async () => {
            send(200, registry.contentType, await registry.metrics());
          });
          return;
        case '/healthz':
          send(200, 'text/plain', 'ok\n');
          return;
        case '/readyz': {
          const reason = readiness();
          send(reason === undefined ? 200 : 503, 'text/plain', `${reason ?? 'ok'}\n`);
          return;
        }
        default:
          send(404, 'text/plain', 'here are /metrics, /healthz and /readyz\n');
      }
    };
    const server = createServer(LIMITS, guard.handler(answer));
    server.maxConnections = MAX_CONNECTIONS;
    const { host, port } = splitAddress(address);
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => {
        reject(
          new ManagerError('CONFIG', `metrics.listen: cannot listen on ${address}: ${messageOf(error)}`, {
            cause: error,
          }),
        );
      });
      server.listen(port, host, resolve);
    });
    return new HttpServer(server);
  }

  /** `host:port` with the real port. */
  get address(): string {
    const { address, port, family } = this.#server.address() as AddressInfo;
    return family === 'IPv6' ? `[${address}]:${port}` : `${address}:${port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Host without brackets, and port. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}
