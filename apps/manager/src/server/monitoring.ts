import { type Lifecycle, MonitoringServer, metricsRoute } from '@infra-offload/service';
import type { Registry } from 'prom-client';
import type { Logger } from '../log.js';

export interface MonitoringOptions {
  /** `host:port`, or `off`. */
  readonly address: string;
  readonly registry: Registry;
  /** Why the manager is not ready, or undefined when it is. */
  readonly readiness: () => string | undefined;
  readonly logger: Logger;
}

/**
 * Serves /metrics, /healthz (the process answers) and /readyz (it keeps a target equal to what is wanted).
 *
 * @returns where; undefined if nowhere
 * @throws ServiceError CONFIG when the address cannot be listened on
 */
export async function startMonitoring(
  lifecycle: Lifecycle,
  { address, registry, readiness, logger }: MonitoringOptions,
): Promise<string | undefined> {
  if (address === 'off') return undefined;
  const routes = {
    '/metrics': metricsRoute(registry),
    '/healthz': () => ({ status: 200, body: 'ok\n' }),
    '/readyz': () => {
      const reason = readiness();
      return { status: reason === undefined ? 200 : 503, body: `${reason ?? 'ok'}\n` };
    },
  };
  const server = await MonitoringServer.start({ setting: 'monitoring.listen', address, routes, logger });
  lifecycle.add(() => server.stop());
  return server.address;
}
