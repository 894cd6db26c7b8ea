import { isIPv4 } from 'node:net';
import { messageOf } from '@infra-offload/base';
import { Guard } from '@infra-offload/guard';
import {
  type EndpointSlice,
  isLoadBalanced,
  type ObjectSource,
  type Service,
  StoreIndex,
  serviceOfSlice,
} from '@infra-offload/k8s-watch';
import { MonitoringServer, type Reply } from '@infra-offload/service';
import type { Logger } from 'pino';

export interface HealthCheckPortsOptions {
  readonly source: ObjectSource;
  readonly nodeName: string;
  /** Whether changes reach the data plane. */
  readonly isProxyHealthy: () => boolean;
  readonly logger: Logger;
  /** Where the ports are; every address of the node if absent. */
  readonly host?: string;
  readonly retryMs?: number;
}

interface Server {
  readonly port: number;
  readonly http: MonitoringServer;
}

/**
 * Answers load balancers that ask on a service's `healthCheckNodePort` whether this node has endpoints of it
 * (externalTrafficPolicy Local): 200 if some are ready here and changes reach the data plane, else 503.
 */
export class HealthCheckPorts {
  readonly #options: HealthCheckPortsOptions;
  readonly #slices: StoreIndex<EndpointSlice>;
  readonly #servers = new Map<string, Server>();
  readonly #failed = new Set<string>();
  readonly #unsubscribe: () => void;
  /** Ports are opened and closed one after the other, as one may move from a service to the next. */
  #last: Promise<void> = Promise.resolve();
  #retry: NodeJS.Timeout | undefined;
  #isStopped = false;
  #isDue = false;

  constructor(options: HealthCheckPortsOptions) {
    const { source } = options;
    this.#options = options;
    this.#slices = new StoreIndex(source.endpointSlices, (slice) => serviceOfSlice(slice) ?? []);
    this.#unsubscribe = source.services.subscribe(() => this.#reconcile());
    this.#reconcile();
  }

  /** Waits until the ports are as the services say. */
  settled(): Promise<void> {
    return this.#last;
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#retry);
    this.#unsubscribe();
    this.#slices.close();
    await this.#last;
    await Promise.all([...this.#servers.values()].map(({ http }) => http.stop()));
  }

  #reconcile(): void {
    if (this.#isDue || this.#isStopped) return;
    this.#isDue = true;
    this.#last = this.#last.then(async () => {
      this.#isDue = false;
      const wanted = this.#wanted();
      for (const [key, { port, http }] of this.#servers) {
        if (wanted.get(key) === port) continue;
        this.#servers.delete(key);
        await http.stop();
      }
      for (const [key, port] of wanted) if (!this.#servers.has(key)) await this.#open(key, port);
    });
  }

  #wanted(): Map<string, number> {
    const ports = new Map<string, number>();
    for (const service of this.#options.source.services.values()) {
      const port = portOf(service);
      if (port !== undefined) ports.set(`${service.namespace}/${service.name}`, port);
    }
    return ports;
  }

  async #open(service: string, port: number): Promise<void> {
    const { host = '0.0.0.0', logger, retryMs = 30_000 } = this.#options;
    if (this.#isStopped) return;
    const options = { setting: 'healthCheckNodePort', address: `${host}:${port}`, logger };
    try {
      const routes = { '*': () => this.#answer(service) };
      this.#servers.set(service, { port, http: await MonitoringServer.start({ ...options, routes }) });
      this.#failed.delete(service);
    } catch (error) {
      if (!this.#failed.has(service)) {
        logger.error({ service, port, reason: messageOf(error) }, 'no health check port; trying again');
        this.#failed.add(service);
      }
      clearTimeout(this.#retry);
      const guard = new Guard((error) => logger.error({ err: error }, 'internal error'));
      this.#retry = setTimeout(
        guard.handler(() => this.#reconcile()),
        retryMs,
      );
    }
  }

  /** As kube-proxy answers. */
  #answer(key: string): Reply {
    const [namespace = '', name = ''] = key.split('/');
    const localEndpoints = this.#localEndpoints(key);
    const serviceProxyHealthy = this.#options.isProxyHealthy();
    const body = { service: { namespace, name }, localEndpoints, serviceProxyHealthy };
    return {
      status: localEndpoints > 0 && serviceProxyHealthy ? 200 : 503,
      body: `${JSON.stringify(body)}\n`,
      headers: {
        'content-type': 'application/json',
        'x-content-type-options': 'nosniff',
        'x-load-balancing-endpoint-weight': String(localEndpoints),
      },
    };
  }

  /** Pods, not ports: one that has two counts once. */
  #localEndpoints(service: string): number {
    const addresses = new Set<string>();
    for (const { endpoints } of this.#slices.get(service)) {
      for (const { address, ready, nodeName } of endpoints) {
        if (ready && nodeName === this.#options.nodeName && isIPv4(address)) addresses.add(address);
      }
    }
    return addresses.size;
  }
}

function portOf(service: Service): number | undefined {
  const isLocal = service.type === 'LoadBalancer' && service.externalTrafficPolicy === 'Local';
  return isLocal && isLoadBalanced(service) ? service.healthCheckNodePort : undefined;
}
