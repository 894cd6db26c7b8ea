import { metricsRoute, type Reply, type Routes } from '@infra-offload/service';
import type { Registry } from 'prom-client';
import type { LogLevels } from '../log.js';
import type { ProxyHealth } from './proxy-health.js';

export interface MonitoringSources {
  readonly registry: Registry;
  readonly health: ProxyHealth;
  readonly levels: LogLevels;
  readonly readiness: ReadinessReport;
  /** What keeps Calico from being served; empty if nothing does. */
  readonly calicoProblems: () => Promise<readonly string[]>;
}

/** See `Readiness`. */
export interface ReadinessReport {
  problems(): readonly string[];
  warnings(): readonly string[];
}

/** The health of the node as a service proxy, for load balancers and probes. */
export function healthRoutes(health: ProxyHealth, readiness: ReadinessReport): Routes {
  return {
    '/healthz': () => health.healthz(),
    '/livez': () => health.livez(),
    '/readyz': () => {
      const warnings = readiness.warnings().map((warning) => `warning: ${warning}`);
      const problems = readiness.problems();
      const body = [...(problems.length === 0 ? ['ready'] : problems), ...warnings].join('\n');
      return { status: problems.length === 0 ? 200 : 503, body: `${body}\n` };
    },
  };
}

/** Everything that is served on the monitoring address. */
export function monitoringRoutes(sources: MonitoringSources): Routes {
  const { registry, health, levels, readiness, calicoProblems } = sources;
  return {
    '/metrics': metricsRoute(registry),
    ...healthRoutes(health, readiness),
    '/check': async () => listing(await calicoProblems()),
    '/loglevel': () => json(200, levels.current()),
  };
}

function listing(problems: readonly string[]): Reply {
  return problems.length === 0
    ? { status: 200, body: 'ok\n' }
    : { status: 500, body: `${problems.join('\n')}\n` };
}

function json(status: number, value: unknown): Reply {
  return { status, body: `${JSON.stringify(value)}\n`, headers: { 'content-type': 'application/json' } };
}
