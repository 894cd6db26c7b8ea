import { BlockList, isIPv6 } from 'node:net';
import type { Registry } from 'prom-client';
import type { LogLevels } from '../log.js';
import type { Handler, Reply, Routes } from './http-server.js';
import type { ProxyHealth } from './proxy-health.js';

export interface MonitoringSources {
  readonly registry: Registry;
  readonly health: ProxyHealth;
  readonly levels: LogLevels;
  /** What keeps the agent from serving, in words; empty if it is ready. */
  readonly problems: () => readonly string[];
  /** What keeps Calico from being served; empty if nothing does. */
  readonly calicoProblems: () => Promise<readonly string[]>;
}

/** The health of the node as a service proxy, for load balancers and probes. */
export function healthRoutes(health: ProxyHealth, problems: () => readonly string[]): Routes {
  return {
    '/healthz': { get: () => health.healthz() },
    '/livez': { get: () => health.livez() },
    '/readyz': { get: () => listing(problems(), 'ready', 503) },
  };
}

/** Everything that is served on the monitoring address. */
export function monitoringRoutes(sources: MonitoringSources): Routes {
  const { registry, health, levels, problems, calicoProblems } = sources;
  return {
    '/metrics': {
      get: async () => ({
        status: 200,
        body: await registry.metrics(),
        headers: { 'content-type': registry.contentType },
      }),
    },
    ...healthRoutes(health, problems),
    '/check': { get: async () => listing(await calicoProblems(), 'ok', 500) },
    '/loglevel': { get: () => json(200, levels.current()), put: setLevel(levels) },
  };
}

/** `{"level": "debug"}` for all modules, `{"modules": {"sync": "trace"}}` for some. */
function setLevel(levels: LogLevels): Handler {
  return ({ socket }, body) => {
    // Reading does no harm, but whoever can fill the disk with traces should be on the node.
    if (!isLoopback(socket.remoteAddress ?? '')) {
      return { status: 403, body: 'log levels can be changed from the node itself only\n' };
    }
    const problem = levels.change(body);
    return problem === undefined ? json(200, levels.current()) : { status: 400, body: `${problem}\n` };
  };
}

function listing(problems: readonly string[], good: string, badStatus: number): Reply {
  return problems.length === 0
    ? { status: 200, body: `${good}\n` }
    : { status: badStatus, body: `${problems.join('\n')}\n` };
}

function json(status: number, value: unknown): Reply {
  return { status, body: `${JSON.stringify(value)}\n`, headers: { 'content-type': 'application/json' } };
}

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8);
loopback.addAddress('::1', 'ipv6');

function isLoopback(address: string): boolean {
  return address !== '' && loopback.check(address, isIPv6(address) ? 'ipv6' : 'ipv4');
}
