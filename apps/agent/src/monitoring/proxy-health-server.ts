import { isSystemError, messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import { MonitoringServer, type Routes, ServiceError } from '@infra-offload/service';
import type { Logger } from 'pino';

export interface ProxyHealthServerOptions {
  /** `healthzAddress`, `host:port`. */
  readonly address: string;
  readonly routes: Routes;
  readonly logger: Logger;
  /** Until a port that somebody else has is tried again; kube-proxy's 5 s if absent. */
  readonly retryMs?: number;
}

/**
 * Serves the node's health where load balancers ask for it. That is kube-proxy's port: as long as kube-proxy is still there, it
 * answers, and this is tried again until it is gone.
 */
export class ProxyHealthServer {
  readonly #options: ProxyHealthServerOptions;
  #server: MonitoringServer | undefined;
  #retry: NodeJS.Timeout | undefined;
  #starting: Promise<void> = Promise.resolve();
  #isStopped = false;
  #problem: string | undefined;

  private constructor(options: ProxyHealthServerOptions) {
    this.#options = options;
  }

  /** @throws ServiceError CONFIG if it cannot listen there, whoever else does. */
  static async start(options: ProxyHealthServerOptions): Promise<ProxyHealthServer> {
    const server = new ProxyHealthServer(options);
    await server.#listen();
    return server;
  }

  /** `host:port`, with the real port; undefined while somebody else has it. */
  get address(): string | undefined {
    return this.#server?.address;
  }

  /** Why load balancers do not hear of this agent; undefined if they do. */
  get problem(): string | undefined {
    return this.#problem;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#retry);
    await this.#starting;
    await this.#server?.stop();
  }

  async #listen(): Promise<void> {
    const { address, routes, logger, retryMs = 5_000 } = this.#options;
    try {
      this.#server = await MonitoringServer.start({ setting: 'healthzAddress', address, routes, logger });
      if (this.#problem !== undefined) logger.info({ address }, 'health is served now');
      this.#problem = undefined;
    } catch (error) {
      if (!ServiceError.is(error) || !isSystemError(error.cause, 'EADDRINUSE')) throw error;
      const reason = `${messageOf(error)}; kube-proxy uses 10256 as long as it runs on the node`;
      if (this.#problem === undefined) logger.warn({ address, reason }, 'health is not served; trying again');
      this.#problem = reason;
      const guard = new Guard((error) => logger.error({ err: error }, 'health is not served'));
      this.#retry = setTimeout(
        guard.handler(() => {
          if (this.#isStopped) return;
          this.#starting = this.#listen();
          return this.#starting;
        }),
        retryMs,
      );
    }
  }
}
