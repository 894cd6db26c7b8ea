import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import type { Logger } from 'pino';
import { AgentError } from '../errors.js';

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
export type Routes = Readonly<Record<string, { readonly get: () => Reply | Promise<Reply> }>>;

export interface HttpServerOptions {
  /** Where `address` comes from, for messages. */
  readonly name: string;
  /** `host:port`; port 0 takes a free one. */
  readonly address: string;
  readonly routes: Routes;
  readonly logger: Logger;
}

/** So many at once are not answered for monitoring; connections must not use up what the agent has to open. */
const maxConnections = 100;
/** For a whole request, of which all fit into a packet. */
const requestMs = 10_000;

/** A small HTTP server for monitoring. */
export class HttpServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws AgentError CONFIG if it cannot listen there. */
  static async start({ name, address, routes, logger }: HttpServerOptions): Promise<HttpServer> {
    const limits = {
      requestTimeout: requestMs,
      headersTimeout: requestMs,
      connectionsCheckingInterval: 1_000,
    };
    const serve = (request: IncomingMessage, response: ServerResponse): void => {
      const guard = new Guard((error) => {
        logger.error({ path: request.url, reason: messageOf(error) }, 'a request failed');
        send(request, response, { status: 500, body: `${messageOf(error)}\n` });
      });
      guard.run(async () => send(request, response, await answer(request, routes)));
    };
    const server = createServer(limits, new Guard().handler(serve));
    server.maxConnections = maxConnections;
    const split = address.lastIndexOf(':');
    const host = address.slice(0, split).replace(/^\[|\]$/g, '');
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(new AgentError('CONFIG', `${name} ${address}: ${cause.message}`, { cause })),
      );
      server.listen({ host, port: Number(address.slice(split + 1)) }, resolve);
    });
    return new HttpServer(server);
  }

  /** Where it listens. */
  get address(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') return '';
    return address.family === 'IPv6'
      ? `[${address.address}]:${address.port}`
      : `${address.address}:${address.port}`;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answer(request: IncomingMessage, routes: Routes): Promise<Reply> {
  const path = (request.url ?? '/').split('?')[0] ?? '/';
  const route = Object.hasOwn(routes, path) ? routes[path] : routes['*'];
  if (route === undefined) return { status: 404, body: `there are ${Object.keys(routes).join(', ')}\n` };
  if (request.method !== 'GET' && request.method !== 'HEAD')
    return { status: 405, body: 'only GET is served\n' };
  return route.get();
}

function send(request: IncomingMessage, response: ServerResponse, { status, body, headers }: Reply): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers });
  response.end(request.method === 'HEAD' ? undefined : body);
}
