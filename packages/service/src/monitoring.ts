import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { listenWhenFree, messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import * as z from 'zod';
import { addressSchema, splitAddress } from './address.js';
import { ServiceError } from './error.js';

/** What a request is answered with; `body` is text unless `headers` say otherwise. */
export interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/**
 * What GET is answered with, by path; `*` is for every path without one of its own. HEAD is answered as GET without its body.
 * Nothing can be changed here: whoever is on the node may ask.
 */
export type Routes = Readonly<Record<string, () => Reply | Promise<Reply>>>;

export interface MonitoringOptions {
  /** The setting that `address` comes from, for messages. */
  readonly setting: string;
  /** `host:port`; port 0 takes a free one. */
  readonly address: string;
  readonly routes: Routes;
  readonly logger: Logger;
}

/** Schema of the key `monitoring`: where metrics and health are served; `off` for nowhere. */
export function monitoringSchema(defaultAddress: string) {
  return z
    .strictObject({
      listen: z
        // YAML reads a bare off as false.
        .union([z.literal('off'), z.literal(false).transform(() => 'off' as const), addressSchema(0)], {
          error: 'is neither of the form host:port with a port from 0 to 65535, nor "off"',
        })
        .default(defaultAddress),
    })
    .prefault({});
}

/** So many at once are not answered for monitoring; connections must not use up what the program has to open. */
const MAX_CONNECTIONS = 100;
/** In milliseconds, for a whole request, all of which fit into a packet. */
const LIMITS = { requestTimeout: 10_000, headersTimeout: 10_000, connectionsCheckingInterval: 1_000 };

/** A small HTTP server for metrics and health. */
export class MonitoringServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws ServiceError CONFIG if the address cannot be listened on */
  static async start({ setting, address, routes, logger }: MonitoringOptions): Promise<MonitoringServer> {
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      const guard = new Guard((error) => {
        logger.error({ path: request.url, reason: messageOf(error) }, 'a request failed');
        send(request, response, { status: 500, body: `${messageOf(error)}\n` });
      });
      guard.run(async () => send(request, response, await answer(request, routes)));
    };
    const server = createServer(LIMITS, new Guard().handler(serve));
    server.maxConnections = MAX_CONNECTIONS;
    try {
      await listenWhenFree(server, splitAddress(address), (error) =>
        logger.warn({ setting, reason: messageOf(error) }, 'waiting for a port that a connection has'),
      );
    } catch (cause) {
      const message = `${setting}: cannot listen on ${address}: ${messageOf(cause)}`;
      throw new ServiceError('CONFIG', message, { cause });
    }
    return new MonitoringServer(server);
  }

  /** `host:port`, with the real port. */
  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') return '';
    const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
    return `${host}:${address.port}`;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

/** The route of metrics: usually `/metrics`. */
export function metricsRoute(registry: Registry): () => Promise<Reply> {
  return async () => ({
    status: 200,
    body: await registry.metrics(),
    headers: { 'content-type': registry.contentType },
  });
}

async function answer(request: IncomingMessage, routes: Routes): Promise<Reply> {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  const route = Object.hasOwn(routes, path) ? routes[path] : routes['*'];
  if (route === undefined) return { status: 404, body: `there are ${Object.keys(routes).join(', ')}\n` };
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { status: 405, body: 'only GET is served\n' };
  return route();
}

function send(request: IncomingMessage, response: ServerResponse, { status, body, headers }: Reply): void {
  response.writeHead(status, {
    'content-type': 'text/plain; charset=utf-8',
    'cache-control': 'no-store',
    ...headers,
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
