import type { Reply } from '@infra-offload/service';
import { Counter, type Registry } from 'prom-client';

export interface ProxyHealthOptions {
  /** When the oldest change came that the data plane does not have yet; undefined if it has them all. Milliseconds. */
  readonly pendingSince: () => number | undefined;
  /** When the data plane last took a change over; undefined if it never has. Milliseconds. */
  readonly lastApplied: () => number | undefined;
  /** Whether the node is being deleted, or is about to be. */
  readonly isLeaving: () => boolean;
  readonly registry: Registry;
  readonly now?: () => number;
}

/** As long as kube-proxy allows: twice its sync period. */
const PENDING_LIMIT_MS = 60_000;

/** /healthz and /livez as kube-proxy answers them, so that what asks nodes for it goes on working. */
export class ProxyHealth {
  readonly #options: ProxyHealthOptions;
  readonly #now: () => number;
  readonly #answers: { readonly healthz: Counter<'code'>; readonly livez: Counter<'code'> };

  constructor(options: ProxyHealthOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    const counter = (name: string) =>
      new Counter({
        name: `kubeproxy_proxy_${name}_total`,
        help: `Answers of /${name} by HTTP status`,
        labelNames: ['code'] as const,
        registers: [options.registry],
      });
    this.#answers = { healthz: counter('healthz'), livez: counter('livez') };
  }

  /** Whether changes get through: none has been waiting for longer than a minute. */
  get isHealthy(): boolean {
    const since = this.#options.pendingSince();
    return since === undefined || this.#now() - since <= PENDING_LIMIT_MS;
  }

  /** Whether the node should get traffic: changes get through, and the node stays. */
  healthz(): Reply {
    const nodeEligible = !this.#options.isLeaving();
    return this.#reply('healthz', this.isHealthy && nodeEligible, { nodeEligible });
  }

  /** Whether changes get through, whatever becomes of the node. */
  livez(): Reply {
    return this.#reply('livez', this.isHealthy, {});
  }

  #reply(name: 'healthz' | 'livez', isGood: boolean, more: Readonly<Record<string, boolean>>): Reply {
    const status = isGood ? 200 : 503;
    this.#answers[name].inc({ code: status });
    const now = this.#now();
    // A proxy with nothing to do is up to date, as kube-proxy has it.
    const updated = isGood ? now : this.#options.lastApplied();
    const body = {
      lastUpdated: updated === undefined ? '' : new Date(updated).toISOString(),
      currentTime: new Date(now).toISOString(),
      ...more,
    };
    const headers = { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' };
    return { status, body: `${JSON.stringify(body)}\n`, headers };
  }
}
