import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { AgentError, messageOf } from '../errors.js';

/** What a request is answered with; `body` is text unless `headers` say otherwise. */
export interface Reply {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** `body` is that of a PUT, else empty. */
export type Handler = (request: IncomingMessage, body: string) => Reply | Promise<Reply>;

/** Handlers by path; `*` is for every path without one of its own. HEAD is answered as GET without its body. */
export type Routes = Readonly<Record<string, { readonly get: Handler; readonly put?: Handler }>>;

export interface HttpServerOptions {
  /** Where `address` comes from, for messages. */
  readonly name: string;
  /** `host:port`; port 0 takes a free one. */
  readonly address: string;
  readonly routes: Routes;
  readonly logger: Logger;
}

const maxBodyBytes = 64 * 1024;

/** A small HTTP server for monitoring. */
export class HttpServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws AgentError CONFIG if it cannot listen there. */
  static async start({ name, address, routes, logger }: HttpServerOptions): Promise<HttpServer> {
    const server = createServer((request, response) => {
      answer(request, routes).then(
        (reply) => send(request, response, reply),
        (error: unknown) => {
          logger.error({ path: request.url, reason: messageOf(error) }, 'a request failed');
          send(request, response, { status: 500, body: `${messageOf(error)}\n` });
        },
      );
    });
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
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return route.get(request, '');
    case 'PUT': {
      if (route.put === undefined) break;
      const body = await readBody(request);
      if (body === undefined) return { status: 413, body: `a body has at most ${maxBodyBytes} bytes\n` };
      return route.put(request, body);
    }
    default:
  }
  const allowed = route.put === undefined ? 'GET is' : 'GET and PUT are';
  return { status: 405, body: `only ${allowed} served\n` };
}

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBodyBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function send(request: IncomingMessage, response: ServerResponse, { status, body, headers }: Reply): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8', ...headers });
  response.end(request.method === 'HEAD' ? undefined : body);
}
