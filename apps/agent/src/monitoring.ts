import { createServer, type Server } from 'node:http';
import type { Logger } from 'pino';
import type { Registry } from 'prom-client';
import { AgentError, messageOf } from './errors.js';

export interface MonitoringOptions {
  /** `host:port`; port 0 takes a free one. */
  readonly address: string;
  readonly registry: Registry;
  /** What keeps the agent from serving, in words; empty if it is ready. */
  readonly problems: () => readonly string[];
  readonly logger: Logger;
}

/** Serves /metrics, /healthz (the process runs) and /readyz (pods can be attached). */
export class MonitoringServer {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** @throws AgentError CONFIG if it cannot listen there. */
  static async start({ address, registry, problems, logger }: MonitoringOptions): Promise<MonitoringServer> {
    const server = createServer(async (request, response) => {
      const send = (statusCode: number, body: string, type = 'text/plain; charset=utf-8') => {
        response.writeHead(statusCode, { 'content-type': type });
        response.end(request.method === 'HEAD' ? undefined : body);
      };
      if (request.method !== 'GET' && request.method !== 'HEAD') return send(405, 'only GET is served\n');
      switch (new URL(request.url ?? '/', 'http://agent').pathname) {
        case '/healthz':
          return send(200, 'ok\n');
        case '/readyz': {
          const found = problems();
          return found.length === 0 ? send(200, 'ready\n') : send(503, `${found.join('\n')}\n`);
        }
        case '/metrics':
          try {
            return send(200, await registry.metrics(), registry.contentType);
          } catch (error) {
            logger.error({ reason: messageOf(error) }, 'metrics cannot be collected');
            return send(500, `${messageOf(error)}\n`);
          }
        default:
          return send(404, 'there are /metrics, /healthz and /readyz\n');
      }
    });
    const split = address.lastIndexOf(':');
    const host = address.slice(0, split).replace(/^\[|\]$/g, '');
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) =>
        reject(new AgentError('CONFIG', `monitoringAddress ${address}: ${cause.message}`, { cause })),
      );
      server.listen({ host, port: Number(address.slice(split + 1)) }, resolve);
    });
    return new MonitoringServer(server);
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
